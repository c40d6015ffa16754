/**
 * Finds the top-level members of a JSON object in bytes without parsing what it does not need: strings are
 * hopped over, nested values are skipped by bracket balance. Hot path (bench: micro/request-head).
 *
 * Judged here: that the text is one object, string ends, bracket balance, depth, and the literals at the top
 * level. Not judged: the syntax inside skipped arrays and objects, which is the reader's behind us.
 */
export const MAX_DEPTH = 128
/** More top-level members than any API has; each costs a call, so there is an end. */
export const MAX_MEMBERS = 1_000

/** Bytes of a string that are looked at one by one before the native search takes over. */
const SHORT_STRING = 48
/** Escapes nearer to each other than this are found faster byte by byte (measured: a search costs as much as 24 bytes). */
const CLOSE_QUOTES = 24

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const COLON = 0x3a
const COMMA = 0x2c

/** Thrown for text that is not one JSON object; the message is fit for a client. */
export class JsonScanError extends Error {
  override readonly name = 'JsonScanError'
}

export interface Member {
  /** The key, decoded. */
  readonly key: string
  /** Range of the whole member, from the key's opening quote to past the value. */
  readonly start: number
  readonly end: number
  /** Where the value begins. */
  readonly valueStart: number
}

function fail(what: string, at: number): never {
  throw new JsonScanError(`${what} at byte ${at}.`)
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

function skipSpace(text: Buffer, from: number): number {
  let at = from
  while (isSpace(text[at])) at++
  return at
}

/**
 * Index past the closing quote of the string whose opening quote is at `start`. Hops from quote to quote with the native
 * `indexOf`, and looks at bytes one by one where escapes stand close to each other, so that neither a long string nor
 * one full of escapes is slow.
 */
export function stringEnd(text: Buffer, start: number): number {
  const length = text.length
  let at = start + 1
  let near = Math.min(length, at + SHORT_STRING)
  for (;;) {
    while (at < near) {
      const byte = text[at]
      if (byte === QUOTE) return at + 1
      if (byte === BACKSLASH) {
        at += 2
        near = Math.min(length, Math.max(near, at + CLOSE_QUOTES))
      } else at++
    }
    if (at >= length) fail('A string does not end; it begins', start)
    const quote = text.indexOf(QUOTE, at)
    if (quote < 0) fail('A string does not end; it begins', start)
    let escapes = quote
    while (escapes > at && text[escapes - 1] === BACKSLASH) escapes--
    if ((quote - escapes) % 2 === 0) return quote + 1
    near = quote - at < CLOSE_QUOTES ? Math.min(length, quote + 1 + CLOSE_QUOTES) : 0
    at = quote + 1
  }
}

/** What a skip over a value found on its way. */
export interface SkipTally {
  /** Bytes inside string values (keys left out): the size of a prompt. */
  stringBytes: number
}

const stack = new Uint8Array(MAX_DEPTH)

/** Index past the array or object that begins at `start`. */
function skipNested(text: Buffer, start: number, tally: SkipTally): number {
  const length = text.length
  let depth = 0
  let at = start
  while (at < length) {
    const byte = text[at]
    if (byte === QUOTE) {
      // Short strings in line: a body may be millions of them.
      const near = Math.min(length, at + SHORT_STRING)
      let end = at + 1
      while (end < near && text[end] !== QUOTE && text[end] !== BACKSLASH) end++
      end = end < near && text[end] === QUOTE ? end + 1 : stringEnd(text, at)
      const next = skipSpace(text, end)
      if (text[next] !== COLON) tally.stringBytes += end - at - 2
      at = next
      continue
    }
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      // The object being read is the first level, so one less is left for what it holds.
      if (depth === MAX_DEPTH - 1) fail(`Nesting deeper than ${MAX_DEPTH} levels`, at)
      stack[depth++] = byte
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      // '[' + 2 = ']' and '{' + 2 = '}'.
      if (stack[--depth] !== byte - 2) fail('A bracket that does not match', at)
      if (depth === 0) return at + 1
    }
    at++
  }
  return fail('A bracket is not closed; it opens', start)
}

const TRUE = Buffer.from('true')
const FALSE = Buffer.from('false')
const NULL = Buffer.from('null')
const MINUS = 0x2d
const PLUS = 0x2b
const POINT = 0x2e
const ZERO = 0x30

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= 0x39
}

function skipDigits(text: Buffer, from: number): number {
  let at = from
  while (isDigit(text[at])) at++
  return at
}

/** Index past the JSON number that begins at `start`, or -1 when none does. */
function numberEnd(text: Buffer, start: number): number {
  const first = text[start] === MINUS ? start + 1 : start
  let at = text[first] === ZERO ? first + 1 : skipDigits(text, first)
  if (at === first) return -1
  if (text[at] === POINT) {
    const fraction = at + 1
    at = skipDigits(text, fraction)
    if (at === fraction) return -1
  }
  if (((text[at] ?? 0) | 0x20) === 0x65) {
    const sign = text[at + 1]
    const exponent = sign === PLUS || sign === MINUS ? at + 2 : at + 1
    at = skipDigits(text, exponent)
    if (at === exponent) return -1
  }
  return at
}

function wordEnd(text: Buffer, start: number, word: Buffer): number {
  for (let i = 1; i < word.length; i++) if (text[start + i] !== word[i]) return -1
  return start + word.length
}

function literalEnd(text: Buffer, start: number): number {
  const first = text[start]
  if (first === TRUE[0]) return wordEnd(text, start, TRUE)
  if (first === FALSE[0]) return wordEnd(text, start, FALSE)
  if (first === NULL[0]) return wordEnd(text, start, NULL)
  return numberEnd(text, start)
}

/** A number, `true`, `false` or `null`, up to 64 bytes long. */
function skipLiteral(text: Buffer, start: number): number {
  const end = literalEnd(text, start)
  const next = text[end]
  const closed = next === undefined || next === COMMA || next === CLOSE_BRACE || isSpace(next)
  if (end < 0 || !closed || end - start > 64) fail('A value that is not JSON', start)
  return end
}

/** Index past the value that begins at `start`. */
export function skipValue(text: Buffer, start: number, tally: SkipTally): number {
  const byte = text[start]
  if (byte === QUOTE) {
    const end = stringEnd(text, start)
    tally.stringBytes += end - start - 2
    return end
  }
  if (byte === OPEN_BRACE || byte === OPEN_BRACKET) return skipNested(text, start, tally)
  return skipLiteral(text, start)
}

/** JSON forbids the control characters in a string. */
const NOT_LITERAL = /[\\\u0000-\u001f]/

/** Decodes the JSON string in `[start, end)`, quotes included. */
export function decodeString(text: Buffer, start: number, end: number): string {
  const inner = text.toString('utf8', start + 1, end - 1)
  if (!NOT_LITERAL.test(inner)) return inner
  try {
    return JSON.parse(`"${inner}"`) as string
  } catch {
    return fail('A string that is not JSON', start)
  }
}

/** Keys that were met before, by a hash of their bytes: the few that APIs use are decoded once. */
const KNOWN_KEYS = 256
const LONGEST_KNOWN_KEY = 32
const knownBytes: (Buffer | undefined)[] = new Array<undefined>(KNOWN_KEYS).fill(undefined)
const knownTexts: string[] = new Array<string>(KNOWN_KEYS).fill('')

/** The key whose quotes are at `start` and `end - 1`, decoded; a plain one as the same string each time. */
function decodeKey(text: Buffer, start: number, end: number): string {
  const from = start + 1
  const length = end - 1 - from
  if (length > LONGEST_KNOWN_KEY) return decodeString(text, start, end)
  let hash = length
  for (let at = from; at < from + length; at++) {
    const byte = text[at] ?? 0
    if (byte === BACKSLASH || byte < 0x20) return decodeString(text, start, end)
    hash = (Math.imul(hash, 31) + byte) | 0
  }
  const slot = (hash ^ (hash >>> 8)) & (KNOWN_KEYS - 1)
  const known = knownBytes[slot]
  if (known?.length === length) {
    let same = 0
    while (same < length && known[same] === text[from + same]) same++
    if (same === length) return knownTexts[slot] ?? ''
  }
  const key = decodeString(text, start, end)
  knownBytes[slot] = Buffer.from(text.subarray(from, from + length))
  knownTexts[slot] = key
  return key
}

/**
 * Calls `visit` for each top-level member of the object in `text`, in order. The member object and the tally
 * are only valid during the call; `tally` counts this member's value alone.
 *
 * @throws JsonScanError when the text is not one JSON object.
 */
export function scanObject(text: Buffer, visit: (member: Member, tally: SkipTally) => void): void {
  const member = { key: '', start: 0, end: 0, valueStart: 0 }
  const tally: SkipTally = { stringBytes: 0 }
  let members = 0
  let at = skipSpace(text, 0)
  if (text[at] !== OPEN_BRACE) fail('The body is not a JSON object', at)
  at = skipSpace(text, at + 1)
  if (text[at] === CLOSE_BRACE) {
    at++
  } else {
    for (;;) {
      if (text[at] !== QUOTE) fail('A key was expected', at)
      const keyEnd = stringEnd(text, at)
      if (++members > MAX_MEMBERS) fail(`More than ${MAX_MEMBERS} members`, at)
      member.start = at
      member.key = decodeKey(text, at, keyEnd)
      at = skipSpace(text, keyEnd)
      if (text[at] !== COLON) fail('A colon was expected', at)
      at = skipSpace(text, at + 1)
      member.valueStart = at
      tally.stringBytes = 0
      at = skipValue(text, at, tally)
      member.end = at
      visit(member, tally)
      at = skipSpace(text, at)
      if (text[at] === COMMA) {
        at = skipSpace(text, at + 1)
        continue
      }
      if (text[at] === CLOSE_BRACE) {
        at++
        break
      }
      fail('A comma or the end of the object was expected', at)
    }
  }
  at = skipSpace(text, at)
  if (at !== text.length) fail('Something follows the JSON object', at)
}

/**
 * How many elements the array that begins at `start` has, at most `most + 1`, and the first byte of its first one (0 when
 * it is empty). The array must have been skipped by {@link skipValue} before, which proves its brackets and strings.
 */
export function countElements(text: Buffer, start: number, most: number): { count: number; first: number } {
  const tally: SkipTally = { stringBytes: 0 }
  let at = skipSpace(text, start + 1)
  const first = text[at] ?? 0
  if (first === CLOSE_BRACKET) return { count: 0, first: 0 }
  let count = 0
  while (at < text.length) {
    const byte = text[at]
    if (byte === CLOSE_BRACKET) return { count: count + 1, first }
    if (byte === COMMA && ++count > most) break
    at = byte === QUOTE || byte === OPEN_BRACE || byte === OPEN_BRACKET ? skipValue(text, at, tally) : at + 1
  }
  return { count: count + 1, first }
}
