import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { checkExact } from './exactness.js'
import { readFlushCpu, startFlusher } from './flusher.js'
import { orAborted } from './interruption.js'
import { row, verdict, whole } from './report.js'
import type { Totals } from './records.js'
import { startSpoolProcess } from './spool-process.js'
import { makeUsageTables, startStore, temporaryFolder } from './store.js'

export interface FlushPlan {
  readonly records: number
  /** Most records of a batch. */
  readonly batch: number
}

const GOAL_PER_SECOND = 50_000
/** What the engine defers (merges) gets this long to happen before its CPU is read. */
const SETTLE_MS = 1_000

/**
 * Writes a spool, carries it into an empty ClickHouse and prints how fast that went; then holds what arrived against
 * what was written.
 * @returns whether the goal was met
 * @throws when something arrived twice, not at all or changed; or aborted
 */
export async function benchFlush(plan: FlushPlan, signal: AbortSignal): Promise<boolean> {
  await using folder = await temporaryFolder()
  await using store = await startStore(join(folder.path, 'clickhouse'))
  await makeUsageTables(store)
  const directory = join(folder.path, 'spool')
  await using writer = await startSpoolProcess(directory, plan.records, 0)
  const { totals, bytes } = await orAborted(writer.written, signal)

  const before = readFlushCpu(store)
  const startedAt = performance.now()
  await using flusher = startFlusher(store, { directory, liveEpoch: null, maxBatchRows: plan.batch })
  await flusher.untilSent(plan.records, signal)
  const seconds = (performance.now() - startedAt) / 1000
  const flusherCpu = readFlushCpu(store).flusher - before.flusher
  await sleep(SETTLE_MS, undefined, { signal })
  const engineCpu = readFlushCpu(store).engine - before.engine
  const batches = flusher.backlog?.batchesSent ?? 0
  await checkExact(store, totals)

  const perSecond = plan.records / seconds
  const met = perSecond >= GOAL_PER_SECOND
  console.log(
    [
      `Flush of ${whole(plan.records)} usage records, ${whole(bytes / 1e6)} MB of spool, into embedded ClickHouse`,
      row('records/s', whole(perSecond), verdict(`≥ ${whole(GOAL_PER_SECOND)}`, met)),
      row('batches', whole(batches), `${whole(plan.records / batches)} records each on average`),
      row('CPU of the flusher', (flusherCpu / plan.records).toFixed(1), 'µs per record'),
      row('CPU of ClickHouse', (engineCpu / plan.records).toFixed(1), 'µs per record'),
      exactLine(totals),
    ].join('\n'),
  )
  return met
}

/** Says what {@link checkExact} found. */
export function exactLine({ requests, promptTokens, completionTokens, costNanos }: Totals): string {
  return (
    `  exact: ${whole(requests)} requests, ${whole(promptTokens + completionTokens)} tokens and` +
    ` ${whole(costNanos)} nano-dollars in the records and in both rollups`
  )
}
