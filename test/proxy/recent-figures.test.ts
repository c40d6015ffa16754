import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ModelFigures } from '../../src/core/model-figures.js'
import { createRecentFigures } from '../../src/proxy/recent-figures.js'

const rows = (avgLatencyMs: number): ModelFigures[] => [{ modelId: 'm', avgLatencyMs, p95TtftMs: null }]

/** Lets what was resolved reach those who wait for it. */
const settled = () => new Promise((resolve) => setImmediate(resolve))

/** Figures whose reads are answered by hand, on a clock that is set by hand. */
function byHand() {
  let nowMs = 0
  const reads: { resolve: (figures: readonly ModelFigures[]) => void; reject: (error: Error) => void }[] = []
  const figures = createRecentFigures({
    read: () => new Promise((resolve, reject) => reads.push({ resolve, reject })),
    now: () => nowMs,
  })
  return {
    reads,
    pass: (ms: number) => {
      nowMs += ms
    },
    ask: async () => (await figures()).get('m')?.avgLatencyMs ?? null,
  }
}

test('a burst of calls is one read, whose figures all of them get', async () => {
  const { reads, ask } = byHand()
  const burst = Promise.all(Array.from({ length: 50 }, ask))
  assert.equal(reads.length, 1)
  reads[0]?.resolve(rows(7))
  assert.deepEqual(new Set(await burst), new Set([7]))
  assert.equal(await ask(), 7)
  assert.equal(reads.length, 1)
})

test('old figures are given out while new ones are read, very old ones never', async () => {
  const { reads, ask, pass } = byHand()
  const first = ask()
  reads[0]?.resolve(rows(1))
  assert.equal(await first, 1)
  pass(5_000)
  assert.equal(await ask(), 1)
  assert.equal(reads.length, 2)
  reads[1]?.resolve(rows(2))
  await settled()
  assert.equal(await ask(), 2)
  pass(31_000)
  const late = ask()
  reads[2]?.reject(new Error('ClickHouse is away'))
  assert.equal(await late, null)
})

test('a store that is down is asked once in a while, and what waits for it goes on without', async () => {
  const { reads, ask, pass } = byHand()
  const first = ask()
  reads[0]?.reject(new Error('ClickHouse is away'))
  assert.equal(await first, null)
  assert.equal(await ask(), null)
  assert.equal(reads.length, 1)
  pass(5_000)
  const hanging = ask()
  assert.equal(reads.length, 2)
  // Waits for a moment at most, though the read never ends; who comes later does not wait at all.
  assert.equal(await hanging, null)
  pass(5_000)
  assert.equal(await ask(), null)
  assert.equal(reads.length, 2)
  reads[1]?.resolve(rows(3))
  await settled()
  assert.equal(await ask(), 3)
})
