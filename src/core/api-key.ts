import { hash } from 'node:crypto'
import { CHECKED_LENGTH, checkedSecret, checksumHolds } from './checked-secret.js'

/** API keys: `clsk_live_` or `clsk_test_` and a checked secret. */
export type ApiKeyKind = 'live' | 'test'

const PREFIX_LENGTH = 16
const SHAPE = /^clsk_(?:live|test)_[0-9A-Za-z]{49}$/

/** Length of every key, in characters. */
export const API_KEY_LENGTH = 'clsk_live_'.length + CHECKED_LENGTH

/**
 * A new key.
 * @param kind `live` in production environments, `test` in all others
 * @param randomBytes 32 bytes from a cryptographic source; throws RangeError for any other length
 */
export function generateApiKey(kind: ApiKeyKind, randomBytes: Buffer): string {
  return checkedSecret(`clsk_${kind}_`, randomBytes)
}

/** Whether the text has a key's shape and its checksum holds; says nothing of whether such a key exists. */
export function isWellFormedApiKey(text: string): boolean {
  return text.length === API_KEY_LENGTH && SHAPE.test(text) && checksumHolds(text)
}

/**
 * The SHA-256 digest (32 bytes) under which a key is stored and looked up, in hexadecimal. Keys are 256-bit random, so
 * a plain digest is enough. On every request's way: `crypto.hash` to a string takes 0.3 µs, to a Buffer 1.2.
 */
export function apiKeyDigestHex(text: string): string {
  return hash('sha256', text, 'hex')
}

/** {@link apiKeyDigestHex} as bytes. */
export function apiKeyDigest(text: string): Buffer {
  return Buffer.from(apiKeyDigestHex(text), 'hex')
}

/** The first 16 characters, which are shown and logged in place of the key. */
export function apiKeyPrefix(text: string): string {
  return text.slice(0, PREFIX_LENGTH)
}

const BEARER = 'Bearer '

/** What follows `Bearer ` in any case; '' without it. */
export function bearerToken(authorization = ''): string {
  // The usual form costs one comparison and one slice.
  if (authorization.length === BEARER.length + API_KEY_LENGTH && authorization.startsWith(BEARER)) {
    return authorization.slice(BEARER.length)
  }
  const isBearer = authorization.slice(0, BEARER.length).toLowerCase() === BEARER.toLowerCase()
  return isBearer ? authorization.slice(BEARER.length).trim() : ''
}
