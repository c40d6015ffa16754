import type { AnswerText } from './answer-text.js'
import { decodeString, JsonScanError, scanObject } from './json-scan.js'
import type { TokenCounts } from './usage-record.js'
import { readUsage, standsAt, trailingUsage } from './usage-scan.js'

/**
 * Reads usage and success out of a stream of server-sent events while its bytes pass through, and cuts out
 * what the client did not ask for. Works in place on the read's buffer; no JSON is parsed for the frames that
 * vLLM and SGLang write. Hot path (bench: micro/sse-tap).
 */
export interface TapOptions {
  /**
   * `cut`: usage is cut out of each frame, the final usage frame dropped. `final`: as `cut`, but the final
   * usage frame stays. `untouched`: the client asked for continuous usage and gets the node's bytes.
   */
  readonly mode: 'cut' | 'final' | 'untouched'
  /** Choices asked for by prompt: each must finish. */
  readonly choices: number
  /** Prompts in the request, default 1: their choices are numbered one prompt after the other. */
  readonly prompts?: number
  /** Whole frames alone are forwarded, also where usage is not cut out. */
  readonly whole?: boolean
  /** Takes the text of an answer that may have to be continued; of one choice. */
  readonly answer?: AnswerText | null
}

const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const TAB = 0x09
const QUOTE = 0x22
const OPEN = 0x7b
const COMMA = 0x2c
const DATA = Buffer.from('data:')
const DONE = Buffer.from('[DONE]')
const CHOICES = Buffer.from('"choices":[')
const NO_CHOICES = Buffer.from('"choices":[]')
const FIRST_INDEX = Buffer.from('{"index":')
const NEXT_INDEX = Buffer.from(',{"index":')
const FINISH = Buffer.from('"finish_reason":')
const GOES_ON = Buffer.from('"finish_reason":null}]')
const USAGE = Buffer.from('"usage"')
const ERROR_KEY = Buffer.from('{"error"')
const FLAT_ERROR = Buffer.from('{"object":"error"')
/** Members of a delta that carry generated text; an empty string right behind does not count. */
const TEXT_MEMBERS = ['content', 'text', 'reasoning_content', 'reasoning', 'arguments'].map((name) =>
  Buffer.from(`"${name}":"`),
)
const EMPTY = Buffer.alloc(0)
const BLANK_LINE = Buffer.from('\n\n')

/** A frame longer than this is not one that an engine makes. */
export const MAX_FRAME_BYTES = 4 * 1024 * 1024

export class SseTap implements TokenCounts {
  promptTokens = 0
  cachedTokens = 0
  completionTokens = 0
  /** Whether the engine itself reported usage in this stream. */
  reported = false
  /** Frames that carried generated text: the estimate where nothing is reported. */
  deltas = 0
  /** `[DONE]` came after every choice had finished. */
  complete = false
  /** `[DONE]` came too early, or a frame was too long: the stream must not look like a success. */
  broken = false
  /** The JSON of an error frame that the node sent; nothing behind it is forwarded. */
  errorFrame: string | null = null
  /**
   * The client holds the beginning of a frame whose end was not forwarded, so that anything sent now would be
   * glued to it: the stream can only be cut off. Never in the modes that cut.
   */
  partial = false

  readonly #mode: TapOptions['mode']
  /** Bytes are forwarded as they come, frames whole or not. */
  readonly #asTheyCome: boolean
  /** Of all prompts. */
  readonly #choices: number
  readonly #choicesPerPrompt: number
  readonly #answer: AnswerText | null
  readonly #finished = new Set<number>()
  /** Completion tokens by choice, for engines that report them for each choice. */
  readonly #byChoice = new Map<number, number>()
  /** Prompt tokens by prompt, likewise. */
  readonly #byPrompt = new Map<number, number>()
  /** Where the last frame's `"choices":[` stood behind the start of its payload; not above 0: nowhere. */
  #choicesAt = 0
  /** The beginning of a frame that the last read did not finish. */
  #held: Buffer = EMPTY
  readonly #counts: TokenCounts = { promptTokens: 0, cachedTokens: 0, completionTokens: 0 }

  constructor(options: TapOptions) {
    this.#mode = options.mode
    this.#asTheyCome = options.mode === 'untouched' && options.whole !== true
    this.#choices = options.choices * (options.prompts ?? 1)
    this.#choicesPerPrompt = options.choices
    this.#answer = options.answer ?? null
  }

  /** Whether every choice has a finish reason. */
  get finished(): boolean {
    return this.#finished.size >= this.#choices
  }

  /** Whether nothing more may be forwarded. */
  get over(): boolean {
    return this.complete || this.broken || this.errorFrame !== null
  }

  /** Tokens generated so far, as well as is known. */
  get generated(): number {
    return this.reported ? this.completionTokens : this.deltas
  }

  /**
   * Takes one read of the body and returns what is to be forwarded of it: a view of `bytes`, or of a copy
   * where a frame was held. `bytes` is overwritten.
   */
  read(bytes: Buffer): Buffer {
    if (this.over) return EMPTY
    const held = this.#held.length
    const text = held === 0 ? bytes : Buffer.concat([this.#held, bytes])
    this.#held = EMPTY
    const untouched = this.#asTheyCome
    let at = 0
    // Forwarded so far: [0, out) of text, compacted in place.
    let out = 0
    for (;;) {
      const firstLineEnd = text.indexOf(LF, at)
      const end = frameEnd(text, at, firstLineEnd)
      if (end < 0) break
      const kept = this.#frame(text, at, firstLineEnd, end)
      if (kept === 0) {
        if (this.over) {
          // Of an error frame that is half sent already the rest goes as well; half a [DONE] stays half.
          if (untouched && at < held && this.errorFrame !== null) out = end
          break
        }
      } else if (out === at) {
        out += kept
      } else {
        text.copyWithin(out, at, at + kept)
        out += kept
      }
      at = end
      if (this.over) break
    }
    if (!this.over && at < text.length) {
      if (text.length - at > MAX_FRAME_BYTES) this.broken = true
      else this.#held = Buffer.from(text.subarray(at))
    }
    if (!untouched) return text.subarray(0, out)
    // Bytes that were forwarded with the last read are not sent again; an unfinished frame goes out as it is.
    const all = this.over ? out : text.length
    this.partial = this.over ? out < held : this.#held.length > 0
    return all > held ? text.subarray(held, all) : EMPTY
  }

  /**
   * The body ended: a last frame without its blank line is read if it is whole, and what is left to be forwarded
   * of it is returned, closed by a blank line.
   */
  end(): Buffer {
    const held = this.#held
    if (held.length === 0 || this.over || !isWhole(held)) return EMPTY
    this.#held = EMPTY
    const text = Buffer.concat([held, held[held.length - 1] === LF ? BLANK_LINE.subarray(1) : BLANK_LINE])
    const kept = this.#frame(text, 0, text.indexOf(LF), text.length)
    if (!this.#asTheyCome) return text.subarray(0, kept)
    // The client holds all but the blank line. A false [DONE] stays open, or that line would make it a true one.
    this.partial = this.broken
    return this.broken ? EMPTY : text.subarray(held.length)
  }

  /**
   * Reads the frame in `[start, end)`, whose first line ends at `firstLineEnd`; returns how many of its bytes, compacted
   * to `start`, are to be forwarded.
   */
  #frame(text: Buffer, start: number, firstLineEnd: number, end: number): number {
    const all = end - start
    const payload = payloadStart(text, start, end)
    if (payload < 0) return all
    if (text[payload] !== OPEN) {
      if (!standsAt(text, payload, DONE)) return all
      if (this.finished) {
        this.complete = true
        return all
      }
      this.broken = true
      return 0
    }
    const last = payloadLast(text, payload <= firstLineEnd ? firstLineEnd : text.indexOf(LF, payload))
    // Engines that write `"choices": [` take the slow way; they are few and their frames as well.
    const choices = this.#findChoices(text, payload, end)
    if (
      choices < 0 ||
      choices >= end ||
      standsAt(text, payload, ERROR_KEY) ||
      standsAt(text, payload, FLAT_ERROR)
    ) {
      return this.#unusualFrame(text, start, end, payload, last)
    }
    const usage = trailingUsage(text, payload, last)
    if (usage < 0) {
      const elsewhere = text.indexOf(USAGE, payload)
      if (elsewhere >= 0 && elsewhere < end) return this.#unusualFrame(text, start, end, payload, last)
    }
    const empty = standsAt(text, choices, NO_CHOICES)
    let choice = 0
    if (!empty && this.#choices > 1) {
      const index = choices + CHOICES.length
      const next = text.indexOf(NEXT_INDEX, index)
      if (!standsAt(text, index, FIRST_INDEX) || (next >= 0 && next < end)) {
        return this.#unusualFrame(text, start, end, payload, last)
      }
      choice = parseInt(
        text.toString('latin1', index + FIRST_INDEX.length, index + FIRST_INDEX.length + 4),
        10,
      )
    }
    if (!empty) {
      this.#answer?.take(text, payload, choices, last)
      // `…,"finish_reason":null}],"usage":{…` is how nearly every frame goes on.
      const goesOn = usage >= 0 && standsAt(text, usage - 1 - GOES_ON.length, GOES_ON)
      if (!goesOn && finishes(text, choices, end)) this.#finished.add(choice)
    }
    if (usage < 0) {
      if (!this.reported) this.#countDelta(text, choices, end)
      return all
    }
    this.#report(text, usage + USAGE.length + 1, last, empty ? null : choice)
    if (this.#mode === 'untouched') return all
    if (empty) return this.#mode === 'final' ? all : 0
    // `…,"usage":{…}}⏎⏎` becomes `…}⏎⏎`.
    const cut = usage - 1
    text.copyWithin(cut, last, end)
    return cut - start + (end - last)
  }

  /** Index of the frame's `"choices":[`, or -1; what stands before it is the same in all frames of most streams. */
  #findChoices(text: Buffer, payload: number, end: number): number {
    const usual = payload + this.#choicesAt
    if (this.#choicesAt > 0 && usual < end && standsAt(text, usual, CHOICES)) return usual
    const choices = text.indexOf(CHOICES, payload)
    this.#choicesAt = choices - payload
    return choices
  }

  #report(text: Buffer, start: number, end: number, choice: number | null): void {
    const counts = this.#counts
    counts.completionTokens = 0
    if (!readUsage(text, start, end, counts)) return
    this.reported = true
    if (counts.cachedTokens > this.cachedTokens) this.cachedTokens = counts.cachedTokens
    if (choice === null || this.#choices === 1) {
      this.promptTokens = counts.promptTokens
      this.completionTokens = counts.completionTokens
      return
    }
    this.#byChoice.set(choice, counts.completionTokens)
    this.completionTokens = sum(this.#byChoice)
    // A choice that was not asked for belongs to no further prompt.
    const last = this.#choices / this.#choicesPerPrompt - 1
    const prompt = Math.min(Math.max(0, Math.floor(choice / this.#choicesPerPrompt)), last)
    this.#byPrompt.set(prompt, counts.promptTokens)
    this.promptTokens = sum(this.#byPrompt)
  }

  #countDelta(text: Buffer, from: number, end: number): void {
    for (const member of TEXT_MEMBERS) {
      const at = text.indexOf(member, from)
      if (at >= 0 && at < end && text[at + member.length] !== 0x22) {
        this.deltas++
        return
      }
    }
  }

  /** A frame that is not written the way the large engines write it: scanned by member, its choices parsed. */
  #unusualFrame(text: Buffer, start: number, end: number, payload: number, last: number): number {
    const all = end - start
    const json = text.subarray(payload, last + 1)
    let choices: unknown = null
    let isError = false
    let usageStart = -1
    let usageValue = -1
    let usageEnd = -1
    try {
      scanObject(json, (member) => {
        if (member.key === 'choices')
          choices = JSON.parse(json.toString('utf8', member.valueStart, member.end))
        else if (member.key === 'error') isError = json[member.valueStart] !== 0x6e
        else if (member.key === 'object')
          isError ||= decodeString(json, member.valueStart, member.end) === 'error'
        else if (member.key === 'usage') {
          usageStart = member.start
          usageValue = member.valueStart
          usageEnd = member.end
        }
      })
    } catch (error) {
      if (!(error instanceof JsonScanError) && !(error instanceof SyntaxError)) throw error
      this.broken = true
      return 0
    }
    if (isError) {
      this.errorFrame = json.toString('utf8')
      return 0
    }
    const list = Array.isArray(choices) ? (choices as unknown[]) : []
    let generated = false
    let choice: number | null = null
    for (const entry of list) {
      if (typeof entry !== 'object' || entry === null) continue
      const { index, finish_reason: reason } = entry as { index?: unknown; finish_reason?: unknown }
      choice ??= typeof index === 'number' ? index : 0
      if (typeof reason === 'string') this.#finished.add(typeof index === 'number' ? index : 0)
      this.#answer?.takeParsed(json.toString(), entry)
      generated ||= carriesText(entry)
    }
    const hasUsage = usageStart >= 0 && json[usageValue] === OPEN
    if (hasUsage) this.#report(json, usageValue, usageEnd, list.length === 0 ? null : choice)
    if (!this.reported && generated) this.deltas++
    if (this.#mode === 'untouched' || usageStart < 0) return all
    if (list.length === 0 && hasUsage) return this.#mode === 'final' ? all : 0
    return all - cutMember(text, payload + usageStart, payload + usageEnd, end)
  }
}

/** Whether the choice in `[choices, end)` has a finish reason. */
function finishes(text: Buffer, choices: number, end: number): boolean {
  const finish = text.indexOf(FINISH, choices)
  return finish >= 0 && finish < end && text[skipBlanks(text, finish + FINISH.length)] === QUOTE
}

function sum(tokens: ReadonlyMap<number, number>): number {
  let total = 0
  for (const count of tokens.values()) total += count
  return total
}

/** Removes the member in `[from, to)` with one comma; returns how many bytes went. */
function cutMember(text: Buffer, from: number, to: number, end: number): number {
  let start = from
  let stop = to
  let before = from - 1
  while (text[before] === SPACE || text[before] === TAB) before--
  if (text[before] === COMMA) start = before
  else {
    stop = skipBlanks(text, stop)
    if (text[stop] === COMMA) stop++
  }
  text.copyWithin(start, stop, end)
  return stop - start
}

/** Whether a parsed choice carries generated text, in any of the places where engines put it. */
function carriesText(choice: object): boolean {
  const { text, delta } = choice as { text?: unknown; delta?: unknown }
  if (typeof text === 'string' && text !== '') return true
  if (typeof delta !== 'object' || delta === null) return false
  for (const [name, value] of Object.entries(delta)) {
    if (name === 'role') continue
    if (typeof value === 'string' ? value !== '' : Array.isArray(value) && value.length > 0) return true
  }
  return false
}

/** Index past the blank line that ends the frame beginning at `from`, whose first line ends at `firstLineEnd`, or -1. */
function frameEnd(text: Buffer, from: number, firstLineEnd: number): number {
  for (let lf = firstLineEnd; lf >= 0; lf = text.indexOf(LF, lf + 1)) {
    const next = text[lf + 1]
    if (next === LF) return lf + 2
    if (next === CR && text[lf + 2] === LF) return lf + 3
    // A frame that begins with a blank line is an empty one.
    if (lf === from || (lf === from + 1 && text[from] === CR)) return lf + 1
  }
  return -1
}

/** Where the payload of the frame's first `data:` line begins, or -1 when it has none. */
function payloadStart(text: Buffer, start: number, end: number): number {
  let at = start
  while (!standsAt(text, at, DATA)) {
    const lf = text.indexOf(LF, at)
    if (lf < 0 || lf + 1 >= end) return -1
    at = lf + 1
  }
  return skipBlanks(text, at + DATA.length)
}

/** The last byte of the payload whose line ends at `lineEnd` (-1: at the text's end), without what is blank. */
function payloadLast(text: Buffer, lineEnd: number): number {
  let last = (lineEnd < 0 ? text.length : lineEnd) - 1
  while (text[last] === CR || text[last] === SPACE || text[last] === TAB) last--
  return last
}

/** Whether a frame that lacks its blank line is there as a whole: a JSON object, or `[DONE]`. */
function isWhole(frame: Buffer): boolean {
  const payload = payloadStart(frame, 0, frame.length)
  if (payload < 0) return false
  if (frame[payload] !== OPEN) return standsAt(frame, payload, DONE)
  try {
    scanObject(frame.subarray(payload, payloadLast(frame, frame.indexOf(LF, payload)) + 1), () => {})
    return true
  } catch (error) {
    if (error instanceof JsonScanError) return false
    throw error
  }
}

function skipBlanks(text: Buffer, from: number): number {
  let at = from
  while (text[at] === SPACE || text[at] === TAB) at++
  return at
}
