import { performance } from 'node:perf_hooks'

/** Something that waits for its time. `tick` belongs to the pacer: -1 when nothing is scheduled. */
export interface Timed {
  tick: number
  due(nowMs: number): void
}

export interface Pacer {
  /** Monotonic milliseconds. */
  now(): number
  /** Calls `job.due` at `atMs` or in the next tick if that has passed. A job has one place: the last one counts. */
  schedule(job: Timed, atMs: number): void
  cancel(job: Timed): void
  /** Drops everything that is scheduled. */
  stop(): void
}

/**
 * One timer for all streams of a node: a map from millisecond to the jobs that are due in it. Scheduling is a
 * push, cancelling a field write, and a tick touches due jobs alone, so that 8,000 slow streams cost what their
 * tokens cost.
 */
export function createPacer(): Pacer {
  const buckets = new Map<number, Timed[]>()
  let timer: NodeJS.Timeout | undefined
  let lastTick = 0

  const run = (): void => {
    const nowMs = performance.now()
    const currentTick = Math.floor(nowMs)
    while (lastTick < currentTick && buckets.size > 0) {
      lastTick += 1
      const jobs = buckets.get(lastTick)
      if (jobs === undefined) continue
      buckets.delete(lastTick)
      for (const job of jobs) {
        if (job.tick !== lastTick) continue
        job.tick = -1
        job.due(nowMs)
      }
    }
    if (buckets.size === 0) {
      clearInterval(timer)
      timer = undefined
    }
  }

  return {
    now: () => performance.now(),
    schedule(job, atMs) {
      if (timer === undefined) {
        lastTick = Math.floor(performance.now())
        timer = setInterval(run, 1)
      }
      const tick = Math.max(Math.ceil(atMs), lastTick + 1)
      job.tick = tick
      const jobs = buckets.get(tick)
      if (jobs === undefined) buckets.set(tick, [job])
      else jobs.push(job)
    },
    cancel(job) {
      job.tick = -1
    },
    stop() {
      clearInterval(timer)
      timer = undefined
      buckets.clear()
    },
  }
}

/** Calls `action` once after `delayMs`; returned so that it can be cancelled. */
export function after(pacer: Pacer, delayMs: number, action: (nowMs: number) => void): Timed {
  const job: Timed = { tick: -1, due: action }
  pacer.schedule(job, pacer.now() + delayMs)
  return job
}
