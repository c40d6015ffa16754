import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { GatewayError } from '../../src/core/errors.js'
import { parseUsageCursor, usageCursor } from '../../src/core/usage-cursor.js'

const QUERY = ['tenant', null, '2026-05-01']

const plain = { noNullPrototype: true }
const cursors = fc.record(
  {
    place: fc.record({ endedAtMicros: fc.nat({ max: 9_007_199_254_740_991 }), requestId: fc.uuid() }, plain),
    askedAtMs: fc.nat({ max: 9_999_999_999_999 }),
  },
  plain,
)

function refused(text: string, query: readonly unknown[] = QUERY): void {
  assert.throws(
    () => parseUsageCursor(text, query),
    (error) =>
      error instanceof GatewayError && error.code === 'invalid_parameter' && error.param === 'cursor',
    text,
  )
}

test('a cursor comes back as it was made', () => {
  fc.assert(
    fc.property(cursors, fc.array(fc.string()), (cursor, query) => {
      const text = usageCursor(cursor, query)
      assert.match(text, /^[\w-]{1,200}$/)
      assert.deepEqual(parseUsageCursor(text, query), cursor)
    }),
  )
})

test('a cursor that was cut, lengthened or made for another query is refused by name', () => {
  fc.assert(
    fc.property(cursors, fc.nat({ max: 150 }), fc.stringMatching(/^.{1,5}$/), (cursor, length, more) => {
      const text = usageCursor(cursor, QUERY)
      refused(text.slice(0, Math.min(length, text.length - 1)))
      refused(text + more)
      refused(text, ['tenant', null, '2026-05-02'])
    }),
  )
})

test('any other text is refused by name', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      refused(text)
    }),
  )
  const id = '0190a5a0-0000-7000-8000-000000000001'
  const digest = Buffer.from(
    usageCursor({ place: { endedAtMicros: 1, requestId: id }, askedAtMs: 1 }, QUERY),
    'base64url',
  )
    .toString()
    .slice(-16)
  for (const text of [
    `9999999999999999.${id}.1.${digest}`,
    `1.${id}x.1.${digest}`,
    `-1.${id}.1.${digest}`,
    `1e3.${id}.1.${digest}`,
    `1.${id}.99999999999999.${digest}`,
  ]) {
    refused(Buffer.from(text).toString('base64url'))
  }
})
