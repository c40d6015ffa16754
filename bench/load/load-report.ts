import { z } from 'zod'

/**
 * The result of a load run: what `bench load --out` writes, and what `--report`, `bench diff` and `bench sweep`
 * read. Durations are microseconds in whole numbers, times of the run seconds since the start of the measured part.
 */

/** A distribution of durations, in microseconds; all null when there was none. */
export const Distribution = z.object({
  count: z.number().int().nonnegative(),
  mean: z.number().nullable(),
  min: z.number().nullable(),
  p50: z.number().nullable(),
  p90: z.number().nullable(),
  p95: z.number().nullable(),
  p99: z.number().nullable(),
  p999: z.number().nullable(),
  max: z.number().nullable(),
  /** The whole HDR histogram: V2, deflated, base64, as all HdrHistogram implementations read it. */
  hdr: z.string().nullable(),
})
export type Distribution = z.infer<typeof Distribution>

/** The three figures of a response, and how late requests were sent. */
const Distributions = z.object({
  /** Intended send to first token (streams only). Open loop: the intended time counts, not the actual one. */
  ttft: Distribution,
  /** Between two tokens of a stream; every gap counts once. */
  itl: Distribution,
  /** Intended send to the last byte. */
  e2e: Distribution,
})

const Totals = z.object({
  sent: z.number().int(),
  completed: z.number().int(),
  failed: z.number().int(),
  /** Left by the generator itself, as `--abort-rate` asked. */
  aborted: z.number().int(),
  promptTokens: z.number().int(),
  completionTokens: z.number().int(),
  /** Requests that met every threshold of the SLO; null without one. */
  good: z.number().int().nullable(),
  requestsPerSecond: z.number(),
  completionTokensPerSecond: z.number(),
  goodputPerSecond: z.number().nullable(),
})

/** One step of the load: a run without ramps or steps has one. */
const Step = z.object({
  load: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('rate'), requestsPerSecond: z.number() }),
    z.object({ kind: z.literal('concurrency'), requests: z.number() }),
  ]),
  fromSecond: z.number(),
  toSecond: z.number(),
  totals: Totals,
  ...Distributions.shape,
})
export type LoadStep = z.infer<typeof Step>

/** One second of the run, the warm-up's (negative) ones included. */
const Second = z.object({
  second: z.number().int(),
  sent: z.number().int(),
  completed: z.number().int(),
  failed: z.number().int(),
  aborted: z.number().int(),
  completionTokens: z.number().int(),
  /** Requests open at its end. */
  open: z.number().int(),
  /** Microseconds, of the requests that ended (TTFT: began to answer) in this second. */
  ttftP50: z.number().nullable(),
  ttftP99: z.number().nullable(),
  itlP50: z.number().nullable(),
  itlP99: z.number().nullable(),
  e2eP50: z.number().nullable(),
  e2eP99: z.number().nullable(),
})
export type LoadSecond = z.infer<typeof Second>

export const LoadReport = z.object({
  format: z.literal('crosslogic-load/1'),
  /** RFC 3339. */
  startedAt: z.string(),
  /** How the run ended: it went to its end, or Ctrl-C ended it early. */
  ended: z.enum(['complete', 'interrupted']),
  /** Seconds of the measured part. */
  measuredSeconds: z.number(),
  /** Every option of the run as it was resolved, the key left out. */
  settings: z.record(z.string(), z.unknown()),
  seed: z.number().int(),
  environment: z.object({
    version: z.string(),
    /** Of the checkout, with `-dirty` when it had changes; null outside one. */
    commit: z.string().nullable(),
    node: z.string(),
    os: z.string(),
    processor: z.string(),
    processors: z.number().int(),
    memoryBytes: z.number(),
  }),
  slo: z
    .object({
      ttftMicros: z.number().optional(),
      itlMicros: z.number().optional(),
      e2eMicros: z.number().optional(),
    })
    .nullable(),
  totals: Totals,
  errors: z.array(
    z.object({
      /** `connect`, `timeout`, `protocol`, `http`, `stream` … */
      kind: z.string(),
      status: z.number().int().nullable(),
      /** The error code of the envelope, where there was one. */
      code: z.string().nullable(),
      count: z.number().int(),
      /** The message of the first one. */
      example: z.string(),
    }),
  ),
  ...Distributions.shape,
  /** How the tokens of complete answers were counted: by the server's usage, by a stream's frames, or not at all. */
  counted: z
    .object({ byUsage: z.number().int(), byFrames: z.number().int(), not: z.number().int() })
    .optional(),
  steps: z.array(Step),
  timeline: z.array(Second),
  /** The generator itself: whether its figures can be trusted. */
  generator: z.object({
    loopLagP50: z.number(),
    loopLagP99: z.number(),
    loopLagMax: z.number(),
    /** Actual minus intended send time in an open loop. */
    sendDelay: Distribution,
    /** Share of one processor that its process used: 0 to 1. */
    cpu: z.number(),
    /** Why the figures are the generator's own limit rather than the server's; null: they are not. */
    limited: z.string().nullable(),
  }),
})
export type LoadReport = z.infer<typeof LoadReport>
