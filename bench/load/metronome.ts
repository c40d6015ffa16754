import { Worker } from 'node:worker_threads'

/** Wakes this thread at times given, more exactly than a timer. */
export interface Metronome {
  /** Calls `onWake` at `atMs` of `performance.now()`, once; another time takes its place. */
  wakeAt(atMs: number): void
  stop(): void
}

/** Shortest time between two wakes: what comes due within it is sent together. */
const LEAST_GAP_MS = 0.5

/**
 * Starts a metronome. The timers of an event loop count whole milliseconds: requests are sent 0.55 ms late at the
 * median. A thread that sleeps in `Atomics.wait` wakes it after 0.1 to 0.3 ms, for 3% of a processor at 100 times a
 * second and 9% at 1,000 (bench: load, its line `generator`).
 */
export function startMetronome(onWake: () => void): Metronome {
  const order = new Int32Array(new SharedArrayBuffer(4))
  const due = new Float64Array(new SharedArrayBuffer(8)).fill(Infinity)
  const worker = new Worker(new URL('./metronome-thread.js', import.meta.url), { workerData: { order, due } })
  worker.on('message', onWake)
  return {
    wakeAt(atMs) {
      due[0] = performance.timeOrigin + Math.max(atMs, performance.now() + LEAST_GAP_MS)
      Atomics.add(order, 0, 1)
      Atomics.notify(order, 0)
    },
    stop() {
      void worker.terminate()
    },
  }
}
