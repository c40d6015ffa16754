import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  API_KEY_LENGTH,
  apiKeyDigest,
  apiKeyPrefix,
  generateApiKey,
  isWellFormedApiKey,
} from '../../src/core/api-key.js'

const secrets = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes))
const kinds = fc.constantFrom('live' as const, 'test' as const)
const keys = fc.tuple(kinds, secrets).map(([kind, bytes]) => generateApiKey(kind, bytes))

test('every generated key has its kind, its length and a checksum that holds', () => {
  fc.assert(
    fc.property(kinds, secrets, (kind, bytes) => {
      const key = generateApiKey(kind, bytes)
      assert.equal(key.length, API_KEY_LENGTH)
      assert.match(key, new RegExp(`^clsk_${kind}_[0-9A-Za-z]{49}$`))
      assert.ok(isWellFormedApiKey(key))
    }),
  )
})

test('different random bytes give different keys', () => {
  fc.assert(
    fc.property(secrets, secrets, (one, other) => {
      fc.pre(!one.equals(other))
      assert.notEqual(generateApiKey('live', one), generateApiKey('live', other))
    }),
  )
})

test('a key with one character changed, cut or added is malformed', () => {
  fc.assert(
    fc.property(
      keys,
      fc.nat(API_KEY_LENGTH - 1),
      fc.string({ unit: 'binary', maxLength: 2 }),
      (key, at, text) => {
        fc.pre(key.charAt(at) !== text)
        assert.equal(isWellFormedApiKey(key.slice(0, at) + text + key.slice(at + 1)), false)
      },
    ),
  )
})

test('arbitrary text is malformed', () => {
  fc.assert(fc.property(fc.string(), (text) => !isWellFormedApiKey(text)))
})

test('a live key does not pass as a test key', () => {
  const key = generateApiKey('live', Buffer.alloc(32, 7))
  assert.equal(isWellFormedApiKey(key.replace('live', 'test')), false)
})

test('the digest is the SHA-256 of the text and the prefix its first 16 characters', () => {
  fc.assert(
    fc.property(keys, (key) => {
      assert.deepEqual(apiKeyDigest(key), createHash('sha256').update(key).digest())
      assert.equal(apiKeyPrefix(key), key.slice(0, 16))
    }),
  )
})

test('a wrong number of random bytes is refused', () => {
  assert.throws(() => generateApiKey('live', Buffer.alloc(16)), RangeError)
})
