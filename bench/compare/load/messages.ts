import { z } from 'zod'

/** One POST that is sent again and again, and what a good reply to it is. */
const PlannedRequest = z.object({
  path: z.string(),
  headers: z.record(z.string(), z.string()),
  body: z.string(),
  stream: z.boolean(),
  /** Exactly as many must come. */
  tokens: z.number(),
  /** Frames of a stream: `forwarded` as the node wrote them, or `rewritten` by a proxy that makes its own. */
  frames: z.enum(['forwarded', 'rewritten']),
})
export type PlannedRequest = z.infer<typeof PlannedRequest>

/**
 * What is kept of every reply, in microseconds: `latency`, from the request to the reply's end; `ttft`, to the first
 * token; `gaps` between the tokens of a stream, with a zero for each one that came together with another.
 */
const Recorded = z.enum(['latency', 'ttft', 'gaps']).nullable()
export type Recorded = z.infer<typeof Recorded>

const onSet = { set: z.number() }
const measured = { ...onSet, request: PlannedRequest, record: Recorded }

/** Loads that end with a result. Whatever is not complete after `limitMs` has failed. */
const LoadOrder = z.discriminatedUnion('kind', [
  /** Closed loop: every connection sends its next request when the last reply is complete, and a pause is over. */
  z.object({
    kind: z.literal('requests'),
    ...measured,
    durationMs: z.number(),
    pauseMs: z.number(),
    limitMs: z.number(),
  }),
  /** Open loop: requests fall due evenly, whatever becomes of earlier ones, and go to the connections in turn. */
  z.object({
    kind: z.literal('arrivals'),
    ...measured,
    perSecond: z.number(),
    durationMs: z.number(),
    limitMs: z.number(),
  }),
  /** One stream on each connection, their starts spread evenly over `rampMs`. */
  z.object({ kind: z.literal('streams'), ...measured, rampMs: z.number(), limitMs: z.number() }),
])
export type LoadOrder = z.infer<typeof LoadOrder>

/** What the load generator is told to do, over IPC. A set of connections stays open from `open` to `close`. */
export const Order = z.union([
  LoadOrder,
  z.object({
    kind: z.literal('open'),
    ...onSet,
    host: z.string(),
    port: z.number(),
    connections: z.number(),
  }),
  /** Opens connections, sends the request on each, and never reads. */
  z.object({
    kind: z.literal('unread'),
    ...onSet,
    host: z.string(),
    port: z.number(),
    connections: z.number(),
    request: PlannedRequest,
  }),
  z.object({ kind: z.literal('close'), ...onSet }),
])
export type Order = z.infer<typeof Order>

/** What was seen. A run with a failure is void. */
export const LoadResult = z.object({
  /** Replies or streams that were complete and as they should be. */
  completed: z.number(),
  /** Tokens received. */
  tokens: z.number(),
  failed: z.number(),
  /** The first few reasons, each once. */
  reasons: z.array(z.string()),
  /** From the first request's start to the last reply's end. */
  elapsedMs: z.number(),
  /** As the order's `record` asked, whole microseconds, unsorted. */
  samplesMicros: z.array(z.number()),
})
export type LoadResult = z.infer<typeof LoadResult>

/** The generator's answer to an order. */
export const Report = z.object({
  answers: z.number(),
  result: LoadResult.nullable(),
  error: z.string().nullable(),
})
export type Report = z.infer<typeof Report>
