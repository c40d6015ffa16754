import type { UsageEndpoint } from './usage-record.js'

/** What a client has had of an answer. */
export interface AnswerSoFar {
  readonly text: string
  /** Tokens made for it. */
  readonly completionTokens: number
}

type Body = Record<string, unknown>

/** Settings that shape the answer as a whole, or say more of it than its text: half of it cannot be made elsewhere. */
const WHOLE_ANSWER = [
  'logprobs',
  'top_logprobs',
  'prompt_logprobs',
  'echo',
  'suffix',
  'tools',
  'functions',
  'guided_json',
  'guided_regex',
  'guided_choice',
  'guided_grammar',
  'structured_outputs',
  'structural_tag',
  'regex',
  'ebnf',
  'json_schema',
  'use_beam_search',
  'return_token_ids',
  'audio',
] as const

/** More than one answer for each prompt. */
const SEVERAL_ANSWERS = ['n', 'best_of'] as const

/**
 * The body with which another node goes on with an answer; null where that would not be the same answer (wire.md,
 * "Continuing an answer"). With no text yet, and for what is not JSON, the body itself.
 * @param body as the client sent it, its model's name included
 */
export function continuedRequest(endpoint: UsageEndpoint, body: Buffer, answer: AnswerSoFar): Buffer | null {
  if (answer.text === '' && answer.completionTokens === 0) return body
  const request = parse(body)
  if (request === null || !isOneText(request)) return null
  const told =
    endpoint === 'chat.completions' ? continuedChat(request, answer) : continuedPrompt(request, answer)
  return told === null ? null : Buffer.from(JSON.stringify({ ...told, ...remaining(request, answer) }))
}

/** How many tokens the answer may still have; null: no bound was set. */
export function tokensLeft(maxTokens: number | null, { completionTokens }: AnswerSoFar): number | null {
  return maxTokens === null ? null : maxTokens - completionTokens
}

function parse(body: Buffer): Body | null {
  try {
    const json: unknown = JSON.parse(body.toString())
    return typeof json === 'object' && json !== null && !Array.isArray(json) ? (json as Body) : null
  } catch {
    // What stands in skipped values is the node's to judge; it has not refused it so far, but we cannot read it.
    return null
  }
}

function isOneText(request: Body): boolean {
  if (WHOLE_ANSWER.some((name) => isSet(request[name]))) return false
  if (SEVERAL_ANSWERS.some((name) => Number(request[name] ?? 1) > 1)) return false
  const { response_format: format } = request
  if (isSet(format) && (format as { type?: unknown }).type !== 'text') return false
  const modalities = request['modalities']
  return !Array.isArray(modalities) || modalities.every((modality) => modality === 'text')
}

function isSet(value: unknown): boolean {
  if (value === undefined || value === null || value === false) return false
  return !Array.isArray(value) || value.length > 0
}

function continuedChat(request: Body, { text }: AnswerSoFar): Body | null {
  const { messages } = request
  if (!Array.isArray(messages) || !messages.every(isTextMessage)) return null
  const list: readonly Body[] = messages
  const continuing = { add_generation_prompt: false, continue_final_message: true }
  if (request['continue_final_message'] !== true) {
    return { ...request, messages: [...list, { role: 'assistant', content: text }], ...continuing }
  }
  // The client began the answer itself.
  const last = list[list.length - 1]
  if (last?.['role'] !== 'assistant' || typeof last['content'] !== 'string') return null
  return { ...request, messages: [...list.slice(0, -1), { ...last, content: last['content'] + text }] }
}

function isTextMessage(message: unknown): message is Body {
  if (typeof message !== 'object' || message === null) return false
  const { content } = message as Body
  if (!Array.isArray(content)) return true
  return content.every(
    (part) => typeof part === 'object' && part !== null && (part as Body)['type'] === 'text',
  )
}

function continuedPrompt(request: Body, { text }: AnswerSoFar): Body | null {
  const { prompt } = request
  if (typeof prompt === 'string') return { ...request, prompt: prompt + text }
  if (!Array.isArray(prompt) || prompt.length !== 1 || typeof prompt[0] !== 'string') return null
  return { ...request, prompt: [prompt[0] + text] }
}

/** The bounds of the answer, lowered by what was made. */
function remaining(request: Body, { completionTokens }: AnswerSoFar): Body {
  const lowered: Body = {}
  for (const name of ['max_tokens', 'max_completion_tokens', 'min_tokens'] as const) {
    const bound = request[name]
    if (typeof bound === 'number')
      lowered[name] = Math.max(name === 'min_tokens' ? 0 : 1, bound - completionTokens)
  }
  return lowered
}
