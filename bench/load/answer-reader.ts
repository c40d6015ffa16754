import { z } from 'zod'
import { readUsage } from '../../src/core/usage-scan.js'
import type { Endpoint } from './plan.js'

/**
 * Reads what an answer brings, without parsing JSON for its tokens. Hot path of the load generator: for each token
 * a search for its line's end and one for its text.
 */

/** An error that stands in a body or frame. */
export interface AnswerError {
  readonly code: string | null
  readonly message: string
}

const ErrorBody = z.object({
  message: z.string(),
  code: z.unknown().optional(),
  type: z.unknown().optional(),
})
/** OpenAI's envelope, and the bare object of older engines. */
const ErrorEnvelope = z.union([
  z.object({ error: ErrorBody }).transform(({ error }) => error),
  z.object({ error: z.string() }).transform(({ error }) => ({ message: error, code: null, type: null })),
  z.object({ object: z.literal('error') }).and(ErrorBody),
  z.object({ detail: z.string() }).transform(({ detail }) => ({ message: detail, code: null, type: null })),
])

/** The error in a JSON text; null when it holds none. */
export function readError(text: string): AnswerError | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  const parsed = ErrorEnvelope.safeParse(value)
  if (!parsed.success) return null
  const { message, code, type } = parsed.data
  const name = [code, type].find((one) => (typeof one === 'string' && one !== '') || typeof one === 'number')
  return { message, code: typeof name === 'string' || typeof name === 'number' ? String(name) : null }
}

const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const QUOTE = 0x22
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const DATA = Buffer.from('data:')
const DONE = Buffer.from('[DONE]')
const USAGE = Buffer.from('"usage":')
const ERROR = Buffer.from('"error"')
const CHOICES = Buffer.from('"choices":')
const EMBEDDINGS = Buffer.from('"data":')
/**
 * Members that hold a token's text. A raw `"content":` cannot stand inside a JSON string, whose quotes are escaped.
 */
const TEXTS: Readonly<Record<Endpoint, readonly Buffer[]>> = {
  chat: ['"content":', '"reasoning_content":', '"reasoning":', '"arguments":'].map((key) => Buffer.from(key)),
  completions: [Buffer.from('"text":')],
  embeddings: [],
}
/** No frame of an answer is longer. */
const MOST_LINE_BYTES = 4 * 1024 * 1024

/** Index of the value behind the key, -1 when the key is not there. */
function valueAt(json: Buffer, key: Buffer): number {
  let at = json.indexOf(key)
  if (at < 0) return -1
  at += key.length
  while (json[at] === SPACE) at += 1
  return at
}

export class AnswerReader {
  readonly #texts: readonly Buffer[]
  /** The start of a line whose end has not come. */
  #begun: Buffer | null = null
  /** Frames that brought text; what follows `[DONE]` does not count. */
  tokens = 0
  done = false
  error: AnswerError | null = null
  /** The last usage that came; null: none did. */
  usage: { promptTokens: number; completionTokens: number; cachedTokens: number } | null = null

  constructor(endpoint: Endpoint) {
    this.#texts = TEXTS[endpoint]
  }

  /**
   * Takes an event stream's bytes, cut anywhere.
   * @returns how many tokens they brought
   * @throws when a line is longer than any frame
   */
  push(bytes: Buffer): number {
    const before = this.tokens
    let start = 0
    if (this.#begun !== null) {
      const end = bytes.indexOf(LF)
      this.#begun = Buffer.concat([this.#begun, end < 0 ? bytes : bytes.subarray(0, end)])
      if (this.#begun.length > MOST_LINE_BYTES) throw new Error('a line of the stream is too long')
      if (end < 0) return 0
      this.#readLine(this.#begun, 0, this.#begun.length)
      this.#begun = null
      start = end + 1
    }
    while (start < bytes.length) {
      const end = bytes.indexOf(LF, start)
      if (end < 0) {
        // The read's buffer is overwritten by the next.
        this.#begun = Buffer.from(bytes.subarray(start))
        break
      }
      if (end > start) this.#readLine(bytes, start, end)
      start = end + 1
    }
    return this.tokens - before
  }

  /** Reads a whole body that was not streamed. @returns whether it is an answer of the endpoint, and not cut off */
  readBody(body: Buffer): boolean {
    this.#readUsage(body)
    let last = body.length - 1
    while (last >= 0 && (body[last] ?? 0) <= SPACE) last -= 1
    return body[last] === CLOSE_BRACE && body.includes(this.#texts.length === 0 ? EMBEDDINGS : CHOICES)
  }

  #readLine(bytes: Buffer, from: number, to: number): void {
    const end = bytes[to - 1] === CR ? to - 1 : to
    let start = from + DATA.length
    // Comments, other fields and empty lines are no data.
    if (start > end || bytes.compare(DATA, 0, DATA.length, from, start) !== 0) return
    if (bytes[start] === SPACE) start += 1
    const json = bytes.subarray(start, end)
    if (json.equals(DONE)) this.done = true
    else if (!this.done) this.#readFrame(json)
  }

  #readFrame(json: Buffer): void {
    const hasText = this.#texts.some((key) => {
      const at = valueAt(json, key)
      return at >= 0 && json[at] === QUOTE && json[at + 1] !== QUOTE
    })
    if (hasText) this.tokens += 1
    else if (json.includes(ERROR) || !json.includes(CHOICES)) this.error ??= readError(json.toString('utf8'))
    this.#readUsage(json)
  }

  #readUsage(json: Buffer): void {
    // The last: the text of a plain reply may not hold the key unescaped, but other objects may.
    const key = json.lastIndexOf(USAGE)
    if (key < 0) return
    let at = key + USAGE.length
    while (json[at] === SPACE) at += 1
    if (json[at] !== OPEN_BRACE) return
    const counts = this.usage ?? { promptTokens: 0, completionTokens: 0, cachedTokens: 0 }
    if (readUsage(json, at, json.length, counts)) this.usage = counts
  }
}
