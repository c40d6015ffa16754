import { expectedAnswer, type ExpectedAnswer } from '../nodes/expected-answer.js'
import type { SimulatedNodeInput } from '../nodes/options.js'
import type { PlannedRequest } from './load-client.js'

/** What makes an answer one that no other node can go on with faithfully. */
export const UNRESUMABLE: readonly Readonly<Record<string, unknown>>[] = [
  { n: 2 },
  { logprobs: true, top_logprobs: 1 },
  { tools: [{ type: 'function', function: { name: 'look_up', parameters: { type: 'object' } } }] },
  { response_format: { type: 'json_object' } },
]
/** The same for completions. */
export const UNRESUMABLE_COMPLETIONS: readonly Readonly<Record<string, unknown>>[] = [
  { n: 2 },
  { logprobs: 1 },
  { echo: true },
]

const USAGE_ASKED = [
  undefined,
  { include_usage: true },
  undefined,
  { include_usage: true, continuous_usage_stats: true },
]
const WORDS = ['the sea', 'a “quoted” word', 'line\nbreak', 'naïve 🙂', '日本', 'back\\slash']

export interface StreamPlanOptions {
  readonly model: string
  /** Completion tokens of each. */
  readonly tokens: { readonly least: number; readonly most: number }
  /** Milliseconds between two of them. */
  readonly itlMs: number
  readonly random: () => number
  /** Share of them that cannot be continued; default none. */
  readonly unresumable?: number
}

/** Streams of chat and of completions in turn, with every kind of usage, each with a prompt of its own. */
export function* planStreams(options: StreamPlanOptions): Generator<PlannedRequest> {
  const { model, tokens, itlMs, random, unresumable = 0 } = options
  const pick = <T>(from: readonly T[]): T | undefined => from[Math.floor(random() * from.length)]
  for (let at = 0; ; at++) {
    const text = `${at}: tell me of ${pick(WORDS)} and of ${pick(WORDS)}.`
    const body: Record<string, unknown> = {
      model,
      stream: true,
      max_tokens: tokens.least + Math.floor(random() * (tokens.most - tokens.least + 1)),
      sim_itl_ms: itlMs,
    }
    const usage = USAGE_ASKED[at % USAGE_ASKED.length]
    if (usage !== undefined) body['stream_options'] = usage
    const isUnresumable = random() < unresumable
    if (random() < 0.5) {
      const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } }
      if (isUnresumable && random() < 0.2) {
        const content = [{ type: 'text', text }, image]
        yield {
          path: '/v1/chat/completions',
          body: { ...body, messages: [{ role: 'user', content }] },
          leave: null,
        }
        continue
      }
      const messages = [{ role: 'user', content: text }]
      const extra = isUnresumable ? pick(UNRESUMABLE) : undefined
      yield { path: '/v1/chat/completions', body: { ...body, messages, ...extra }, leave: null }
    } else {
      const extra = isUnresumable ? pick(UNRESUMABLE_COMPLETIONS) : undefined
      yield { path: '/v1/completions', body: { ...body, prompt: text, ...extra }, leave: null }
    }
  }
}

/** Whether another node may go on with the answer. */
export function isResumable({ body }: PlannedRequest): boolean {
  const text = JSON.stringify(body['messages'] ?? '')
  return (
    !['n', 'logprobs', 'tools', 'response_format', 'echo'].some((field) => field in body) &&
    !text.includes('image_url')
  )
}

/** What one node with these options would answer; the model's name is the gateway's, not the node's. */
export function expectedOf(plan: PlannedRequest, node: SimulatedNodeInput = {}): ExpectedAnswer {
  const { model: _, ...body } = plan.body
  return expectedAnswer(plan.path === '/v1/completions' ? 'completion' : 'chat', body, node)
}
