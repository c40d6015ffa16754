import { z } from 'zod'

/** What can be launched. */
export const LaunchingSettings = z.object({
  /** Folder of templates beside those of the package; null: there is none. */
  templatesDir: z.string().nullable(),
  /** Launchers that are configured, beside the one of this machine. */
  skypilot: z.boolean(),
})
export type LaunchingSettings = z.infer<typeof LaunchingSettings>

/** What a worker thread is given: where the stores are, and what can be launched. */
export const WorkerSettings = z.object({
  databaseUrl: z.string(),
  clickhouseUrl: z.string(),
  /** Null: there is no Redis. */
  redisUrl: z.string().nullable(),
  /** Null: nothing is launched by who calls. */
  launching: LaunchingSettings.nullable(),
})
export type WorkerSettings = z.infer<typeof WorkerSettings>

/** Calls that one thread works on at once: they mostly wait for a store, and each may hold one connection. */
export const CONCURRENT_TASKS = 4
