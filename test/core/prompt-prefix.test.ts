import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  LONG_BLOCK_BYTES,
  MAX_HASHES,
  MAX_PREFIX_BYTES,
  prefixHashes,
  SHORT_BLOCK_BYTES,
  SHORT_BLOCKS_UP_TO,
} from '../../src/core/prompt-prefix.js'
import { readRequestHead } from '../../src/core/request-head.js'

/** Any bytes but those that close a value, so that a range is hashed up to its end. */
const bytes = (maxLength: number) =>
  fc
    .tuple(fc.nat({ max: maxLength }), fc.integer())
    .map(([length, seed]) =>
      Buffer.from(Array.from({ length }, (_, at) => 0x80 | (Math.imul(at + 1, seed | 1) >>> 24))),
    )

interface Message {
  readonly role: string
  readonly content: unknown
}

function hashesOf(messages: readonly Message[], spaces?: number, salt = 'tenant'): number[] {
  const body = Buffer.from(JSON.stringify({ stream: true, model: 'm', messages, user: 'u' }, null, spaces))
  const head = readRequestHead(body)
  return prefixHashes(body, head.promptStart, head.promptEnd, salt)
}

/** How many of the first hashes are equal. */
function shared(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((hash, index) => b[index] !== hash)
  return at < 0 ? a.length : at
}

/** Whole blocks in so many bytes of one text. */
function blocksIn(length: number): number {
  const short = Math.min(SHORT_BLOCKS_UP_TO, length) / SHORT_BLOCK_BYTES
  const long = (Math.min(length, MAX_PREFIX_BYTES) - SHORT_BLOCKS_UP_TO) / LONG_BLOCK_BYTES
  return Math.floor(short) + Math.max(0, Math.floor(long))
}

test('there is a hash for each whole block, and each is a whole number that is held exactly', () => {
  fc.assert(
    fc.property(bytes(70_000), (text) => {
      const hashes = prefixHashes(text, 0, text.length, 'a')
      assert.equal(hashes.length, blocksIn(text.length))
      assert.ok(hashes.length <= MAX_HASHES)
      for (const hash of hashes) assert.ok(Number.isSafeInteger(hash) && hash >= 0)
    }),
    { numRuns: 50 },
  )
  assert.equal(
    prefixHashes(Buffer.alloc(1_000_000, 'a'), 0, 1_000_000, '').length,
    blocksIn(MAX_PREFIX_BYTES),
  )
})

test('equal beginnings have equal hashes, wherever the prompt stands, and none after the first difference', () => {
  fc.assert(
    fc.property(
      bytes(20_000),
      bytes(3_000),
      bytes(3_000),
      fc.nat({ max: 9 }),
      fc.nat({ max: 9 }),
      (text, a, b, shiftA, shiftB) => {
        const bodyA = Buffer.concat([Buffer.alloc(shiftA), text, a])
        const bodyB = Buffer.concat([Buffer.alloc(shiftB), text, b])
        const hashesA = prefixHashes(bodyA, shiftA, bodyA.length, 's')
        const hashesB = prefixHashes(bodyB, shiftB, bodyB.length, 's')
        let same = 0
        while (same < Math.min(a.length, b.length) && a[same] === b[same]) same++
        assert.equal(shared(hashesA, hashesB), blocksIn(text.length + same))
        const known = new Set(hashesA)
        for (const hash of hashesB.slice(blocksIn(text.length + same))) assert.ok(!known.has(hash))
      },
    ),
    { numRuns: 100 },
  )
})

test('one changed byte changes the hash of its block and all after it', () => {
  const text = Buffer.alloc(20_000, 'prompt ')
  const hashes = prefixHashes(text, 0, text.length, '')
  fc.assert(
    fc.property(fc.nat({ max: text.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const other = Buffer.from(text)
      other[at] = (other[at] ?? 0) ^ change
      assert.equal(shared(hashes, prefixHashes(other, 0, other.length, '')), blocksIn(at))
    }),
  )
})

test('the same prompt of two tenants has no hash in common', () => {
  fc.assert(
    fc.property(bytes(10_000), fc.uuid(), fc.uuid(), (text, one, other) => {
      fc.pre(one !== other)
      const known = new Set(prefixHashes(text, 0, text.length, one))
      for (const hash of prefixHashes(text, 0, text.length, other)) assert.ok(!known.has(hash))
    }),
    { numRuns: 100 },
  )
})

const content = fc.oneof(
  fc.string({ maxLength: 900 }),
  fc
    .constantFrom('}', '"]}', ' \n')
    .chain((piece) => fc.nat({ max: 300 }).map((times) => piece.repeat(times))),
  fc.string({ maxLength: 900 }).map((text) => [{ type: 'text', text }]),
)

test("a conversation's next request has all hashes of the one before", () => {
  const messages = fc.array(fc.record({ role: fc.constantFrom('system', 'user', 'assistant'), content }), {
    minLength: 1,
    maxLength: 12,
  })
  fc.assert(
    fc.property(messages, messages, fc.constantFrom(undefined, 2), (before, more, spaces) => {
      const hashes = hashesOf(before, spaces)
      assert.equal(shared(hashes, hashesOf([...before, ...more], spaces)), hashes.length)
    }),
    { numRuns: 500 },
  )
})

test("a conversation's next request has all hashes of the one before, at every length", () => {
  for (let length = 0; length < 2 * LONG_BLOCK_BYTES; length++) {
    for (const base of [0, SHORT_BLOCKS_UP_TO, MAX_PREFIX_BYTES - LONG_BLOCK_BYTES]) {
      const before = [{ role: 'user', content: 'x'.repeat(base + length) }]
      const hashes = hashesOf(before)
      const more = [...before, { role: 'assistant', content: 'a' }, { role: 'user', content: 'b' }]
      assert.equal(shared(hashes, hashesOf(more)), hashes.length)
    }
  }
})

test('conversations are told apart in their first message, be it one word', () => {
  const system = { role: 'system', content: 'You are a helpful assistant. '.repeat(200) }
  const hashes = hashesOf([system, { role: 'user', content: 'hi' }])
  const other = hashesOf([system, { role: 'user', content: 'hello' }])
  assert.equal(other.length, hashes.length)
  assert.equal(shared(hashes, other), hashes.length - 1)
  assert.deepEqual(hashesOf([system]), hashes.slice(0, -1))
})

test('the hashes of a prompt are bounded', () => {
  assert.deepEqual(prefixHashes(Buffer.from('{}'), 0, 0, 's'), [])
  assert.deepEqual(prefixHashes(Buffer.from('"hello"'), 0, 7, 's'), [])
  assert.deepEqual(prefixHashes(Buffer.alloc(4_000, '}'), 0, 4_000, 's'), [])
  assert.equal(
    prefixHashes(Buffer.alloc(10_000_000, '}'), 0, 10_000_000, 's').length,
    blocksIn(MAX_PREFIX_BYTES),
  )
  const messages = Array.from({ length: 1_000 }, () => ({ role: 'user', content: '' }))
  assert.equal(hashesOf(messages).length, MAX_HASHES)
  assert.equal(hashesOf(Array.from({ length: 100 }, () => ({ role: 'user', content: '' }))).length, 100)
})
