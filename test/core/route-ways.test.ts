import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Ways, wayBetween } from '../../src/core/route-ways.js'

const ways: fc.Arbitrary<Ways> = fc
  .array(fc.tuple(fc.nat(7).map(String), fc.uniqueArray(fc.nat(7).map(String))))
  .map((entries) => new Map(entries))

/** By walking on from everything that is reached until nothing is new. */
function isReached(graph: Ways, from: string, to: string): boolean {
  let reached = new Set([from])
  for (let before = 0; before < reached.size;) {
    before = reached.size
    reached = new Set([...reached, ...[...reached].flatMap((model) => graph.get(model) ?? [])])
  }
  return reached.has(to)
}

test('a way is found where there is one, and is one', () => {
  fc.assert(
    fc.property(ways, fc.nat(7).map(String), fc.nat(7).map(String), (graph, from, to) => {
      const way = wayBetween(graph, from, to)
      assert.equal(way !== null, isReached(graph, from, to))
      if (way === null) return
      assert.deepEqual([way[0], way.at(-1)], [from, to])
      assert.equal(new Set(way).size, way.length)
      for (const [index, model] of way.slice(1).entries()) {
        assert.ok(graph.get(way[index] ?? '')?.includes(model))
      }
    }),
  )
})

test('the way that is shown is the shortest', () => {
  const graph = new Map([
    ['a', ['b', 'd']],
    ['b', ['c']],
    ['c', ['d']],
    ['d', ['a']],
  ])
  assert.deepEqual(wayBetween(graph, 'a', 'd'), ['a', 'd'])
  assert.deepEqual(wayBetween(graph, 'a', 'a'), ['a'])
  assert.equal(wayBetween(graph, 'x', 'a'), null)
})
