import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { GatewayError } from '../../src/core/errors.js'
import { parseUsageCursor, usageCursor } from '../../src/core/usage-cursor.js'

test('a cursor comes back as the place that it was made of', () => {
  fc.assert(
    fc.property(fc.nat({ max: 9_007_199_254_740_991 }), fc.uuid(), (endedAtMicros, requestId) => {
      const place = { endedAtMicros, requestId }
      const cursor = usageCursor(place)
      assert.match(cursor, /^[\w-]{1,100}$/)
      assert.deepEqual(parseUsageCursor(cursor), place)
    }),
  )
})

test('any other text is refused by name', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      assert.throws(
        () => parseUsageCursor(text),
        (error) =>
          error instanceof GatewayError && error.code === 'invalid_parameter' && error.param === 'cursor',
      )
    }),
  )
  const id = '0190a5a0-0000-7000-8000-000000000001'
  for (const text of [`9999999999999999.${id}`, `1.${id}x`, `-1.${id}`, `1e3.${id}`]) {
    assert.throws(() => parseUsageCursor(Buffer.from(text).toString('base64url')), GatewayError, text)
  }
})
