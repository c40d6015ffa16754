import { EngineError } from './engine-error.js'
import { RequestFault } from './faults.js'
import type { SimulatedNodeOptions } from './options.js'

export type Endpoint = 'chat' | 'completion'
type Json = Readonly<Record<string, unknown>>

/** A prompt as the model sees it. */
export interface Prompt {
  readonly text: string
  readonly tokens: number
}

/** What a generation request asks for, checked. */
export interface GenerationRequest {
  readonly endpoint: Endpoint
  readonly model: string
  readonly prompts: readonly Prompt[]
  readonly promptTokens: number
  readonly stream: boolean
  readonly n: number
  readonly maxTokens: number
  readonly ignoreEos: boolean
  readonly includeUsage: boolean
  readonly continuousUsage: boolean
  /** Knobs of the simulation, for one request: pace and fault. */
  readonly ttftMs: number
  readonly itlMs: number
  readonly fault: RequestFault | undefined
}

export interface EmbeddingRequest {
  readonly model: string
  readonly prompts: readonly Prompt[]
  readonly promptTokens: number
  readonly base64: boolean
  readonly dimensions: number
  readonly fault: RequestFault | undefined
}

/** UTF-8 bytes ÷ 4, rounded up, at least 1: of the rendered text, with the chat template's marks. */
export function countTokens(text: string): number {
  return Math.max(1, Math.ceil(Buffer.byteLength(text) / 4))
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Parses a request body. Throws `EngineError` 400. */
export function parseBody(body: Buffer): Json {
  let parsed: unknown
  try {
    parsed = JSON.parse(body.toString('utf8'))
  } catch {
    throw new EngineError(400, 'The request body is not valid JSON.')
  }
  if (!isObject(parsed)) throw new EngineError(400, 'The request body is not a JSON object.')
  return parsed
}

function integer(body: Json, name: string, fallback: number, min: number, max = 2 ** 31): number {
  const value = body[name]
  if (value === undefined || value === null) return fallback
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max)
    throw new EngineError(
      400,
      `${name} must be an integer from ${min} to ${max}, got ${JSON.stringify(value)}.`,
      name,
    )
  return value
}

function milliseconds(body: Json, name: string, fallback: number): number {
  const value = body[name]
  if (value === undefined) return fallback
  if (typeof value !== 'number' || !(value >= 0))
    throw new EngineError(400, `${name} must be a number ≥ 0.`, name)
  return value
}

function flag(body: Json, name: string, fallback = false): boolean {
  const value = body[name]
  if (value === undefined || value === null) return fallback
  if (typeof value !== 'boolean') throw new EngineError(400, `${name} must be a boolean.`, name)
  return value
}

function readModel(body: Json, options: SimulatedNodeOptions): string {
  const model = body['model'] ?? options.models[0]
  if (typeof model === 'string' && options.models.includes(model)) return model
  const shown = typeof model === 'string' ? model : JSON.stringify(model)
  throw new EngineError(404, `The model \`${shown}\` does not exist.`, 'model', 'model_not_found')
}

function readFault(body: Json): RequestFault | undefined {
  if (body['sim_fault'] === undefined) return undefined
  const parsed = RequestFault.safeParse(body['sim_fault'])
  if (parsed.success) return parsed.data
  throw new EngineError(400, `sim_fault: ${parsed.error.issues[0]?.message ?? 'invalid'}`, 'sim_fault')
}

/** Text of a message; parts that are not text (images) count for nothing. */
function contentText(content: unknown): string {
  if (typeof content === 'string') return content
  if (content === null || content === undefined) return ''
  if (!Array.isArray(content))
    throw new EngineError(400, 'content must be a string or a list of parts.', 'messages')
  const parts: readonly unknown[] = content
  return parts
    .map((part) => (isObject(part) && typeof part['text'] === 'string' ? part['text'] : ''))
    .join('')
}

/** The chat template. A message that is to be continued stays open, so the answer goes on where it ends. */
function renderChat(body: Json, continueFinal: boolean): string {
  const messages: unknown = body['messages']
  if (!Array.isArray(messages) || messages.length === 0)
    throw new EngineError(400, 'messages must be a list with at least one message.', 'messages')
  const list: readonly unknown[] = messages
  let text = ''
  list.forEach((message, at) => {
    if (!isObject(message) || typeof message['role'] !== 'string')
      throw new EngineError(400, 'Each message must be an object with a role.', 'messages')
    text += `<|${message['role']}|>${contentText(message['content'])}`
    if (!continueFinal || at < list.length - 1) text += '<|end|>'
  })
  return continueFinal ? text : `${text}<|assistant|>`
}

/** Strings, token lists, or a list of either. */
function readPrompts(value: unknown, name: string): readonly Prompt[] {
  const one = (item: unknown): Prompt => {
    if (typeof item === 'string') return { text: item, tokens: countTokens(item) }
    if (Array.isArray(item) && item.length > 0 && item.every((id) => typeof id === 'number'))
      return { text: item.join(' '), tokens: item.length }
    throw new EngineError(400, `${name} must be a string, a list of strings or of tokens.`, name)
  }
  if (!Array.isArray(value) || typeof value[0] === 'number') return [one(value)]
  if (value.length === 0) throw new EngineError(400, `${name} must not be empty.`, name)
  return value.map(one)
}

function readUsageOptions(body: Json, stream: boolean, options: SimulatedNodeOptions) {
  const streamOptions = body['stream_options']
  if (streamOptions === undefined || streamOptions === null)
    return { includeUsage: false, continuousUsage: false }
  if (!isObject(streamOptions))
    throw new EngineError(400, 'stream_options must be an object.', 'stream_options')
  if (!stream)
    throw new EngineError(400, 'Stream options can only be defined when `stream=True`.', 'stream_options')
  const includeUsage = flag(streamOptions, 'include_usage')
  const continuous = flag(streamOptions, 'continuous_usage_stats')
  return { includeUsage, continuousUsage: includeUsage && continuous && options.flavour !== 'plain' }
}

function readContinuation(body: Json, options: SimulatedNodeOptions): boolean {
  if (options.flavour === 'plain' || !flag(body, 'continue_final_message')) return false
  if (options.flavour === 'vllm' && flag(body, 'add_generation_prompt', true))
    throw new EngineError(
      400,
      'Cannot set both `continue_final_message` and `add_generation_prompt` to True.',
    )
  return true
}

function checkContext(longest: number, maxTokens: number, options: SimulatedNodeOptions): void {
  const { contextLength } = options
  if (longest + maxTokens <= contextLength) return
  throw new EngineError(
    400,
    `This model's maximum context length is ${contextLength} tokens. However, you requested ${longest + maxTokens} tokens ` +
      `(${longest} in the prompt, ${maxTokens} in the completion). Please reduce the length of the messages or completion.`,
    'messages',
    'context_length_exceeded',
  )
}

/** Reads a chat or completions body. Throws `EngineError` 400 or 404. */
export function readGenerationRequest(
  endpoint: Endpoint,
  body: Json,
  options: SimulatedNodeOptions,
): GenerationRequest {
  const model = readModel(body, options)
  const stream = flag(body, 'stream')
  let prompts: readonly Prompt[]
  if (endpoint === 'chat') {
    const text = renderChat(body, readContinuation(body, options))
    prompts = [{ text, tokens: countTokens(text) }]
  } else prompts = readPrompts(body['prompt'], 'prompt')

  if (options.flavour === 'vllm' && integer(body, 'priority', 0, -(2 ** 31)) !== 0)
    throw new EngineError(
      400,
      'Got priority other than 0, but priority scheduling is not enabled.',
      'priority',
    )

  const longest = Math.max(...prompts.map((prompt) => prompt.tokens))
  const fallback = endpoint === 'chat' ? options.chatMaxTokens : options.completionMaxTokens
  const room = Math.max(1, Math.min(fallback, options.contextLength - longest))
  const asked = integer(body, 'max_tokens', room, 1)
  const maxTokens = endpoint === 'chat' ? integer(body, 'max_completion_tokens', asked, 1) : asked
  checkContext(longest, maxTokens, options)
  return {
    endpoint,
    model,
    prompts,
    promptTokens: prompts.reduce((sum, prompt) => sum + prompt.tokens, 0),
    stream,
    n: integer(body, 'n', 1, 1, 128),
    maxTokens,
    ignoreEos: flag(body, 'ignore_eos'),
    ...readUsageOptions(body, stream, options),
    ttftMs: milliseconds(body, 'sim_ttft_ms', options.ttftMs),
    itlMs: milliseconds(body, 'sim_itl_ms', options.itlMs),
    fault: readFault(body),
  }
}

/** Reads an embeddings body. Throws `EngineError` 400 or 404. */
export function readEmbeddingRequest(body: Json, options: SimulatedNodeOptions): EmbeddingRequest {
  const model = readModel(body, options)
  const prompts = readPrompts(body['input'], 'input')
  for (const prompt of prompts) checkContext(prompt.tokens, 0, options)
  const format = body['encoding_format'] ?? 'float'
  if (format !== 'float' && format !== 'base64')
    throw new EngineError(400, 'encoding_format must be "float" or "base64".', 'encoding_format')
  return {
    model,
    prompts,
    promptTokens: prompts.reduce((sum, prompt) => sum + prompt.tokens, 0),
    base64: format === 'base64',
    dimensions: integer(body, 'dimensions', options.embeddingDimensions, 1, 65_536),
    fault: readFault(body),
  }
}
