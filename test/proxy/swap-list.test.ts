import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SwapList } from '../../src/proxy/swap-list.js'

test('holds what a set would hold, whatever comes and goes', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(9)), { maxLength: 200 }), (steps) => {
      const members = Array.from({ length: 10 }, (_, id) => ({ id, place: -1 }))
      const list = new SwapList<(typeof members)[number]>()
      const set = new Set<number>()
      for (const [adds, id] of steps) {
        const member = members[id]
        assert.ok(member !== undefined)
        if (!adds) {
          list.delete(member)
          set.delete(id)
        } else if (!set.has(id)) {
          list.add(member)
          set.add(id)
        }
        const seen: number[] = []
        list.each((one) => seen.push(one.id))
        assert.deepEqual(seen.sort(), [...set].sort())
        assert.equal(list.size, set.size)
      }
    }),
  )
})

test('visits each member once although members leave while they are visited', () => {
  const list = new SwapList<{ id: number; place: number }>()
  for (let id = 0; id < 10; id++) list.add({ id, place: -1 })
  const seen: number[] = []
  list.each((member) => {
    seen.push(member.id)
    list.delete(member)
  })
  assert.equal(list.size, 0)
  assert.deepEqual(
    seen.sort((a, b) => a - b),
    Array.from({ length: 10 }, (_, id) => id),
  )
})
