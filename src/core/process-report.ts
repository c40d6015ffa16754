import { z } from 'zod'

/** What the supervisor says of one of its processes. */
export const ProcessReport = z.object({
  /** `control`, `proxy-0` */
  name: z.string(),
  role: z.enum(['control', 'proxy']),
  /** Of its `/ready`; null: it does not run, or did not answer in time. */
  status: z.enum(['ready', 'degraded', 'unready', 'draining']).nullable(),
  /** Age of the oldest usage that is not in ClickHouse; null: not known, or none of its business. */
  spoolOldestSeconds: z.number().nullable(),
})
export type ProcessReport = z.infer<typeof ProcessReport>

/** All processes of a supervisor, and how long it took to hear of them. */
export interface ProcessReports {
  /** Null: the supervisor did not answer in time. */
  readonly processes: readonly ProcessReport[] | null
  readonly latencyMs: number
}
