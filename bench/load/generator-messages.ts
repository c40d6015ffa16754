import { z } from 'zod'
import { LoadPlan } from './plan.js'

/** What goes between the command and its generator processes over IPC. */

/** Encoded histograms, '' when empty. */
const Histograms = { ttft: z.string(), itl: z.string(), e2e: z.string() }

const count = z.number()

/** What the parent says. */
export const ToGenerator = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('prepare'),
    plan: LoadPlan,
    model: z.string(),
    /** Which of the plan's processes this is. */
    index: z.number(),
  }),
  /** `at` is the start of the profile in milliseconds since 1970. */
  z.object({ kind: z.literal('start'), at: z.number() }),
  /** Ends the run now; the result follows. */
  z.object({ kind: z.literal('stop') }),
])
export type ToGenerator = z.infer<typeof ToGenerator>

/** One second of one process. */
export const SecondPart = z.object({
  /** Since the measured part. */
  second: z.number(),
  sent: count,
  completed: count,
  failed: count,
  aborted: count,
  completionTokens: count,
  open: count,
  ...Histograms,
})
export type SecondPart = z.infer<typeof SecondPart>

/** What one process saw of one step. */
export const StepPart = z.object({
  sent: count,
  completed: count,
  failed: count,
  aborted: count,
  promptTokens: count,
  completionTokens: count,
  good: count,
  /** What happened within its time, whenever the requests began. */
  within: z.object({ completed: count, completionTokens: count, good: count }),
  ...Histograms,
})
export type StepPart = z.infer<typeof StepPart>

export const ErrorPart = z.object({
  kind: z.string(),
  status: z.number().nullable(),
  code: z.string().nullable(),
  count,
  example: z.string(),
})
export type ErrorPart = z.infer<typeof ErrorPart>

export const ResultPart = z.object({
  steps: z.array(StepPart),
  errors: z.array(ErrorPart),
  /** When its measured part ended, in seconds since that began: as planned, or with the last request or the stop. */
  endSecond: z.number(),
  /** Answers by where their tokens were counted: the server's usage, the stream's frames, or not at all. */
  counted: z.object({ byUsage: count, byFrames: count, not: count }),
  loopLag: z.string(),
  sendDelay: z.string(),
  cpu: z.number(),
  /** Requests that waited because `maxOpen` connections were in use. */
  waitedForBound: count,
})
export type ResultPart = z.infer<typeof ResultPart>

/** What a generator process says. */
export const FromGenerator = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('ready'), skipped: z.number() }),
  /** Something that the caller has to put right. */
  z.object({ kind: z.literal('refused'), message: z.string() }),
  z.object({ kind: z.literal('second'), part: SecondPart }),
  z.object({ kind: z.literal('result'), part: ResultPart }),
])
export type FromGenerator = z.infer<typeof FromGenerator>
