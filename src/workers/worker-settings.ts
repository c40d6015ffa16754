import { z } from 'zod'

/** What a worker thread is given: where the stores are. */
export const WorkerSettings = z.object({
  databaseUrl: z.string(),
  clickhouseUrl: z.string(),
  /** Null: there is no Redis. */
  redisUrl: z.string().nullable(),
})
export type WorkerSettings = z.infer<typeof WorkerSettings>

/** Calls that one thread works on at once: they mostly wait for a store, and each may hold one connection. */
export const CONCURRENT_TASKS = 4
