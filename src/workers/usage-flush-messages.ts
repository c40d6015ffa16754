import { z } from 'zod'

/** What the flusher's thread is given. */
export const FlushThreadData = z.object({
  directory: z.string(),
  liveEpoch: z.string().nullable(),
  adoptedDirectories: z.array(z.string()),
  clickhouseUrl: z.string(),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
  /** Name in its log lines. */
  processName: z.string(),
  /** Most rows of an insert; default: the flusher's own. */
  maxBatchRows: z.number().int().positive().optional(),
})
export type FlushThreadData = z.infer<typeof FlushThreadData>

/** To the thread. */
export const FlushRequest = z.discriminatedUnion('type', [
  /** Send what is left, then end. */
  z.object({ type: z.literal('stop'), deadlineMs: z.number() }),
  /** Store how requests were served; answered under the same id. */
  z.object({ type: z.literal('explanations'), id: z.number(), rows: z.array(z.string()) }),
])
export type FlushRequest = z.infer<typeof FlushRequest>

/** From the thread. */
export const FlushReport = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('backlog'),
    backlog: z.object({
      bytes: z.number(),
      rowsInFlight: z.number(),
      oldestAgeMs: z.number(),
      rowsSent: z.number(),
      batchesSent: z.number(),
      failedInserts: z.number(),
    }),
  }),
  z.object({
    type: z.literal('explanations'),
    id: z.number(),
    outcome: z.enum(['stored', 'refused', 'failed']),
  }),
  z.object({ type: z.literal('stopped'), allSent: z.boolean() }),
])
export type FlushReport = z.infer<typeof FlushReport>
