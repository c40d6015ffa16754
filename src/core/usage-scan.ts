import type { TokenCounts } from './usage-record.js'

/**
 * Reads the integers of a `usage` object from bytes without parsing JSON. Hot path: once for each streamed
 * token on engines that send continuous usage (bench: micro/sse-tap).
 */
const QUOTE = 0x22
const OPEN = 0x7b
const CLOSE = 0x7d
const COLON = 0x3a
const COMMA = 0x2c

/** What a spool record can hold; a larger number is no count of tokens. */
const MAX_COUNT = 0xffff_ffff

const PROMPT = Buffer.from('prompt_tokens')
const COMPLETION = Buffer.from('completion_tokens')
const CACHED = Buffer.from('cached_tokens')
const USAGE_KEY = Buffer.from('"usage"')

/** Whether `needle` stands in `text` at `at`. */
export function standsAt(text: Buffer, at: number, needle: Buffer): boolean {
  if (at < 0 || at + needle.length > text.length) return false
  for (let i = 0; i < needle.length; i++) if (text[at + i] !== needle[i]) return false
  return true
}

/** The count at `at` (spaces before it are skipped), or -1 when there is none. */
function integerAt(text: Buffer, at: number, end: number): number {
  let i = at
  while (i < end && text[i] === 0x20) i++
  let value = -1
  for (; i < end; i++) {
    const digit = (text[i] ?? 0) - 0x30
    if (digit < 0 || digit > 9) break
    value = (value < 0 ? 0 : value) * 10 + digit
  }
  return value > MAX_COUNT ? -1 : value
}

/**
 * Reads `prompt_tokens`, `completion_tokens` and `prompt_tokens_details.cached_tokens` of the usage object in
 * `[start, end)`, braces included, into `counts`; members that are absent leave their count as it is.
 *
 * @returns whether it was a usage object: one that holds `prompt_tokens`.
 */
export function readUsage(text: Buffer, start: number, end: number, counts: TokenCounts): boolean {
  let found = false
  let depth = 0
  for (let at = start; at < end; at++) {
    const byte = text[at]
    if (byte === OPEN) depth++
    else if (byte === CLOSE) depth--
    else if (byte === QUOTE) {
      const key = at + 1
      at = key
      while (at < end && text[at] !== QUOTE) at++
      if (text[at + 1] !== COLON) continue
      const length = at - key
      if (depth === 1 && length === PROMPT.length && standsAt(text, key, PROMPT)) {
        const value = integerAt(text, at + 2, end)
        if (value >= 0) {
          counts.promptTokens = value
          found = true
        }
      } else if (depth === 1 && length === COMPLETION.length && standsAt(text, key, COMPLETION)) {
        const value = integerAt(text, at + 2, end)
        if (value >= 0) counts.completionTokens = value
      } else if (depth === 2 && length === CACHED.length && standsAt(text, key, CACHED)) {
        const value = integerAt(text, at + 2, end)
        if (value >= 0) counts.cachedTokens = value
      }
    }
  }
  return found
}

/**
 * Finds `,"usage":{…}` where it is the last member of the JSON object whose closing brace is at `last`: the way
 * vLLM and SGLang write it. A raw `,"usage":` cannot stand inside a JSON string, whose quotes are escaped.
 *
 * @returns the index of the member's opening quote, or -1; its object ends just before `last`.
 */
export function trailingUsage(text: Buffer, start: number, last: number): number {
  if (text[last] !== CLOSE || text[last - 1] !== CLOSE) return -1
  let depth = 0
  let at = last - 1
  for (; at > start; at--) {
    const byte = text[at]
    if (byte === CLOSE) depth++
    else if (byte === OPEN && --depth === 0) break
  }
  if (text[at - 1] !== COLON) return -1
  const key = at - 1 - USAGE_KEY.length
  return key > start && text[key - 1] === COMMA && standsAt(text, key, USAGE_KEY) ? key : -1
}
