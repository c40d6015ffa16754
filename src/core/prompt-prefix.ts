/**
 * Hashes of a prompt's beginnings, by which prefix-affinity knows a prompt that continues another one. Hot path
 * (bench: micro/prompt-prefix).
 *
 * The bytes are those of the JSON value as the client sent it, up to {@link MAX_PREFIX_BYTES}, cut into blocks: at the
 * end of each message, and where a block would exceed {@link SHORT_BLOCK_BYTES} ({@link LONG_BLOCK_BYTES} after the first
 * {@link SHORT_BLOCKS_UP_TO}). Hash n covers the blocks 0 to n and the salt, so equal hashes mean equal beginnings, and a
 * block is known together with all before it. Cuts depend on what stands before them alone, and what closes a message
 * (`"}]`, or `"},{` before the next one) is in the next block: a conversation's next turn has all hashes of the turn
 * before, be its messages ever so short, provided that `role` stands first in them, as all clients have it.
 */
export const SHORT_BLOCK_BYTES = 256
/** A long prompt is told from others in its first blocks; further on, fewer hashes do. */
export const LONG_BLOCK_BYTES = 1_024
export const SHORT_BLOCKS_UP_TO = 4_096
export const MAX_PREFIX_BYTES = 64 * 1_024
/** So many messages of a few words are told apart, which bounds the hashes of a prompt. */
export const MAX_HASHES = 256

/** So far behind the last byte it is looked for the next message, to know whether one ends there. */
const MOST_BETWEEN = 256

/** What closes a message, or opens the next one. */
const BETWEEN: ReadonlySet<number> = new Set(Buffer.from('"[]{}, \t\n\r'))

/** The primes of xxHash32, which this follows in its four lanes. */
const PRIME_A = 0x9e3779b1 | 0
const PRIME_B = 0x85ebca77 | 0
const PRIME_C = 0xc2b2ae3d | 0
const PRIME_D = 0x27d4eb2f
/** A hash is 32 bits of one half and 21 of the other: what a number holds exactly. */
const LOW_BITS = 21

/** The key that every message has. It cannot stand in a text, where the second quote would be escaped. */
const ROLE = Buffer.from('"role"')

/**
 * @param start of the JSON value of `messages`, `prompt` or `input` in `body`
 * @param end past it; equal to `start` where there is none
 * @param salt keeps the prompts of one tenant apart from those of others
 * @returns whole numbers up to 2^53, one for each block
 */
export function prefixHashes(body: Buffer, start: number, end: number, salt: string): number[] {
  const hashes: number[] = []
  const text = body.subarray(start, Math.min(end, start + MAX_PREFIX_BYTES + MOST_BETWEEN))
  const isList = text[0] === 0x5b
  const contentStop = start + text.length < end ? text.length : contentEnd(text, 0, text.length)
  const stop = Math.min(contentStop, MAX_PREFIX_BYTES)
  if (stop === 0) return hashes
  const view = new DataView(text.buffer, text.byteOffset, text.length)
  let a = textHash(salt)
  let b = mixBits(a ^ PRIME_B)
  let c = mixBits(b ^ PRIME_C)
  let d = mixBits(c ^ PRIME_D)
  let at = 0
  /** Where the message that `at` is in ends. A text is not cut there: one that goes on does not repeat its end. */
  let messageEnd = isList ? 0 : Infinity
  let role = 0
  while (hashes.length < MAX_HASHES) {
    while (messageEnd <= at && role >= 0) {
      role = text.indexOf(ROLE, role + 1)
      messageEnd = Math.min(stop, role < 0 ? stop : contentEnd(text, at, role))
    }
    const blockEnd = Math.min(
      messageEnd,
      at + (at < SHORT_BLOCKS_UP_TO ? SHORT_BLOCK_BYTES : LONG_BLOCK_BYTES),
    )
    if (blockEnd > stop || blockEnd <= at) break
    const length = blockEnd - at
    // Four lanes, since one multiplication has to wait for the last one of its lane: 64 KB in 14 µs, with two in 31 µs.
    for (; at + 16 <= blockEnd; at += 16) {
      a = Math.imul(a ^ view.getInt32(at, true), PRIME_A)
      b = Math.imul(b ^ view.getInt32(at + 4, true), PRIME_B)
      c = Math.imul(c ^ view.getInt32(at + 8, true), PRIME_C)
      d = Math.imul(d ^ view.getInt32(at + 12, true), PRIME_D)
      a ^= a >>> 15
      b ^= b >>> 13
      c ^= c >>> 15
      d ^= d >>> 13
    }
    // The rest goes into two lanes, one for each half of the hash.
    for (; at < blockEnd; at++) {
      const byte = text[at] ?? 0
      a = Math.imul(a ^ byte, PRIME_A)
      b = Math.imul(b ^ byte, PRIME_B)
      a ^= a >>> 15
      b ^= b >>> 13
    }
    a ^= length
    b ^= length
    const high = mixBits(a + ((c << 7) | (c >>> 25))) >>> 0
    const low = mixBits(b + ((d << 11) | (d >>> 21))) >>> (32 - LOW_BITS)
    hashes.push(high * 2 ** LOW_BITS + low)
  }
  return hashes
}

/** A hash of a short text such as an id: 32 bits, signed. */
export function textHash(text: string): number {
  let hash = 0x811c9dc5 | 0
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  return mixBits(hash)
}

/** MurmurHash3's finisher: every bit of the input changes half of those of the output. 32 bits, signed. */
export function mixBits(value: number): number {
  let mixed = value | 0
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}

/** Where what is before `end` ends without the quotes, brackets, commas and spaces that close it or open the next one. */
function contentEnd(text: Buffer, start: number, end: number): number {
  let stop = end
  while (stop > start && BETWEEN.has(text[stop - 1] ?? 0)) stop--
  return stop
}
