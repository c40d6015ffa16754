import { z } from 'zod'

/** A launch template as it was read. */
const TemplateFile = z.object({
  /** Its path, for errors. */
  file: z.string(),
  /** An operator's replaces the package's of the same engine. */
  from: z.enum(['package', 'operator']),
  text: z.string(),
})
export type TemplateFile = z.infer<typeof TemplateFile>

/** What can be launched. */
export const LaunchingSettings = z.object({
  templates: z.array(TemplateFile),
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
