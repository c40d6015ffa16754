import { hash } from 'node:crypto'
import { CHECKED_LENGTH, checkedSecret, checksumHolds } from './checked-secret.js'

/** Named admin tokens: `clat_` and a checked secret. The root token is the operator's own text and none of these. */
const HEAD = 'clat_'
const PREFIX_LENGTH = 11
const SHAPE = /^clat_[0-9A-Za-z]{49}$/

/** A new token. @param randomBytes 32 bytes from a cryptographic source; throws RangeError for any other length */
export function generateAdminToken(randomBytes: Buffer): string {
  return checkedSecret(HEAD, randomBytes)
}

/** Whether the text has a named token's shape and its checksum holds; says nothing of whether it exists. */
export function isWellFormedAdminToken(text: string): boolean {
  return text.length === HEAD.length + CHECKED_LENGTH && SHAPE.test(text) && checksumHolds(text)
}

/** The SHA-256 digest (32 bytes) under which a token is stored: it is 256-bit random, so a plain digest is enough. */
export function adminTokenDigest(text: string): Buffer {
  return hash('sha256', text, 'buffer')
}

/** The first 11 characters, which are shown in place of the token. */
export function adminTokenPrefix(text: string): string {
  return text.slice(0, PREFIX_LENGTH)
}
