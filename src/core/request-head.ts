import { isUtf8 } from 'node:buffer'
import { GatewayError } from './errors.js'
import {
  countElements,
  decodeString,
  JsonScanError,
  scanObject,
  type Member,
  type SkipTally,
} from './json-scan.js'

/**
 * What the gateway reads of an inference request: the fields that route, meter or bound it. Everything else
 * stays bytes that only the node interprets. Hot path (bench: micro/request-head).
 */
export interface RequestHead {
  readonly model: string
  /** Byte range of the model's JSON value, quotes included. */
  readonly modelStart: number
  readonly modelEnd: number
  readonly stream: boolean
  /** Null: absent or JSON null. */
  readonly streamOptions: StreamOptions | null
  /** `max_completion_tokens`, else `max_tokens`; null when neither is there. */
  readonly maxTokens: number | null
  /** The field that it came from. */
  readonly maxTokensField: 'max_tokens' | 'max_completion_tokens'
  readonly n: number
  /** Prompts of a completion request: a list of them is answered with `n` choices each. */
  readonly prompts: number
  readonly user: string | null
  /** Bytes inside the strings of `messages`, `prompt` or `input`. */
  readonly promptBytes: number
  /** Token ids in `prompt` or `input`. */
  readonly promptTokenIds: number
  /** Byte range of the value of `messages`, `prompt` or `input`, the longest where there are several; 0, 0 when absent. */
  readonly promptStart: number
  readonly promptEnd: number
  /** Byte range of the `stream_options` member; 0, 0 when absent. */
  readonly streamOptionsStart: number
  readonly streamOptionsEnd: number
  /** Fields of {@link DROPPED_FIELDS} that the body holds. */
  readonly droppedFields: readonly string[]
}

export interface StreamOptions {
  readonly includeUsage: boolean
  readonly continuousUsageStats: boolean
  /** The object as it was sent, for other members to be kept. */
  readonly raw: Readonly<Record<string, unknown>>
}

/** Fields that could harm other tenants or the node; dropped unless the route allows them. */
export const DROPPED_FIELDS: readonly string[] = [
  'priority',
  'cache_salt',
  'kv_transfer_params',
  'chat_template',
]

/** `stream_options` is a few flags; a longer one is refused before it is parsed. */
const MAX_STREAM_OPTIONS_BYTES = 4096
const MAX_MODEL_BYTES = 1024
/** vLLM's and OpenAI's bound for choices in one request. */
const MAX_CHOICES = 128
/** OpenAI takes 2,048 inputs at once. */
const MAX_PROMPTS = 4_096

function invalid(param: string, message: string): never {
  throw new GatewayError('invalid_parameter', { param, message })
}

function positiveInteger(text: Buffer, member: Member, most: number): number | null {
  const literal = text.toString('latin1', member.valueStart, member.end)
  if (literal === 'null') return null
  const value = Number(literal)
  if (!/^\d/.test(literal) || !Number.isInteger(value) || value < 1 || value > most) {
    return invalid(member.key, `"${member.key}" must be an integer from 1 to ${most}.`)
  }
  return value
}

function boolean(text: Buffer, member: Member): boolean {
  const literal = text.toString('latin1', member.valueStart, Math.min(member.end, member.valueStart + 6))
  if (literal === 'true') return true
  if (literal === 'false' || literal === 'null') return false
  return invalid(member.key, `"${member.key}" must be true or false.`)
}

function string(text: Buffer, member: Member): string {
  if (text[member.valueStart] !== 0x22) {
    return invalid(member.key, `"${member.key}" must be a string.`)
  }
  return decodeString(text, member.valueStart, member.end)
}

function isNull(text: Buffer, member: Member): boolean {
  return text.toString('latin1', member.valueStart, Math.min(member.end, member.valueStart + 5)) === 'null'
}

function flag(options: Record<string, unknown>, name: string): boolean {
  const value = options[name]
  if (value === undefined || value === null) return false
  if (typeof value === 'boolean') return value
  return invalid(`stream_options.${name}`, `"stream_options.${name}" must be true or false.`)
}

function streamOptions(text: Buffer, member: Member): StreamOptions | null {
  if (isNull(text, member)) return null
  if (text[member.valueStart] !== 0x7b || member.end - member.valueStart > MAX_STREAM_OPTIONS_BYTES) {
    return invalid('stream_options', '"stream_options" must be an object with boolean members.')
  }
  let raw: Record<string, unknown>
  try {
    raw = JSON.parse(text.toString('utf8', member.valueStart, member.end)) as Record<string, unknown>
  } catch {
    throw new GatewayError('invalid_json', { message: 'The request body is not valid JSON: stream_options.' })
  }
  return {
    includeUsage: flag(raw, 'include_usage'),
    continuousUsageStats: flag(raw, 'continuous_usage_stats'),
    raw,
  }
}

interface MutableHead {
  model: string | null
  modelStart: number
  modelEnd: number
  stream: boolean
  streamOptions: StreamOptions | null
  maxTokens: number | null
  maxCompletionTokens: number | null
  n: number
  prompts: number
  user: string | null
  promptBytes: number
  promptTokenIds: number
  promptStart: number
  promptEnd: number
  streamOptionsStart: number
  streamOptionsEnd: number
  droppedFields: string[]
  /** Bit set of routed keys seen, to refuse a second one. */
  seen: number
}

type FieldReader = (head: MutableHead, text: Buffer, member: Member, tally: SkipTally) => void

const prompt: FieldReader = (head, _text, member, tally) => {
  head.promptBytes += tally.stringBytes
  if (member.end - member.valueStart <= head.promptEnd - head.promptStart) return
  head.promptStart = member.valueStart
  head.promptEnd = member.end
}

/** A list of texts or of lists of token ids is several prompts; a list of token ids is one. */
const prompts: FieldReader = (head, text, member, tally) => {
  prompt(head, text, member, tally)
  if (text[member.valueStart] !== 0x5b) return
  const { count, first } = countElements(text, member.valueStart, MAX_PROMPTS)
  if (first === 0x22 || first === 0x5b) {
    if (count > MAX_PROMPTS) invalid(member.key, `"${member.key}" may list at most ${MAX_PROMPTS} entries.`)
    head.prompts = count
  }
  if (first !== 0x22) head.promptTokenIds += countCommas(text, member.valueStart, member.end) + 1
}

/** In a list of numbers, or of lists of numbers, one less than there are numbers. */
function countCommas(text: Buffer, start: number, end: number): number {
  let commas = 0
  for (let at = start; at < end; at++) if (text[at] === 0x2c) commas++
  return commas
}

const dropped: FieldReader = (head, _text, member) => {
  head.droppedFields.push(member.key)
}

/** The routed fields; engines take the last of two equal keys, so a second one is refused, never guessed at. */
const FIELDS = new Map<string, { readonly bit: number; readonly read: FieldReader }>(
  (
    [
      [
        'model',
        (head, text, member) => {
          if (member.end - member.valueStart > MAX_MODEL_BYTES) invalid('model', '"model" is too long.')
          head.model = string(text, member)
          head.modelStart = member.valueStart
          head.modelEnd = member.end
        },
      ],
      ['stream', (head, text, member) => (head.stream = boolean(text, member))],
      [
        'stream_options',
        (head, text, member) => {
          head.streamOptions = streamOptions(text, member)
          head.streamOptionsStart = member.start
          head.streamOptionsEnd = member.end
        },
      ],
      [
        'max_tokens',
        (head, text, member) => (head.maxTokens = positiveInteger(text, member, Number.MAX_SAFE_INTEGER)),
      ],
      [
        'max_completion_tokens',
        (head, text, member) =>
          (head.maxCompletionTokens = positiveInteger(text, member, Number.MAX_SAFE_INTEGER)),
      ],
      ['n', (head, text, member) => (head.n = positiveInteger(text, member, MAX_CHOICES) ?? 1)],
      [
        'user',
        (head, text, member) => {
          if (!isNull(text, member)) head.user = string(text, member)
        },
      ],
      ['messages', prompt],
      ['prompt', prompts],
      ['input', prompts],
      ...DROPPED_FIELDS.map((name): [string, FieldReader] => [name, dropped]),
    ] as [string, FieldReader][]
  ).map(([name, read], index) => [name, { bit: 1 << index, read }]),
)

/**
 * Reads the head of an inference request's body.
 *
 * @throws GatewayError `invalid_json` or `invalid_parameter` (with `param`), fit for the client.
 */
export function readRequestHead(body: Buffer): RequestHead {
  if (!isUtf8(body)) {
    throw new GatewayError('invalid_json', { message: 'The request body is not valid UTF-8.' })
  }
  const head: MutableHead = {
    model: null,
    modelStart: 0,
    modelEnd: 0,
    stream: false,
    streamOptions: null,
    maxTokens: null,
    maxCompletionTokens: null,
    n: 1,
    prompts: 1,
    user: null,
    promptBytes: 0,
    promptTokenIds: 0,
    promptStart: 0,
    promptEnd: 0,
    streamOptionsStart: 0,
    streamOptionsEnd: 0,
    droppedFields: [],
    seen: 0,
  }
  try {
    scanObject(body, (member, tally) => {
      const field = FIELDS.get(member.key)
      if (field === undefined) return
      if ((head.seen & field.bit) !== 0) invalid(member.key, `"${member.key}" stands twice in the body.`)
      head.seen |= field.bit
      field.read(head, body, member, tally)
    })
  } catch (error) {
    if (!(error instanceof JsonScanError)) throw error
    throw new GatewayError('invalid_json', {
      message: `The request body is not valid JSON: ${error.message}`,
    })
  }
  if (head.model === null || head.model === '') invalid('model', '"model" is required: send a model name.')
  return {
    model: head.model,
    modelStart: head.modelStart,
    modelEnd: head.modelEnd,
    stream: head.stream,
    streamOptions: head.streamOptions,
    maxTokens: head.maxCompletionTokens ?? head.maxTokens,
    maxTokensField: head.maxCompletionTokens === null ? 'max_tokens' : 'max_completion_tokens',
    n: head.n,
    prompts: head.prompts,
    user: head.user,
    promptBytes: head.promptBytes,
    promptTokenIds: head.promptTokenIds,
    promptStart: head.promptStart,
    promptEnd: head.promptEnd,
    streamOptionsStart: head.streamOptionsStart,
    streamOptionsEnd: head.streamOptionsEnd,
    droppedFields: head.droppedFields,
  }
}
