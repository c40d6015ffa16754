import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isPanic, mayEject } from '../../src/core/ejection.js'
import { slowAbove } from '../../src/core/outlier.js'
import { warmthAt } from '../../src/core/slow-start.js'

test('at most half of the nodes are ejected, never the only one, and panic never follows from it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: 200 }), (serving, before) => {
      let out = Math.min(before, serving)
      const panicBefore = isPanic(serving, serving - out)
      while (mayEject(serving, out)) out++
      if (out > before) assert.ok(out <= serving / 2)
      assert.equal(isPanic(serving, serving - out), panicBefore)
    }),
  )
  assert.equal(mayEject(1, 0), false)
  assert.equal(mayEject(2, 0), true)
  assert.equal(mayEject(3, 1), false)
})

test('panics with fewer than half of the nodes admitted', () => {
  assert.deepEqual(
    [isPanic(4, 2), isPanic(4, 1), isPanic(3, 1), isPanic(1, 0), isPanic(0, 0)],
    [false, true, true, true, false],
  )
})

test('a node is far slower at five times the median of its peers, and at least 100 ms more', () => {
  assert.equal(slowAbove([]), null)
  assert.equal(slowAbove([100]), 500)
  assert.equal(slowAbove([1]), 101)
  assert.equal(slowAbove([300, 100, 5_000]), 1_500)
  assert.equal(slowAbove([100, 200]), 750)
})

test('no set of averages has more than half of its nodes far slower than their peers', () => {
  const averages = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 30 })
  fc.assert(
    fc.property(averages, (known) => {
      const slow = known.filter((own, index) => {
        const limit = slowAbove(known.filter((_, other) => other !== index))
        return limit !== null && own > limit
      })
      assert.ok(slow.length <= known.length / 2)
    }),
  )
})

test('warmth grows from 0.1 to 1 over 30 s and never falls', () => {
  assert.equal(warmthAt(1_000, 1_000), 0.1)
  assert.equal(warmthAt(1_000, 31_000), 1)
  const time = fc.integer({ min: -100_000, max: 100_000 })
  fc.assert(
    fc.property(time, time, time, (since, one, other) => {
      const earlier = warmthAt(since, Math.min(one, other))
      const later = warmthAt(since, Math.max(one, other))
      assert.ok(earlier >= 0.1 && earlier <= later && later <= 1)
    }),
  )
})
