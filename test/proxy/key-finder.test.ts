import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createKeyFinder } from '../../src/proxy/key-finder.js'
import { resolvedKey } from '../support/resolved-key.js'

const digestOf = (n: number) => Buffer.alloc(32, n.toString(16).padStart(8, '0'), 'hex')

/** Digests that were asked for, statement by statement; those below `good` are keys. */
function finderOf(options: { good?: number; fails?: boolean; takesMs?: number } = {}) {
  const { good = 0, fails = false, takesMs = 0 } = options
  const statements: number[] = []
  let underWay = 0
  let most = 0
  const find = createKeyFinder({
    now: () => performance.now(),
    async findKeys(digests) {
      statements.push(digests.length)
      most = Math.max(most, ++underWay)
      await sleep(takesMs)
      underWay--
      if (fails) throw new Error('the database is away')
      const found = digests.filter((digest) => digest.readUInt32BE(0) < good)
      return new Map(found.map((digest) => [digest.toString('hex'), keyOf(digest)]))
    },
  })
  return { find, statements, most: () => most }
}

const keyOf = (digest: Buffer) => resolvedKey({ keyId: digest.toString('hex') })

test('one key alone is looked up at once', () => {
  const { find, statements } = finderOf()
  void find(digestOf(1))
  assert.deepEqual(statements, [1])
})

test('keys that come meanwhile are looked up together, and each gets its own answer', async () => {
  const { find, statements, most } = finderOf({ good: 1_500, takesMs: 5 })
  const found = await Promise.all(Array.from({ length: 3_000 }, (_, n) => find(digestOf(n))))
  found.forEach((key, n) => assert.equal(key?.keyId, n < 1_500 ? digestOf(n).toString('hex') : undefined))
  assert.ok(statements.length <= 8, `${statements.length} statements`)
  assert.ok(Math.max(...statements) <= 500)
  assert.ok(most() <= 2, `${most()} at once`)
})

test('a statement that fails fails its own keys, and later ones are asked for again', async () => {
  const { find, statements } = finderOf({ fails: true })
  const first = await Promise.allSettled([find(digestOf(1)), find(digestOf(2))])
  assert.deepEqual(
    first.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  await assert.rejects(find(digestOf(3)), /the database is away/)
  assert.equal(statements.length, 3)
})
