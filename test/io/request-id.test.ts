import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { newRequestId } from '../../src/io/request-id.js'

const UUID_V7 = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

test('an id is a UUIDv7 of its time', () => {
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 48 - 1 }), (nowMs) => {
      const match = UUID_V7.exec(newRequestId(nowMs))
      assert.ok(match !== null)
      assert.equal(parseInt(`${match[1]}${match[2]}`, 16), nowMs)
    }),
  )
})

test('no two ids of one moment are the same, and every random digit varies', () => {
  const ids = Array.from({ length: 20_000 }, () => newRequestId(1_764_000_000_000))
  assert.equal(new Set(ids).size, ids.length)
  for (const at of [15, 16, 17, 20, 21, 22, ...Array.from({ length: 12 }, (_, i) => 24 + i)]) {
    assert.equal(new Set(ids.map((id) => id[at])).size, 16, `digit ${at}`)
  }
  assert.equal(new Set(ids.map((id) => id[19])).size, 4)
})
