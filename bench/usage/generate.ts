import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { packageRoot } from '../../src/io/package-root.js'
import { whole } from './report.js'
import type { Store } from './store.js'

export interface Generation {
  readonly requests: number
  readonly days: number
  /** Where the last day ends, Unix milliseconds. */
  readonly endMs: number
  /** Gets its share of the requests, as each of {@link TENANTS}. */
  readonly tenantId: string
}

export const TENANTS = 100
export const MODELS = 50

const DAY_MS = 86_400_000
const PROGRESS_MS = 10_000
const THREADS = Math.min(4, availableParallelism())
/** Bounds the memory of an insert, and makes parts that are few and large. */
const SETTINGS = {
  max_threads: THREADS,
  max_insert_threads: String(THREADS),
  min_insert_block_size_rows: '262144',
  max_partitions_per_insert_block: '0',
  max_memory_usage: String(3 * 1024 ** 3),
} as const

const GENERATE = readFileSync(join(packageRoot, 'bench', 'usage', 'generate-requests.sql'), 'utf8')

/**
 * Generates requests inside the engine, a day at a time, evenly over the days. They come into `usage_records` by
 * INSERT, so the views fill the rollups as they do in production. The same options give the same requests.
 * @throws when the tables do not hold all of them in the end, or aborted
 */
export async function generateRequests(store: Store, plan: Generation, signal: AbortSignal): Promise<void> {
  const { requests, days, endMs, tenantId } = plan
  const startMicros = (endMs - days * DAY_MS) * 1000
  const startedAt = performance.now()
  let toldAt = startedAt
  for (let day = 0; day < days; day++) {
    const first = Math.floor((requests * day) / days)
    const next = Math.floor((requests * (day + 1)) / days)
    signal.throwIfAborted()
    await store.clickhouse.command({
      query: GENERATE,
      query_params: {
        first,
        count: next - first,
        start_micros: startMicros,
        step_micros: (days * DAY_MS * 1000) / requests,
        tenant_id: tenantId,
        tenants: TENANTS,
        models: MODELS,
      },
      clickhouse_settings: SETTINGS,
      abort_signal: signal,
    })
    if (performance.now() - toldAt < PROGRESS_MS && day < days - 1) continue
    toldAt = performance.now()
    const perSecond = (next / (toldAt - startedAt)) * 1000
    console.log(`  day ${day + 1} of ${days}: ${whole(next)} requests, ${whole(perSecond)}/s`)
  }
  await checkGenerated(store, requests)
}

const Sums = z.object({ requests: z.number(), tokens: z.number(), cost: z.string() })

/** The records and the hourly rollup agree, and are complete. (The rollup by minute keeps two weeks only.) */
async function checkGenerated(store: Store, requests: number): Promise<void> {
  const sums = (count: string, table: string) =>
    store.rows(
      `SELECT ${count} AS requests, sum(prompt_tokens) + sum(completion_tokens) AS tokens,
       toString(sum(cost_nanos)) AS cost FROM ${table}`,
      Sums,
    )
  const [records] = await sums('count()', 'usage_records')
  const [hours] = await sums('sum(requests)', 'usage_by_hour')
  if (records?.requests !== requests || JSON.stringify(records) !== JSON.stringify(hours)) {
    throw new Error(
      `${requests} requests were generated: the records say ${JSON.stringify(records)}, the hours ${JSON.stringify(hours)}`,
    )
  }
}
