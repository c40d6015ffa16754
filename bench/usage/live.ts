import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { quantile } from '../statistics.js'
import { checkExact } from './exactness.js'
import { exactLine } from './flush.js'
import { readFlushCpu, startFlusher, type Flusher } from './flusher.js'
import { orAborted } from './interruption.js'
import { row, verdict, whole } from './report.js'
import { startSpoolProcess } from './spool-process.js'
import { makeUsageTables, startStore, temporaryFolder, type Store } from './store.js'

export interface LivePlan {
  /** Requests that end in a second. */
  readonly perSecond: number
  /** How long CPU is measured. */
  readonly seconds: number
  /** Most records of a batch. */
  readonly batch: number
}

const WARM_UP_SECONDS = 2
/** Asking ClickHouse all the time costs CPU of its own, so the age of usage is measured after the CPU. */
const AGE_SECONDS = 4
const ASK_MS = 50
const GOAL_SECONDS = 2

/**
 * Writes a spool at a rate, as a proxy under load does, while the flusher carries it into ClickHouse; prints what that
 * costs and how old a request is before it can be read.
 * @returns whether the goal was met
 * @throws when something arrived twice, not at all or changed; or aborted
 */
export async function benchLive(plan: LivePlan, signal: AbortSignal): Promise<boolean> {
  const { perSecond, seconds, batch } = plan
  await using folder = await temporaryFolder()
  await using store = await startStore(join(folder.path, 'clickhouse'))
  await makeUsageTables(store)
  const directory = join(folder.path, 'spool')
  const requests = perSecond * (WARM_UP_SECONDS + seconds + AGE_SECONDS)
  await using writer = await startSpoolProcess(directory, requests, perSecond)
  await using flusher = startFlusher(store, { directory, liveEpoch: writer.epoch, maxBatchRows: batch })

  await sleep(WARM_UP_SECONDS * 1000, undefined, { signal })
  const before = reading(store, flusher)
  await sleep(seconds * 1000, undefined, { signal })
  const after = reading(store, flusher)
  const records = after.rows - before.rows
  const batches = after.batches - before.batches
  const ages = await agesOf(store, AGE_SECONDS * 1000, signal)
  const { totals } = await orAborted(writer.written, signal)
  await flusher.untilSent(requests, signal)
  await checkExact(store, totals)

  const oldest = quantile(ages, 1)
  const met = oldest <= GOAL_SECONDS
  const micros = (used: number) => (used / records).toFixed(1)
  console.log(
    [
      `Flush of ${whole(perSecond)} usage records a second while they are written, ${seconds} s, into embedded ClickHouse`,
      row('records/s', whole(records / seconds)),
      row('batches', whole(batches), `${whole(records / Math.max(1, batches))} records each on average`),
      row('CPU of the flusher', micros(after.cpu.flusher - before.cpu.flusher), 'µs per record'),
      row('CPU of ClickHouse', micros(after.cpu.engine - before.cpu.engine), 'µs per record'),
      row('readable, median', `${quantile(ages, 0.5).toFixed(2)} s`, 'after its end'),
      row('readable, latest', `${oldest.toFixed(2)} s`, verdict(`≤ ${GOAL_SECONDS} s`, met)),
      exactLine(totals),
    ].join('\n'),
  )
  return met
}

function reading(store: Store, { backlog }: Flusher) {
  return { cpu: readFlushCpu(store), rows: backlog?.rowsSent ?? 0, batches: backlog?.batchesSent ?? 0 }
}

const Latest = z.object({ latest: z.number() })

/** Asks again and again how old the latest request is that can be read; the ages in seconds, in order. */
async function agesOf(store: Store, forMs: number, signal: AbortSignal): Promise<number[]> {
  const ages: number[] = []
  const until = performance.now() + forMs
  while (performance.now() < until) {
    const askedAt = Date.now()
    const [answer] = await store.rows(
      'SELECT toUnixTimestamp64Milli(max(ended_at)) AS latest FROM usage_records',
      Latest,
    )
    if (answer !== undefined) ages.push((askedAt - answer.latest) / 1000)
    await sleep(ASK_MS, undefined, { signal })
  }
  return ages.sort((a, b) => a - b)
}
