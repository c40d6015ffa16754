import { z } from 'zod'
import { LaunchingSettings } from './worker-settings.js'

/** What the leader launches machines with. */
export const Orchestration = z.object({
  /** Where processes of this machine lie. */
  nodesFolder: z.string(),
  templates: LaunchingSettings.shape.templates,
  /** Where agents of nodes reach the admin port. */
  controlUrl: z.string(),
  skypilot: z.object({ url: z.string(), token: z.string().nullable() }).nullable(),
  hfToken: z.string().nullable(),
  launchTimeoutSeconds: z.number(),
  orphanGraceSeconds: z.number(),
})
export type Orchestration = z.infer<typeof Orchestration>

/** What the leader's thread is given. */
export const LeaderThreadData = z.object({
  databaseUrl: z.string(),
  clickhouseUrl: z.string(),
  /** Null: there is no Redis. */
  redisUrl: z.string().nullable(),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
  /** Null: nothing is launched. */
  orchestration: Orchestration.nullable(),
  /** Name in its log lines. */
  processName: z.string(),
})
export type LeaderThreadData = z.infer<typeof LeaderThreadData>
