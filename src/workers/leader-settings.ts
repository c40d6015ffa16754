import { z } from 'zod'

/** What the leader's thread is given. */
export const LeaderThreadData = z.object({
  databaseUrl: z.string(),
  clickhouseUrl: z.string(),
  /** Null: there is no Redis. */
  redisUrl: z.string().nullable(),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
  /** Name in its log lines. */
  processName: z.string(),
})
export type LeaderThreadData = z.infer<typeof LeaderThreadData>
