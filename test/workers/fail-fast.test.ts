import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GatewayError } from '../../src/core/errors.js'
import { createFailFast } from '../../src/workers/fail-fast.js'

const UNANSWERED = new Error('unanswered')

function start() {
  const clock = { ms: 0 }
  const guarded = createFailFast({
    isUnanswered: (thrown) => thrown === UNANSWERED,
    now: () => clock.ms,
    pauseMs: 1_000,
  })
  const answered = () => guarded(() => Promise.resolve('answer'))
  const unanswered = () =>
    assert.rejects(
      guarded(() => Promise.reject(UNANSWERED)),
      UNANSWERED,
    )
  const refused = () => assert.rejects(answered(), new GatewayError('overloaded'))
  return { clock, guarded, answered, unanswered, refused }
}

test('after a call without an answer others are refused for a moment, then served again', async () => {
  const { clock, answered, unanswered, refused } = start()
  assert.equal(await answered(), 'answer')
  await unanswered()
  await refused()
  clock.ms = 999
  await refused()
  clock.ms = 1_000
  assert.equal(await answered(), 'answer')
  assert.equal(await answered(), 'answer')
})

test('one call at a time tries whether the store is back, and a failed try begins another moment', async () => {
  const { clock, guarded, answered, unanswered, refused } = start()
  await unanswered()
  clock.ms = 1_000
  let fail: (error: Error) => void = () => {}
  const probing = guarded(() => new Promise((_, reject) => (fail = reject)))
  await refused()
  clock.ms = 6_000
  fail(UNANSWERED)
  await assert.rejects(probing, UNANSWERED)
  await refused()
  clock.ms = 7_000
  assert.equal(await answered(), 'answer')
})

test('an error that is an answer refuses nobody, and ends a refusal', async () => {
  const { clock, guarded, answered, unanswered } = start()
  const answer = new Error('unknown table')
  await assert.rejects(
    guarded(() => Promise.reject(answer)),
    answer,
  )
  assert.equal(await answered(), 'answer')
  await unanswered()
  clock.ms = 1_000
  await assert.rejects(
    guarded(() => Promise.reject(answer)),
    answer,
  )
  assert.equal(await answered(), 'answer')
})
