import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createBodyMemory } from '../../src/proxy/body-memory.js'

test('what is held never passes the bound, and comes back to nothing when all is released', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 3_000_000 }),
      fc.array(fc.array(fc.nat({ max: 2_000_000 }), { maxLength: 4 }), { maxLength: 8 }),
      fc.boolean(),
      (most, bodies, reusable) => {
        const memory = createBodyMemory(most)
        const all = bodies.map((sizes) => {
          const held = memory.hold()
          let filled = 0
          for (const size of sizes) {
            const room = held.grow(filled + size, filled)
            assert.ok(memory.held <= most)
            if (room === null) break
            assert.ok(room.length >= filled + size)
            filled += size
          }
          return held
        })
        for (const held of [...all, ...all]) held.release(reusable)
        assert.equal(memory.held, 0)
      },
    ),
  )
})

test('a room that grows keeps what it was filled with', () => {
  const held = createBodyMemory(10_000_000).hold()
  const first = held.grow(20_000, 0)
  first?.fill('a')
  const second = held.grow(900_000, 20_000)
  assert.equal(second?.toString('latin1', 0, 20_000), 'a'.repeat(20_000))
})

test('a room is used again only when nobody reads it any more', () => {
  const memory = createBodyMemory(10_000_000)
  const one = memory.hold()
  const room = one.grow(100_000, 0)
  one.release(false)
  const two = memory.hold()
  const other = two.grow(100_000, 0)
  assert.notEqual(other, room)
  two.release(true)
  assert.equal(memory.hold().grow(70_000, 0), other)
})

test('no more than 4 MiB of a size is kept', () => {
  const memory = createBodyMemory(100_000_000)
  const all = Array.from({ length: 10 }, () => memory.hold())
  const rooms = new Set(all.map((held) => held.grow(1024 * 1024, 0)))
  for (const held of all) held.release(true)
  const again = Array.from({ length: 10 }, () => memory.hold().grow(1024 * 1024, 0))
  assert.equal(again.filter((room) => rooms.has(room)).length, 4)
})
