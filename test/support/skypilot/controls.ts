import { z } from 'zod'

export const Restart = z.strictObject({
  /**
   * What becomes of the requests: `kept` and their work with them, as with several servers on one database; `forgotten`,
   * as a local server does; `interrupted`, as one does that is replaced by a newer one and asks to send them again, before
   * 0.14.1 by a 503.
   */
  requests: z.enum(['kept', 'forgotten', 'interrupted', 'interrupted-503']),
  downMs: z.number().min(0).default(50),
})
export const Crash = z.strictObject({ cluster: z.string() })
export const JobLog = z.object({
  cluster_name: z.string(),
  job_id: z.null(),
  follow: z.literal(false),
  tail: z.int().min(1),
})
export const Preemption = z.strictObject({
  cluster: z.string(),
  /** Null: no notice. */
  noticeMs: z.number().min(0).nullable(),
})
