import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { bearer, call, startGateway, type Gateway } from '../gateway.js'
import { quantile } from '../statistics.js'
import { generateRequests, MODELS, TENANTS } from './generate.js'
import { orAborted } from './interruption.js'
import {
  checkFreeSpace,
  makeFolder,
  placesIn,
  readManifest,
  writeManifest,
  type Manifest,
} from './kept-store.js'
import { compareWithRecords, LatencyReply } from './percentile-check.js'
import { row, verdict, whole } from './report.js'
import { startStore, temporaryFolder, type Store } from './store.js'

export interface LatencyPlan {
  readonly requests: number
  readonly days: number
  /** Keeps the generated store here, or uses the one that is there; null: a temporary one. */
  readonly keep: string | null
}

const GOAL_MS = 200
const CALLS = 20
const PATH = '/v1/metrics/latency?period=30d'

/**
 * Generates requests, asks a gateway for a tenant's percentiles over 30 days, end to end over HTTP, and prints how long
 * that took and how far they are from those of the records.
 * @returns whether the goal was met
 * @throws when the counts are wrong or a percentile is not as exact as promised; or aborted
 */
export async function benchLatency(plan: LatencyPlan, signal: AbortSignal): Promise<boolean> {
  if (plan.keep !== null) return measureIn(await makeFolder(plan.keep), plan, signal)
  await using folder = await temporaryFolder()
  return await measureIn(await makeFolder(folder.path), plan, signal)
}

async function measureIn(folder: string, plan: LatencyPlan, signal: AbortSignal): Promise<boolean> {
  const kept = await readManifest(folder, plan)
  const manifest = kept ?? (await fill(folder, plan, signal))
  // Engine and gateway start anew, so that a generated store and a kept one are measured alike.
  await using store = await startStore(placesIn(folder).clickhouse)
  await using gateway = await startOn(store, folder)
  await untilMerged(store, signal)
  return await orAborted(measure(store, gateway, manifest), signal)
}

function startOn(store: Store, folder: string): Promise<Gateway> {
  return startGateway({ dataDir: placesIn(folder).gateway, env: { CLICKHOUSE_URL: store.url } })
}

const HOUR_MS = 3_600_000

/** Makes a tenant through the admin API, and its requests and those of the others in the engine. */
async function fill(folder: string, { requests, days }: LatencyPlan, signal: AbortSignal): Promise<Manifest> {
  await checkFreeSpace(folder, requests)
  await using store = await startStore(placesIn(folder).clickhouse)
  await using gateway = await startOn(store, folder)
  const { body } = await gateway.client.tenants.create({
    body: { name: 'Bench', email: 'bench@example.com', tier: 'enterprise' },
  })
  const { tenant, api_key: apiKey } = body
  const endMs = Math.floor(Date.now() / HOUR_MS) * HOUR_MS
  const manifest: Manifest = { version: 1, requests, days, endMs, tenantId: tenant.id, apiKey }
  console.log(
    `Generating ${whole(requests)} requests over ${days} days, ${MODELS} models × ${TENANTS} tenants`,
  )
  await generateRequests(store, manifest, signal)
  await writeManifest(folder, manifest)
  return manifest
}

const Count = z.object({ count: z.number() })
const MERGES_MS = 15 * 60_000

/** Waits until the engine is done with the merges that mass generation left: a store that fills in a month has none. */
async function untilMerged(store: Store, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + MERGES_MS
  for (let quiet = 0; quiet < 5;) {
    const [merges] = await store.rows('SELECT count() AS count FROM system.merges', Count)
    quiet = merges?.count === 0 ? quiet + 1 : 0
    if (performance.now() > deadline) throw new Error('the engine still merges after a quarter of an hour')
    await sleep(300, undefined, { signal })
  }
}

const Sizes = z.object({ table: z.string(), rows: z.number(), bytes: z.number(), parts: z.number() })

async function measure(store: Store, gateway: Gateway, manifest: Manifest): Promise<boolean> {
  const ask = () => call(`${gateway.tenantUrl}${PATH}`, 'GET', bearer(manifest.apiKey), LatencyReply)
  const timed = async (): Promise<number> => {
    const askedAt = performance.now()
    await ask()
    return performance.now() - askedAt
  }
  const first = await timed()
  const times: number[] = []
  for (let n = 0; n < CALLS; n++) times.push(await timed())
  times.sort((a, b) => a - b)
  const median = quantile(times, 0.5)
  const check = await compareWithRecords(store, manifest.tenantId, ask)
  const sizes = await store.rows(
    `SELECT table, sum(rows) AS rows, sum(bytes_on_disk) AS bytes, count() AS parts FROM system.parts
     WHERE active AND database = currentDatabase() AND table LIKE 'usage%' GROUP BY table ORDER BY table`,
    Sizes,
  )

  const met = median < GOAL_MS
  const { requests, days } = manifest
  const ms = (value: number) => `${value.toFixed(1)} ms`
  console.log(
    [
      `GET ${PATH} over ${whole(requests)} requests of ${days} days, ${MODELS} models × ${TENANTS} tenants`,
      row('median of 20 calls', ms(median), verdict(`< ${GOAL_MS} ms`, met)),
      row('p95', ms(quantile(times, 0.95))),
      row('first call', ms(first), 'engine and gateway just started'),
      row('requests counted', whole(check.requests), `exact, in ${check.models} models of the tenant`),
      row(
        'percentiles off by',
        `${(check.greatest * 100).toFixed(2)}%`,
        `at most, ${(check.mean * 100).toFixed(2)}% on average`,
      ),
      ...sizes.map(({ table, rows, bytes, parts }) =>
        row(table, `${whole(bytes / 1e6)} MB`, `${whole(rows)} rows in ${parts} parts`),
      ),
    ].join('\n'),
  )
  return met
}
