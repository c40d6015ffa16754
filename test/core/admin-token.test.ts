import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  adminTokenDigest,
  adminTokenPrefix,
  generateAdminToken,
  isWellFormedAdminToken,
} from '../../src/core/admin-token.js'
import { generateApiKey } from '../../src/core/api-key.js'

const secrets = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes))
const tokens = secrets.map(generateAdminToken)

test('every generated token has its head and a checksum that holds', () => {
  fc.assert(
    fc.property(tokens, (token) => {
      assert.match(token, /^clat_[0-9A-Za-z]{49}$/)
      assert.ok(isWellFormedAdminToken(token))
    }),
  )
})

test('a token with one character changed, cut or added is malformed', () => {
  fc.assert(
    fc.property(tokens, fc.nat(53), fc.string({ unit: 'binary', maxLength: 2 }), (token, at, text) => {
      fc.pre(token.charAt(at) !== text)
      assert.equal(isWellFormedAdminToken(token.slice(0, at) + text + token.slice(at + 1)), false)
    }),
  )
})

test('an API key is no admin token', () => {
  fc.assert(fc.property(secrets, (bytes) => !isWellFormedAdminToken(generateApiKey('live', bytes))))
})

test('the digest is the SHA-256 of the text and the prefix its first 11 characters', () => {
  fc.assert(
    fc.property(tokens, (token) => {
      assert.deepEqual(adminTokenDigest(token), createHash('sha256').update(token).digest())
      assert.equal(adminTokenPrefix(token), token.slice(0, 11))
    }),
  )
})
