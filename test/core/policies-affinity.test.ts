import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BlockMemory } from '../../src/core/policies/block-memory.js'
import type { Candidate } from '../../src/core/policies/policy.js'
import { createPrefixAffinity } from '../../src/core/policies/prefix-affinity.js'
import { sessionHash, stickyPick } from '../../src/core/policies/sticky.js'
import { seededRandom } from '../../bench/nodes/random.js'

const KEYS = 10_000

function node(id: string, load = 0, weight = 1): Candidate {
  return { id, weight, warmth: 1, load, predictedTtftMs: null }
}

const nodeSet = fc
  .tuple(fc.integer({ min: 1, max: 20 }), fc.nat())
  .map(([count, salt]) => Array.from({ length: count }, (_, index) => node(`node-${salt}-${index}`)))

/**
 * Keys that a node of `count` may take when it joins: its share, and five standard deviations of a binomial for the
 * chance in which keys those are (1 in 3 million for each run).
 */
function mostMoved(count: number, keys = KEYS): number {
  const share = 1 / count
  return keys * share + 5 * Math.sqrt(keys * share * (1 - share))
}

/** Checks that a joining node takes at most its share, and that nothing moves between the others. */
function joins(
  before: readonly Candidate[],
  pick: (key: number, set: readonly Candidate[]) => Candidate,
): void {
  const joined = node('joined')
  const after = [...before, joined]
  let moved = 0
  for (let key = 0; key < KEYS; key++) {
    const then = pick(key, before)
    const now = pick(key, after)
    if (now === then) continue
    assert.equal(now, joined)
    moved++
  }
  assert.ok(moved <= mostMoved(after.length), `${moved} of ${KEYS} moved to one of ${after.length}`)
}

const prompt = (...hashes: number[]) => ({ prefix: () => hashes })
/** Evenly spread, as the hashes of prompts are. */
function hashOf(key: number): number {
  const random = seededRandom(key)
  return Math.floor(random() * 2 ** 32) * 2 ** 21 + Math.floor(random() * 2 ** 21)
}

test('sessions move to a node that joins, at most its share of them, and nowhere else', () => {
  fc.assert(
    fc.property(nodeSet, (set) => {
      joins(set, (key, candidates) => stickyPick(candidates, sessionHash('tenant', String(key))))
    }),
    { numRuns: 10 },
  )
})

test('the sessions of a node that is gone spread over the others, and no other session moves', () => {
  fc.assert(
    fc.property(nodeSet, (set) => {
      const gone = set[0]
      const left = set.slice(1)
      fc.pre(left.length > 0)
      for (let key = 0; key < 1_000; key++) {
        const then = stickyPick(set, key)
        assert.ok(then === gone || stickyPick(left, key) === then)
      }
    }),
    { numRuns: 20 },
  )
})

test('sessions are bound by weight, and alike in every order of the nodes', () => {
  const set = [node('a', 0, 1), node('b', 0, 3)]
  let heavy = 0
  for (let key = 0; key < KEYS; key++) {
    const { id } = stickyPick(set, sessionHash('tenant', String(key)))
    if (id === 'b') heavy++
    assert.equal(stickyPick(set.toReversed(), sessionHash('tenant', String(key))).id, id)
  }
  assert.ok(Math.abs(heavy / KEYS - 0.75) < 5 * Math.sqrt((0.75 * 0.25) / KEYS))
  assert.throws(() => stickyPick([], 1), RangeError)
  assert.notEqual(sessionHash('tenant-1', 'a'), sessionHash('tenant-2', 'a'))
})

test('prompts without a past move to a node that joins, at most its share of them, and nowhere else', () => {
  fc.assert(
    fc.property(nodeSet, (set) => {
      joins(set, (key, candidates) => createPrefixAffinity(8)(candidates, prompt(hashOf(key)), Math.random))
    }),
    { numRuns: 5 },
  )
})

test('prompts with a past stay where they are when a node joins', () => {
  const before = Array.from({ length: 8 }, (_, index) => node(`node-${index}`))
  const policy = createPrefixAffinity()
  const request = (key: number) => prompt(hashOf(key), hashOf(key + 1e6))
  const then = Array.from({ length: 100 }, (_, key) => policy(before, request(key), Math.random))
  const after = [...before, node('joined')]
  then.forEach((target, key) => {
    assert.equal(policy(after, request(key), Math.random), target)
  })
})

test('two proxies send a prompt without a past to the same node', () => {
  const set = Array.from({ length: 12 }, (_, index) => node(`node-${index}`))
  const [one, other] = [createPrefixAffinity(), createPrefixAffinity()]
  for (let key = 0; key < 500; key++) {
    const request = prompt(hashOf(key))
    assert.equal(one(set, request, Math.random), other(set.toReversed(), request, Math.random))
  }
})

test('a conversation follows its longest beginning, also where another node was to have it', () => {
  const set = ['a', 'b', 'c'].map((id) => ({ ...node(id) }))
  const policy = createPrefixAffinity()
  const home = policy(set, prompt(1, 2), Math.random)
  const full = set.map((entry) => ({ ...entry, load: entry.id === home.id ? 50 : 1 }))
  const elsewhere = policy(full, prompt(1, 2, 3), Math.random)
  assert.notEqual(elsewhere.id, home.id)
  assert.equal(policy(set, prompt(1, 2, 3, 4), Math.random).id, elsewhere.id)
})

test('no node gets more than twice the mean load, whatever it has of the prompt', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 20 }), fc.integer({ min: 1, max: 400 }), (count, requests) => {
      const policy = createPrefixAffinity()
      const loads = new Map(Array.from({ length: count }, (_, index) => [`node-${index}`, 0]))
      for (let sent = 0; sent < requests; sent++) {
        const set = [...loads].map(([id, load]) => node(id, load))
        const { id, load } = policy(set, prompt(1, 2, 3), Math.random)
        assert.ok(load + 1 <= Math.ceil((2 * (sent + 1)) / count))
        loads.set(id, load + 1)
      }
    }),
    { numRuns: 50 },
  )
})

test('a shared beginning spreads over the nodes, and each conversation after it has one', () => {
  const set = Array.from({ length: 10 }, (_, index) => node(`node-${index}`))
  const policy = createPrefixAffinity()
  const homes = new Map<string, number>()
  for (let key = 0; key < 2_000; key++) policy(set, prompt(7, 8, hashOf(key)), Math.random)
  for (let key = 2_000; key < 4_000; key++) {
    const { id } = policy(set, prompt(7, 8, hashOf(key)), Math.random)
    homes.set(id, (homes.get(id) ?? 0) + 1)
    assert.equal(policy(set, prompt(7, 8, hashOf(key), hashOf(key + 1e6)), Math.random).id, id)
  }
  assert.equal(homes.size, 10)
  for (const count of homes.values()) assert.ok(Math.abs(count - 200) < 5 * Math.sqrt(200))
})

test('a node that warms up gets nothing it has no room for', () => {
  const set = [
    ...Array.from({ length: 4 }, (_, index) => node(`node-${index}`, 4)),
    { ...node('cold', 1), warmth: 0.1 },
  ]
  const policy = createPrefixAffinity()
  for (let key = 0; key < 1_000; key++)
    assert.notEqual(policy(set, prompt(hashOf(key)), Math.random).id, 'cold')
})

test('what is remembered of blocks is bounded, and what was used last is kept', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 3, max: 12 }),
      fc.array(fc.maxSafeNat(), { maxLength: 3_000 }),
      (bits, hashes) => {
        const memory = new BlockMemory(2 ** bits)
        hashes.forEach((hash, at) => {
          memory.tick()
          memory.record([hash], at)
          assert.equal(memory.ownerAt(memory.find(hash)), at)
        })
        assert.ok(memory.size <= 2 ** bits)
        assert.ok(memory.size <= new Set(hashes).size)
      },
    ),
    { numRuns: 50 },
  )
  const memory = new BlockMemory(1_024)
  for (let key = 0; key < 100_000; key++) {
    memory.tick()
    memory.record(
      Array.from({ length: 16 }, (_, at) => hashOf(16 * key + at)),
      key,
    )
  }
  assert.equal(memory.size, 1_024)
})

test("a block's share is that of the latest requests, and weights are scaled back in time", () => {
  const memory = new BlockMemory(1_024)
  for (let request = 0; request < 600_000; request++) {
    memory.tick()
    memory.record(request % 4 === 0 ? [1] : [2], 0)
  }
  assert.ok(Math.abs(memory.shareAt(memory.find(1)) - 0.25) < 0.01)
  for (let request = 0; request < 4_096; request++) memory.tick()
  assert.ok(Math.abs(memory.shareAt(memory.find(1)) - 0.125) < 0.01)
})

test('a block forks where requests go on in new ways, not where one goes on', () => {
  const memory = new BlockMemory(1_024)
  for (let request = 0; request < 5; request++) {
    memory.tick()
    memory.record([1, 2, 100 + request], 0)
    memory.record([5, 6, 7, 8, 9].slice(0, request + 1), 0)
  }
  assert.ok(Math.abs(memory.forksAt(memory.find(2)) - 5) < 0.01)
  assert.ok(memory.forksAt(memory.find(1)) < 1.01)
  for (const hash of [5, 6, 7, 8]) assert.ok(memory.forksAt(memory.find(hash)) < 1.01)
})
