import { z } from 'zod'

/** One POST that is sent again and again. */
const PlannedRequest = z.object({
  path: z.string(),
  headers: z.record(z.string(), z.string()),
  body: z.string(),
})
export type PlannedRequest = z.infer<typeof PlannedRequest>

/** What the load generator is told to do, over IPC. Connections stay open from `open` to `close`. */
export const Order = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('open'), host: z.string(), port: z.number(), connections: z.number() }),
  /** Closed loop: every connection sends its next request when the last reply is complete. */
  z.object({ kind: z.literal('requests'), request: PlannedRequest, durationMs: z.number() }),
  /** One stream on each connection, their starts spread evenly over `rampMs`. */
  z.object({
    kind: z.literal('streams'),
    request: PlannedRequest,
    tokens: z.number(),
    rampMs: z.number(),
    limitMs: z.number(),
  }),
  z.object({ kind: z.literal('close') }),
])
export type Order = z.infer<typeof Order>

/** What was seen. A run with a failure is void. */
export const LoadResult = z.object({
  /** Replies or streams that were complete and as they should be. */
  completed: z.number(),
  /** Tokens received; 0 for plain requests. */
  tokens: z.number(),
  failed: z.number(),
  /** The first few reasons. */
  reasons: z.array(z.string()),
  /** From the first request's start to the last reply's end. */
  elapsedMs: z.number(),
  /** Of plain requests, request sent to reply complete; null when there was none. */
  latencyMicros: z.object({ p50: z.number(), p99: z.number() }).nullable(),
})
export type LoadResult = z.infer<typeof LoadResult>

/** The generator's answer to an order. */
export const Report = z.union([z.object({ result: LoadResult.nullable() }), z.object({ error: z.string() })])
export type Report = z.infer<typeof Report>
