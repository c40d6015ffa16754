import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { z } from 'zod'

const Told = z.object({ sent: z.number(), broken: z.number(), byStatus: z.record(z.string(), z.number()) })
/** What came of a flood: keys that were sent, connections that broke, and replies by status. */
export type FloodTold = z.infer<typeof Told>

/**
 * Floods a tenant port with keys that are well-formed and unknown, each once, over so many connections as fast as it
 * answers; from a thread of its own, so that it does not slow those who measure.
 * @returns what ends it and tells
 */
export function startKeyFlood(port: number, connections: number): () => Promise<FloodTold> {
  const worker = new Worker(new URL('./key-flood-thread.js', import.meta.url), {
    workerData: { port, connections },
  })
  return async () => {
    worker.postMessage('stop')
    const values: unknown[] = await once(worker, 'message')
    return Told.parse(values[0])
  }
}
