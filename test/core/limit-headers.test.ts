import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { durationText, limitHeaders } from '../../src/core/limit-headers.js'

test('durations are written as OpenAI writes them', () => {
  const texts = [0, 1, 999, 1_000, 1_001, 59_000, 60_000, 360_000, 3_599_001, 3_600_000, 90_061_000]
  assert.deepEqual(texts.map(durationText), [
    ...['0ms', '1ms', '999ms', '1s', '2s', '59s', '1m0s', '6m0s', '1h0m0s', '1h0m0s', '25h1m1s'],
  ])
  assert.equal(durationText(-5), '0ms')
})

test('a duration is read back as no shorter than it was, and less than a second longer', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), (ms) => {
      const [, hours = '0', minutes = '0', seconds = '0', millis = '0'] =
        /^(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?$/.exec(durationText(ms)) ?? []
      const read = ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1_000 + Number(millis)
      assert.ok(read >= ms && read < ms + 1_000, `${ms} → ${durationText(ms)}`)
    }),
  )
})

test('there are headers for the limits that there are', () => {
  const left = { limit: 5, remaining: 4, resetMs: 12_000 }
  assert.deepEqual(limitHeaders(null, null), {})
  assert.equal(Object.keys(limitHeaders(left, left)).length, 6)
  assert.deepEqual(limitHeaders(left, null), {
    'x-ratelimit-limit-requests': '5',
    'x-ratelimit-remaining-requests': '4',
    'x-ratelimit-reset-requests': '12s',
  })
  assert.deepEqual(limitHeaders(null, left), {
    'x-ratelimit-limit-tokens': '5',
    'x-ratelimit-remaining-tokens': '4',
    'x-ratelimit-reset-tokens': '12s',
  })
})
