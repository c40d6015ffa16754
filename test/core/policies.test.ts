import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ANY_REQUEST, candidateAt, createPolicy, type Candidate } from '../../src/core/policies/policy.js'
import type { Strategy } from '../../src/core/snapshot.js'

const STRATEGIES: readonly Strategy[] = [
  'round-robin',
  'least-connections',
  'weighted',
  'least-latency',
  'prefix-affinity',
]

const candidate = fc.record({
  id: fc.uuid(),
  weight: fc.oneof(fc.integer({ min: 1, max: 100 }), fc.double({ min: 0.01, max: 100, noNaN: true })),
  load: fc.nat({ max: 500 }),
  warmth: fc.oneof(fc.constant(1), fc.double({ min: 0.01, max: 1, noNaN: true })),
  predictedTtftMs: fc.option(fc.double({ min: 1, max: 60_000, noNaN: true })),
})
const candidateSet = fc.uniqueArray(candidate, { minLength: 1, maxLength: 12, selector: ({ id }) => id })

/** A seeded generator of numbers in [0, 1) (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const seed = fc.integer().map((value) => ({ value, random: () => randomFrom(value) }))

function target(id: string, load: number, predictedTtftMs: number | null, weight = 1): Candidate {
  return { id, weight, warmth: 1, load, predictedTtftMs }
}

function share(picks: readonly Candidate[], id: string): number {
  return picks.filter((pick) => pick.id === id).length / picks.length
}

test('every policy picks from the candidates that it is given, whatever it was given before', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...STRATEGIES),
      fc.array(candidateSet),
      seed,
      (strategy, sets, { random }) => {
        const policy = createPolicy(strategy)
        const next = random()
        const request = { prefix: () => [1, 2, 3].map((hash) => hash + Math.floor(4 * next())) }
        for (const set of sets) {
          assert.ok(set.includes(policy(set, ANY_REQUEST, next)))
          assert.ok(set.includes(policy(set, request, next)))
        }
      },
    ),
  )
})

test('every policy refuses to pick from none', () => {
  for (const strategy of STRATEGIES)
    assert.throws(() => createPolicy(strategy)([], ANY_REQUEST, Math.random), RangeError)
})

test('weighted shares follow the weights within 1% over 10,000 picks', () => {
  fc.assert(
    fc.property(candidateSet, (set) => {
      const policy = createPolicy('weighted')
      const counts = new Map<string, number>()
      for (let i = 0; i < 10_000; i++) {
        const { id } = policy(set, ANY_REQUEST, Math.random)
        counts.set(id, (counts.get(id) ?? 0) + 1)
      }
      const total = set.reduce((sum, { weight }) => sum + weight, 0)
      for (const { id, weight } of set) {
        assert.ok(Math.abs((counts.get(id) ?? 0) - (10_000 * weight) / total) <= 100)
      }
    }),
    { numRuns: 30 },
  )
})

test('weighted turns are spread out: no prefix is further from the shares than one pick for each candidate', () => {
  fc.assert(
    fc.property(candidateSet, (set) => {
      const policy = createPolicy('weighted')
      const counts = new Map<string, number>()
      const total = set.reduce((sum, { weight }) => sum + weight, 0)
      for (let i = 1; i <= 500; i++) {
        const { id } = policy(set, ANY_REQUEST, Math.random)
        counts.set(id, (counts.get(id) ?? 0) + 1)
        for (const { id: each, weight } of set) {
          assert.ok(
            Math.abs((counts.get(each) ?? 0) - (i * weight) / total) <= Math.max(1, set.length - 1) + 1e-6,
          )
        }
      }
    }),
    { numRuns: 100 },
  )
})

test('a heavy candidate takes turns with the light ones instead of going first', () => {
  const policy = createPolicy('weighted')
  const set = [target('a', 0, null, 5), target('b', 0, null, 1), target('c', 0, null, 1)]
  assert.equal(
    Array.from({ length: 14 }, () => policy(set, ANY_REQUEST, Math.random).id).join(''),
    'aabacaaaabacaa',
  )
})

const warmSet = candidateSet.map((set) => set.map((entry) => ({ ...entry, warmth: 1 })))

test('round-robin gives each candidate its turn', () => {
  fc.assert(
    fc.property(warmSet, fc.integer({ min: 1, max: 20 }), (set, rounds) => {
      const policy = createPolicy('round-robin')
      for (let round = 0; round < rounds; round++) {
        assert.deepEqual(
          set.map(() => policy(set, ANY_REQUEST, Math.random)),
          set,
        )
      }
    }),
  )
})

test('round-robin passes a cold candidate over as often as it is short of warmth', () => {
  const random = randomFrom(5)
  const set = [target('a', 0, null), target('b', 0, null), { ...target('cold', 0, null), warmth: 0.25 }]
  const policy = createPolicy('round-robin')
  const picks = Array.from({ length: 30_000 }, () => policy(set, ANY_REQUEST, random))
  // In a round the cold one gets a quarter of a turn, the others one each.
  assert.ok(Math.abs(share(picks, 'cold') - 0.25 / 2.25) < 0.01)
  assert.ok(Math.abs(share(picks, 'a') - 1 / 2.25) < 0.01)
})

test('round-robin lets candidates that are all as cold have equal turns', () => {
  for (const count of [2, 3, 4]) {
    const set = Array.from({ length: count }, (_, at) => ({ ...target(String(at), 0, null), warmth: 0.1 }))
    const policy = createPolicy('round-robin')
    const picks = Array.from({ length: count * 3 }, () => policy(set, ANY_REQUEST, randomFrom(1)).id)
    assert.deepEqual(
      picks,
      Array.from({ length: count * 3 }, (_, at) => String(at % count)),
    )
  }
})

test('round-robin picks one where all are cold', () => {
  fc.assert(
    fc.property(candidateSet, seed, (set, { random }) => {
      const cold = set.map((entry) => ({ ...entry, warmth: 0 }))
      assert.ok(cold.includes(createPolicy('round-robin')(cold, ANY_REQUEST, random())))
    }),
  )
})

test('least-latency sends a cold candidate less than a warm one with the same load', () => {
  const set = [target('a', 3, 50), { ...target('cold', 3, 50), warmth: 0.5 }]
  const random = randomFrom(6)
  for (let i = 0; i < 100; i++) assert.equal(createPolicy('least-latency')(set, ANY_REQUEST, random).id, 'a')
})

test('least-connections picks the fewest requests for its weight', () => {
  fc.assert(
    fc.property(candidateSet, seed, (set, { random }) => {
      const pick = createPolicy('least-connections')(set, ANY_REQUEST, random())
      const least = Math.min(...set.map(({ load, weight }) => load / weight))
      assert.ok(pick.load / pick.weight <= least * (1 + 1e-12))
    }),
  )
})

test('least-connections favours none of those that are equally idle', () => {
  const set = [
    target('a', 0, null, 1),
    target('b', 0, null, 9),
    target('busy', 1, null, 1),
    target('c', 0, null, 3),
  ]
  const random = randomFrom(1)
  const picks = Array.from({ length: 30_000 }, () =>
    createPolicy('least-connections')(set, ANY_REQUEST, random),
  )
  for (const id of ['a', 'b', 'c']) assert.ok(Math.abs(share(picks, id) - 1 / 3) < 0.02)
})

test('least-latency never picks the worse of two that are known', () => {
  const known = candidate.map((entry) => ({ ...entry, predictedTtftMs: entry.predictedTtftMs ?? 100 }))
  fc.assert(
    fc.property(
      fc.uniqueArray(known, { minLength: 2, maxLength: 2, selector: ({ id }) => id }),
      seed,
      (set, { random }) => {
        const cost = ({ predictedTtftMs, load, warmth }: Candidate) =>
          ((predictedTtftMs ?? NaN) * (load + 1)) / warmth
        const pick = createPolicy('least-latency')(set, ANY_REQUEST, random())
        assert.equal(cost(pick), Math.min(...set.map(cost)))
      },
    ),
  )
})

test('least-latency compares two that differ and a third, and never picks the one that is worse than all others', () => {
  const set = [target('fast', 0, 10), target('middle', 0, 20), target('slow', 0, 40)]
  const random = randomFrom(2)
  const picks = Array.from({ length: 30_000 }, () => createPolicy('least-latency')(set, ANY_REQUEST, random))
  assert.ok(Math.abs(share(picks, 'fast') - 7 / 9) < 0.02)
  assert.ok(Math.abs(share(picks, 'middle') - 2 / 9) < 0.02)
  assert.equal(share(picks, 'slow'), 0)
})

test('least-latency weighs the requests at a node as well as its speed', () => {
  const set = [target('fast but busy', 9, 10), target('slow but idle', 0, 50)]
  for (let value = 0; value < 100; value++) {
    assert.equal(createPolicy('least-latency')(set, ANY_REQUEST, randomFrom(value)).id, 'slow but idle')
  }
})

test('least-latency tries a target of which nothing is known, as its load allows', () => {
  const random = randomFrom(3)
  const warm = [target('a', 3, 10), target('b', 3, 20), target('c', 3, 30)]
  const policy = createPolicy('least-latency')
  const explore = (cold: Candidate) =>
    share(
      Array.from({ length: 10_000 }, () => policy([...warm, cold], ANY_REQUEST, random)),
      'cold',
    )
  assert.ok(explore(target('cold', 0, null)) > 0.4)
  assert.equal(explore(target('cold', 4, null)), 0)
})

test('least-latency spreads over targets of which nothing is known', () => {
  const set = [target('a', 0, null), target('b', 0, null), target('c', 0, null)]
  const random = randomFrom(4)
  const picks = Array.from({ length: 30_000 }, () => createPolicy('least-latency')(set, ANY_REQUEST, random))
  for (const { id } of set) assert.ok(Math.abs(share(picks, id) - 1 / 3) < 0.02)
})

test('candidateAt says when there is none', () => {
  assert.throws(() => candidateAt([], 0), RangeError)
})
