import { crc32 } from 'node:zlib'

/**
 * Secrets that carry a checksum: a head that tells their kind, 43 base62 characters (256 random bits) and 6 of the
 * CRC32 of all that stands before. The checksum lets a mistyped or made-up one be refused before any hash or I/O.
 */
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const SECRET_BYTES = 32
const SECRET_LENGTH = 43
const CHECKSUM_LENGTH = 6

/** What stands behind the head, in characters. */
export const CHECKED_LENGTH = SECRET_LENGTH + CHECKSUM_LENGTH

/**
 * A new secret.
 * @param randomBytes 32 bytes from a cryptographic source; throws RangeError for any other length
 */
export function checkedSecret(head: string, randomBytes: Buffer): string {
  if (randomBytes.length !== SECRET_BYTES)
    throw new RangeError(`a secret is made of ${SECRET_BYTES} random bytes`)
  const body = head + base62(BigInt(`0x${randomBytes.toString('hex')}`), SECRET_LENGTH)
  return body + base62(BigInt(crc32(body)), CHECKSUM_LENGTH)
}

/** Whether the last six characters are the checksum of those before. */
export function checksumHolds(text: string): boolean {
  const bodyLength = text.length - CHECKSUM_LENGTH
  // The checksum's digits from the last one, without making them a string.
  let rest = crc32(text.slice(0, bodyLength))
  for (let at = text.length - 1; at >= bodyLength; at--) {
    if (text.charCodeAt(at) !== ALPHABET.charCodeAt(rest % 62)) return false
    rest = Math.floor(rest / 62)
  }
  return true
}

function base62(value: bigint, length: number): string {
  let text = ''
  for (let rest = value; text.length < length; rest /= 62n) text = ALPHABET.charAt(Number(rest % 62n)) + text
  return text
}
