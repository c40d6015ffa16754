/** The thread of a metronome: sleeps to the time that stands in the shared memory, and says when it has come. */
import { parentPort, workerData } from 'node:worker_threads'
import { z } from 'zod'

const { order, due } = z
  .object({ order: z.instanceof(Int32Array), due: z.instanceof(Float64Array) })
  .parse(workerData)
const port = parentPort
if (port === null) throw new Error('a metronome runs in a thread')

for (;;) {
  const seen = Atomics.load(order, 0)
  const waitMs = (due[0] ?? Infinity) - (performance.timeOrigin + performance.now())
  if (waitMs > 0) {
    // Until then, or until there is another time.
    Atomics.wait(order, 0, seen, waitMs)
    continue
  }
  port.postMessage(null)
  Atomics.wait(order, 0, seen)
}
