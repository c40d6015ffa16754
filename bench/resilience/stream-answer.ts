import { z } from 'zod'
import type { ExpectedAnswer } from '../nodes/expected-answer.js'
import type { ClientView, PlannedRequest } from './load-client.js'

const Usage = z.object({
  prompt_tokens: z.number(),
  completion_tokens: z.number(),
  total_tokens: z.number(),
})
type Usage = z.infer<typeof Usage>

const Frame = z.object({
  id: z.string(),
  choices: z.array(
    z.object({
      index: z.number(),
      text: z.string().optional(),
      delta: z.object({ role: z.string().nullish(), content: z.string().nullish() }).optional(),
      finish_reason: z.string().nullable(),
    }),
  ),
  usage: Usage.nullish(),
})
const ErrorFrame = z.object({ error: z.object({ code: z.string().nullable() }) })

/** A streamed answer, as its frames tell it. */
export interface StreamAnswer {
  readonly ids: ReadonlySet<string>
  /** Of all choices, in the order in which it came. */
  readonly text: string
  /** Frames with a token, one for each; the one that ends an answer by itself has no text. */
  readonly tokens: number
  /** Places of the frames with a role among all frames. */
  readonly rolesAt: readonly number[]
  readonly finishes: readonly string[]
  /** Usage in frames that have a choice as well, in their order. */
  readonly continuous: readonly Usage[]
  /** Usage in frames of its own. */
  readonly totals: readonly Usage[]
  /** Code of the error that ended it; null: none did. */
  readonly error: string | null
  readonly done: boolean
  /** What stands behind its end, or in no frame at all. */
  readonly stray: string
}

/** Reads a stream of chat or completion frames. @throws when a frame is none, or not of this API */
export function streamAnswer(view: Pick<ClientView, 'text'>): StreamAnswer {
  const frames = Buffer.from(view.text, 'latin1').toString('utf8').split('\n\n')
  let stray = frames.pop() ?? ''
  const ids = new Set<string>()
  let text = ''
  let tokens = 0
  const rolesAt: number[] = []
  const finishes: string[] = []
  const continuous: Usage[] = []
  const totals: Usage[] = []
  let error: string | null = null
  let done = false
  for (const [at, frame] of frames.entries()) {
    if (frame.startsWith(':')) continue
    if (done || error !== null || !frame.startsWith('data: ')) {
      stray += frame
      continue
    }
    const data = frame.slice('data: '.length)
    if (data === '[DONE]') {
      done = true
      continue
    }
    const json: unknown = JSON.parse(data)
    const failure = ErrorFrame.safeParse(json)
    if (failure.success) {
      error = failure.data.error.code ?? ''
      continue
    }
    const { id, choices, usage } = Frame.parse(json)
    ids.add(id)
    if (usage) (choices.length === 0 ? totals : continuous).push(usage)
    for (const { text: words, delta, finish_reason: finish } of choices) {
      // A role comes in a frame without a token.
      if (typeof delta?.role === 'string') rolesAt.push(at)
      else tokens++
      text += words ?? delta?.content ?? ''
      if (finish !== null) finishes.push(finish)
    }
  }
  return { ids, text, tokens, rolesAt, finishes, continuous, totals, error, done, stray }
}

const isChat = ({ path }: PlannedRequest): boolean => path === '/v1/chat/completions'

/**
 * What is wrong with a stream of one choice that should have come whole from one node's point of view; null when
 * nothing is. Each frame must hold one token.
 */
export function streamFault(view: ClientView, expected: ExpectedAnswer): string | null {
  if (view.status !== 200) return `status ${view.status}: ${view.text}`
  const answer = streamAnswer(view)
  if (answer.error !== null) return `it ended in the error ${answer.error}`
  if (view.ended !== 'complete' || !answer.done) return 'it broke off'
  if (answer.stray !== '') return `stray bytes: ${answer.stray}`
  if (answer.text !== expected.text)
    return `its text is another: ${firstDifference(answer.text, expected.text)}`
  if (answer.tokens !== expected.tokens.length) return `${answer.tokens} tokens for ${expected.tokens.length}`
  if (answer.ids.size !== 1) return `${answer.ids.size} ids`
  const roles = isChat(view.plan) ? '0' : ''
  if (answer.rolesAt.join() !== roles) return `roles in frames ${answer.rolesAt.join()}`
  if (answer.finishes.join() !== expected.finish) return `finish reasons ${answer.finishes.join()}`
  return usageFault(view, answer, expected)
}

function usageFault({ plan }: ClientView, answer: StreamAnswer, expected: ExpectedAnswer): string | null {
  const { include_usage, continuous_usage_stats } = usageAsked(plan)
  const { promptTokens } = expected
  const whole = { prompt_tokens: promptTokens, completion_tokens: expected.tokens.length }
  const wanted = include_usage ? [{ ...whole, total_tokens: promptTokens + expected.tokens.length }] : []
  const told = (all: readonly Usage[]) =>
    JSON.stringify(all.map((usage) => [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens]))
  if (told(answer.totals) !== told(wanted)) return `it says the usage ${told(answer.totals)}`
  if (!continuous_usage_stats)
    return answer.continuous.length === 0 ? null : 'usage in frames that should have none'
  let made = 0
  for (const usage of answer.continuous) {
    if (usage.prompt_tokens !== promptTokens || usage.completion_tokens < made)
      return `continuous usage goes astray: ${told([usage])} after ${made} tokens`
    made = usage.completion_tokens
  }
  return made === expected.tokens.length ? null : `continuous usage ends at ${made}`
}

const StreamOptions = z.object({
  include_usage: z.boolean().default(false),
  continuous_usage_stats: z.boolean().default(false),
})

function usageAsked({ body }: PlannedRequest): z.output<typeof StreamOptions> {
  return StreamOptions.parse(body['stream_options'] ?? {})
}

function firstDifference(one: string, other: string): string {
  let at = 0
  while (at < one.length && one[at] === other[at]) at++
  const around = (text: string) => JSON.stringify(text.slice(Math.max(0, at - 20), at + 20))
  return `at ${at} of ${other.length}: ${around(one)}, not ${around(other)}`
}
