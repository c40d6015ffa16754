import { z } from 'zod'
import { JsonScanError, scanObject } from '../core/json-scan.js'
import { readUsage } from '../core/usage-scan.js'
import type { TokenCounts } from '../core/usage-record.js'

/** A reply up to this size is held until it is whole, so that a node's failure can still become an error status. */
export const HELD_BYTES = 4 * 1024 * 1024
/** Of a longer one this much of the end is kept: its `usage` stands there. */
const TAIL_BYTES = 64 * 1024
const USAGE = Buffer.from('"usage"')
const NOTHING: Buffer = Buffer.alloc(0)

/** Where the text of an answer stands; read only where an engine reports no usage. */
const Answer = z.object({
  choices: z
    .array(
      z.object({
        text: z.string().optional(),
        message: z.object({ content: z.string().nullish() }).optional(),
      }),
    )
    .optional(),
})

/** Collects the body of a reply that is not streamed and reads its usage. */
export class PlainReply {
  #parts: Buffer[] = []
  #length = 0
  /** The reply is too long to be held: what comes is passed on at once. */
  #passing = false
  #tail = NOTHING
  #scan: BodyScan | null = null

  /** Bytes that have come. */
  get length(): number {
    return this.#length
  }

  get passing(): boolean {
    return this.#passing
  }

  /**
   * Takes one read, which is copied.
   * @returns null while the reply is held, else the bytes to send now
   */
  read(bytes: Buffer): Buffer | null {
    if (this.#passing) {
      this.#remember(bytes)
      return bytes
    }
    this.#parts.push(Buffer.from(bytes))
    this.#length += bytes.length
    if (this.#length <= HELD_BYTES) return null
    this.#passing = true
    const held = this.body()
    this.#parts = []
    this.#remember(held)
    return held
  }

  /** The reply so far, when it is held. */
  body(): Buffer {
    const [only] = this.#parts
    return this.#parts.length === 1 && only !== undefined ? only : Buffer.concat(this.#parts, this.#length)
  }

  /**
   * Whether a held reply that has ended is one JSON object. A node whose `content-length` is too short makes a reply
   * that ends well and is not.
   */
  get whole(): boolean {
    return this.#scanned().whole
  }

  /** Reads the top-level usage into `counts`; false when there is none. Embeddings have no completion tokens. */
  usage(counts: TokenCounts): boolean {
    if (this.#passing) return tailUsage(this.#tail, counts)
    const { usage } = this.#scanned()
    if (usage === null) return false
    counts.promptTokens = usage.promptTokens
    counts.cachedTokens = usage.cachedTokens
    counts.completionTokens = usage.completionTokens
    return true
  }

  /** Completion tokens of a whole answer whose engine reports none: bytes of its texts ÷ 4; 0 for one not held. */
  estimate(): number {
    if (this.#passing) return 0
    try {
      const { choices = [] } = Answer.parse(JSON.parse(this.body().toString()))
      const texts = choices.map(({ text, message }) => text ?? message?.content ?? '')
      return Math.ceil(Buffer.byteLength(texts.join('')) / 4)
    } catch {
      // Not an answer with text: an embedding, or something that only the client can make sense of.
      return 0
    }
  }

  #scanned(): BodyScan {
    if (this.#scan?.length !== this.#length) this.#scan = scanBody(this.body())
    return this.#scan
  }

  #remember(bytes: Buffer): void {
    const joined = Buffer.concat([this.#tail, bytes])
    this.#tail = Buffer.from(joined.subarray(Math.max(0, joined.length - TAIL_BYTES)))
  }
}

interface BodyScan {
  /** Bytes that were scanned. */
  readonly length: number
  readonly whole: boolean
  readonly usage: TokenCounts | null
}

function scanBody(body: Buffer): BodyScan {
  const counts = { promptTokens: 0, cachedTokens: 0, completionTokens: 0 }
  let found = false
  let whole = true
  try {
    scanObject(body, (member) => {
      if (member.key === 'usage') found = readUsage(body, member.valueStart, member.end, counts)
    })
  } catch (error) {
    if (!(error instanceof JsonScanError)) throw error
    whole = false
  }
  return { length: body.length, whole, usage: found ? counts : null }
}

/** The end alone is known, so the last `"usage":{` in it is taken; it cannot stand inside a string. */
function tailUsage(tail: Buffer, counts: TokenCounts): boolean {
  const key = tail.lastIndexOf(USAGE)
  if (key < 0) return false
  const open = tail.indexOf('{', key)
  let depth = 0
  for (let at = open; at >= 0 && at < tail.length; at++) {
    if (tail[at] === 0x7b) depth++
    else if (tail[at] === 0x7d && --depth === 0) return readUsage(tail, open, at + 1, counts)
  }
  return false
}
