import { standsAt } from './usage-scan.js'

/**
 * The text of an answer as it streams past, kept so that another node can go on with it. What is kept are the bytes
 * between the quotes, escapes and all; they are read only if it comes to that. Hot path (bench: micro/sse-tap).
 */
const QUOTE = 0x22
const BACKSLASH = 0x5c
const MEMBERS = { chat: Buffer.from('"content":"'), completion: Buffer.from('"text":"') } as const
/** What an answer holds besides text; none of it can be continued. */
const OTHER_PARTS = [
  '"reasoning_content":"',
  '"reasoning":"',
  '"tool_calls":[{',
  '"refusal":"',
  '"audio":{',
].map((member) => Buffer.from(member))
const SMALLEST = 256
/** An answer with more text is not continued. */
export const MOST_TEXT_BYTES = 256 * 1024
/** Nor one whose first frame is longer. */
const MOST_FIRST_FRAME_BYTES = 16 * 1024

export class AnswerText {
  readonly #member: Buffer
  #bytes: Buffer = Buffer.alloc(0)
  #length = 0
  /** JSON of the first frame. */
  #first: string | null = null
  #faithful = true
  /** Where the text's opening quote stood behind `"choices":[` in the last frame; 0: nowhere. */
  #textAt = 0

  constructor(endpoint: keyof typeof MEMBERS) {
    this.#member = MEMBERS[endpoint]
  }

  /** Whether the text is all there is of the answer so far, and all of it is kept. */
  get faithful(): boolean {
    return this.#faithful
  }

  /** JSON of the first frame of the answer; null before it has come. */
  get firstFrame(): string | null {
    return this.#first
  }

  /** Bytes of memory that are held. */
  get heldBytes(): number {
    return this.#bytes.length + (this.#first?.length ?? 0)
  }

  /** The answer's text so far. */
  text(): string {
    return JSON.parse(`"${this.#bytes.toString('utf8', 0, this.#length)}"`) as string
  }

  /**
   * Takes one frame of a stream with one choice.
   * @param payload index of the frame's JSON
   * @param choices index of its `"choices":[`
   * @param last index of the JSON's last byte
   */
  take(frame: Buffer, payload: number, choices: number, last: number): void {
    if (!this.#faithful) return
    if (this.#first === null) {
      if (last - payload >= MOST_FIRST_FRAME_BYTES) {
        this.giveUp()
        return
      }
      this.#first = frame.toString('utf8', payload, last + 1)
    }
    const member = this.#member
    let at = choices + this.#textAt
    if (this.#textAt === 0 || !standsAt(frame, at, member)) {
      at = frame.indexOf(member, choices)
      if (at < 0 || at > last) {
        this.#checkOtherParts(frame, choices, last)
        return
      }
      this.#textAt = at - choices
    }
    const start = at + member.length
    const end = this.#takeString(frame, start, last)
    if (end === start) this.#checkOtherParts(frame, choices, last)
  }

  /** Takes a choice of a frame that is written in some other way. @param json the frame's JSON */
  takeParsed(json: string, choice: object): void {
    if (!this.#faithful) return
    this.#first ??= json
    const { text, delta } = choice as { text?: unknown; delta?: unknown }
    const { role, content, ...rest } = (typeof delta === 'object' && delta !== null ? delta : {}) as Record<
      string,
      unknown
    >
    if (Object.values(rest).some(isSomething) || (role !== undefined && typeof role !== 'string')) {
      this.giveUp()
      return
    }
    const part = this.#member === MEMBERS.chat ? content : text
    if (typeof part !== 'string' || part === '') return
    this.#append(Buffer.from(JSON.stringify(part).slice(1, -1)))
  }

  /** The answer is not going to be continued: its text is let go. */
  giveUp(): void {
    this.#faithful = false
    this.#bytes = Buffer.alloc(0)
    this.#length = 0
  }

  #checkOtherParts(frame: Buffer, from: number, last: number): void {
    for (const part of OTHER_PARTS) {
      const at = frame.indexOf(part, from)
      if (at < 0 || at > last) continue
      const isText = part[part.length - 1] === QUOTE
      if (isText && frame[at + part.length] === QUOTE) continue
      this.giveUp()
      return
    }
  }

  /**
   * Takes the bytes up to a string's closing quote. Byte by byte: a token has a few, and a call of `copy` costs as much as
   * thirty of them.
   * @returns where the quote stands
   */
  #takeString(frame: Buffer, start: number, last: number): number {
    let bytes = this.#bytes
    let length = this.#length
    let escaped = false
    let at = start
    for (; at <= last; at++) {
      const byte = frame[at] ?? QUOTE
      if (escaped) escaped = false
      else if (byte === QUOTE) break
      else escaped = byte === BACKSLASH
      if (length === bytes.length) {
        this.#length = length
        bytes = this.#grow(length + 1)
        if (!this.#faithful) return at
      }
      bytes[length++] = byte
    }
    this.#length = length
    return at
  }

  #append(source: Buffer): void {
    const length = this.#length + source.length
    const bytes = length > this.#bytes.length ? this.#grow(length) : this.#bytes
    if (!this.#faithful) return
    source.copy(bytes, this.#length)
    this.#length = length
  }

  /** Room for so many bytes, with what is there; gives up where that is too much. */
  #grow(length: number): Buffer {
    if (length > MOST_TEXT_BYTES) {
      this.giveUp()
      return this.#bytes
    }
    const grown = Buffer.allocUnsafe(
      Math.min(MOST_TEXT_BYTES, Math.max(SMALLEST, this.#bytes.length * 2, length)),
    )
    this.#bytes.copy(grown, 0, 0, this.#length)
    this.#bytes = grown
    return grown
  }
}

function isSomething(value: unknown): boolean {
  if (value === null || value === undefined || value === '') return false
  return !Array.isArray(value) || value.length > 0
}
