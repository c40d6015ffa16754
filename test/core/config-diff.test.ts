import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { diffOf, inOrder, sameJson } from '../../src/core/config-diff.js'

const rows = fc
  .dictionary(
    fc.constantFrom('a', 'b', 'c', 'd'),
    fc.record(
      { x: fc.nat({ max: 2 }), y: fc.array(fc.boolean(), { maxLength: 2 }) },
      { noNullPrototype: true },
    ),
  )
  .map((entries) => new Map(Object.entries(entries)))

test('a difference says of every row what becomes of it, and of a change every field that differs', () => {
  fc.assert(
    fc.property(rows, rows, fc.boolean(), (stored, wanted, prune) => {
      const diff = diffOf(stored, wanted, prune)
      const result = new Map<string, object>(stored)
      for (const { name } of diff.deleted) assert.ok(result.delete(name))
      for (const { name, fields } of diff.created) {
        assert.ok(!result.has(name))
        result.set(
          name,
          Object.fromEntries(Object.entries(fields).map(([field, { after }]) => [field, after])),
        )
      }
      for (const { name, fields } of diff.updated) {
        assert.ok(Object.keys(fields).length > 0)
        const before: Record<string, unknown> = { ...result.get(name) }
        for (const [field, change] of Object.entries(fields)) {
          assert.deepEqual(before[field], change.before)
          assert.ok(!sameJson(change.before, change.after))
          before[field] = change.after
        }
        result.set(name, before)
      }
      assert.deepEqual(result, prune ? wanted : new Map([...stored, ...wanted]))
      for (const name of diff.unchanged) assert.deepEqual(stored.get(name), wanted.get(name))
      assert.equal(diff.created.length + diff.updated.length + diff.unchanged.length, wanted.size)
    }),
  )
})

test('the order of fields is no difference, that of a list is one', () => {
  assert.ok(sameJson({ a: 1, b: { c: [1, 2], d: null } }, { b: { d: null, c: [1, 2] }, a: 1 }))
  assert.ok(!sameJson({ a: [1, 2] }, { a: [2, 1] }))
  assert.equal(JSON.stringify(inOrder({ b: 1, a: [{ d: 1, c: 2 }] })), '{"a":[{"c":2,"d":1}],"b":1}')
})
