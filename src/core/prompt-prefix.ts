/**
 * Hashes of a prompt's beginnings, by which prefix-affinity knows a prompt that continues another one. Hot path
 * (bench: micro/prompt-prefix).
 *
 * The bytes are those of the JSON value as the client sent it, cut into blocks: {@link SHORT_BLOCKS} of
 * {@link SHORT_BLOCK_BYTES}, then blocks of {@link LONG_BLOCK_BYTES}, up to {@link MAX_PREFIX_BYTES}. Hash n covers the
 * blocks 0 to n and the salt, so equal hashes mean equal beginnings, and a block is known together with all before it.
 * Borders depend on the value's start alone, and what closes the value (`"}]`) is left out: the next turn of a
 * conversation has all hashes of the turn before.
 */
export const SHORT_BLOCKS = 16
export const SHORT_BLOCK_BYTES = 256
/** A long prompt is told from others in its first blocks; further on, fewer hashes do. */
export const LONG_BLOCK_BYTES = 1_024
export const MAX_PREFIX_BYTES = 64 * 1_024

/** The primes of xxHash32, which this follows in its four lanes. */
const PRIME_A = 0x9e3779b1 | 0
const PRIME_B = 0x85ebca77 | 0
const PRIME_C = 0xc2b2ae3d | 0
const PRIME_D = 0x27d4eb2f
/** A hash is 32 bits of one half and 21 of the other: what a number holds exactly. */
const LOW_BITS = 21

/**
 * @param start of the JSON value of `messages`, `prompt` or `input` in `body`
 * @param end past it; equal to `start` where there is none
 * @param salt keeps the prompts of one tenant apart from those of others
 * @returns whole numbers up to 2^53, one for each whole block
 */
export function prefixHashes(body: Buffer, start: number, end: number, salt: string): number[] {
  const hashes: number[] = []
  const stop = contentEnd(body, start, end)
  if (stop - start < SHORT_BLOCK_BYTES) return hashes
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  let a = textHash(salt)
  let b = mixBits(a ^ PRIME_B)
  let c = mixBits(b ^ PRIME_C)
  let d = mixBits(c ^ PRIME_D)
  let at = start
  let blockEnd = start + SHORT_BLOCK_BYTES
  while (blockEnd <= stop) {
    // Four lanes, since one multiplication has to wait for the last one of its lane: 64 KB in 14 µs, with two in 31 µs.
    for (; at < blockEnd; at += 16) {
      a = Math.imul(a ^ view.getInt32(at, true), PRIME_A)
      b = Math.imul(b ^ view.getInt32(at + 4, true), PRIME_B)
      c = Math.imul(c ^ view.getInt32(at + 8, true), PRIME_C)
      d = Math.imul(d ^ view.getInt32(at + 12, true), PRIME_D)
      a ^= a >>> 15
      b ^= b >>> 13
      c ^= c >>> 15
      d ^= d >>> 13
    }
    const high = mixBits(a + ((c << 7) | (c >>> 25))) >>> 0
    const low = mixBits(b + ((d << 11) | (d >>> 21))) >>> (32 - LOW_BITS)
    hashes.push(high * 2 ** LOW_BITS + low)
    blockEnd = at + (hashes.length < SHORT_BLOCKS ? SHORT_BLOCK_BYTES : LONG_BLOCK_BYTES)
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

/** Where the closing quote, brackets and spaces of the value begin, or how far is looked. */
function contentEnd(body: Buffer, start: number, end: number): number {
  const most = start + MAX_PREFIX_BYTES
  // A value is not closed by more than 64 KB, but a text may be nothing but brackets.
  if (end > most + MAX_PREFIX_BYTES) return most
  let stop = end
  while (stop > start && isClosing(body[stop - 1])) stop--
  return Math.min(stop, most)
}

function isClosing(byte: number | undefined): boolean {
  switch (byte) {
    case 0x22: // "
    case 0x5d: // ]
    case 0x7d: // }
    case 0x20:
    case 0x09:
    case 0x0a:
    case 0x0d:
      return true
    default:
      return false
  }
}
