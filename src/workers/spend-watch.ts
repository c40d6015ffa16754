import type { ClickHouseClient } from '@clickhouse/client'
import type { Pool } from 'pg'
import type { Logger } from 'pino'
import { z } from 'zod'
import { loadClickHouseQuery } from '../io/clickhouse.js'
import { isSpendWanted, type MonthSpend, pruneSpend, writeSpend } from '../io/tenant-spend.js'
import { pause } from './leadership.js'

export interface SpendWatchOptions {
  readonly postgres: Pool
  readonly clickhouse: ClickHouseClient
  readonly logger: Logger
  /** Unix milliseconds. */
  readonly now: () => number
}

const LOOK_MS = 2_000
/** Of a ClickHouse in which a look takes long it takes no more than a twentieth of the time. */
const REST_TIMES = 20
const MAX_REST_MS = 30_000
const PRUNE_EVERY_MS = 3_600_000
/** Records of a month's end may come late. The month before is looked at for so long. */
const LATE_MS = 86_400_000

const SpendRow = z
  .object({ tenant_id: z.string(), month: z.string(), spent_nanos: z.string() })
  .transform((row): MonthSpend => ({
    tenantId: row.tenant_id,
    month: row.month,
    spentNanos: row.spent_nanos,
  }))

/**
 * Looks once: writes to Postgres what tenants with a budget have spent by their bills.
 * @throws when a store does not answer, or the signal ended the question
 */
export async function lookAtSpend(
  { postgres, clickhouse, now }: SpendWatchOptions,
  signal: AbortSignal,
): Promise<void> {
  if (!(await isSpendWanted(postgres))) return
  const day = new Date(now() - LATE_MS)
  const since = Date.UTC(day.getUTCFullYear(), day.getUTCMonth()) / 1000
  const result = await clickhouse.query({
    query: loadClickHouseQuery('spend-by-tenant'),
    format: 'JSONEachRow',
    query_params: { since },
    abort_signal: signal,
  })
  const spend = z.array(SpendRow).parse(await result.json())
  if (spend.length > 0) await writeSpend(postgres, spend)
}

/**
 * The leader's part in budgets. Proxies count in Redis what they settle, which Redis may lose and a killed proxy does
 * not do: the truth is what ClickHouse bills. Looks every two seconds, less often where a look takes long, until the
 * signal; while a store is away it asks ever less often, and says so once. Two leaders do no harm, since amounts only
 * grow.
 */
export async function watchSpend(options: SpendWatchOptions, signal: AbortSignal): Promise<void> {
  const { postgres, logger, now } = options
  let failures = 0
  let prunedAt = 0
  while (!signal.aborted) {
    const startedAt = performance.now()
    let restMs: number
    try {
      await lookAtSpend(options, signal)
      restMs = Math.max(LOOK_MS, REST_TIMES * (performance.now() - startedAt))
      if (now() - prunedAt >= PRUNE_EVERY_MS) {
        await pruneSpend(postgres)
        prunedAt = now()
      }
      if (failures > 0) logger.info({ event: 'spend_watch_recovered' })
      failures = 0
    } catch (error) {
      if (signal.aborted) return
      if (failures === 0) logger.warn({ event: 'spend_watch_interrupted', error })
      restMs = LOOK_MS * 2 ** failures
      failures = Math.min(failures + 1, 4)
    }
    await pause(Math.min(restMs, MAX_REST_MS), signal)
  }
}
