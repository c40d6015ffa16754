import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { LaunchFailureKind } from '../../../src/core/machine.js'
import {
  isGivenUp,
  launchFailed,
  launchSucceeded,
  readRetry,
  type Retry,
} from '../../../src/core/orchestration/retry.js'

const half = () => 0.5
const at = (launchedAtMs: number, nowMs: number) => ({ launchedAtMs, failedAtMs: nowMs, nowMs })

/** Launches that fail one after the other, as soon as they may be tried. */
function failing(kinds: readonly LaunchFailureKind[], random = half): Retry[] {
  const retries: Retry[] = []
  let nowMs = 1_000_000
  for (const kind of kinds) {
    const before = retries.at(-1) ?? null
    const retry = launchFailed(before, { kind, reason: `a ${kind}` }, at(nowMs, nowMs + 1_000), random)
    retries.push(retry)
    nowMs = retry.retryAtMs
  }
  return retries
}

function times(count: number, kind: LaunchFailureKind): LaunchFailureKind[] {
  return Array.from({ length: count }, () => kind)
}

test('pauses double up to five minutes', () => {
  const pauses = failing(times(9, 'no_capacity')).map(({ failedAtMs, retryAtMs }) => retryAtMs - failedAtMs)
  assert.deepEqual(
    pauses,
    [5, 10, 20, 40, 80, 160, 300, 300, 300].map((seconds) => seconds * 1_000),
  )
})

test('pauses differ by a quarter either way, so that deployments do not ask all at once', () => {
  const pause = (random: number) => {
    const [retry] = failing(['failed'], () => random)
    return retry === undefined ? NaN : retry.retryAtMs - retry.failedAtMs
  }
  assert.deepEqual([pause(0), pause(1 - 1e-12)], [3_750, 6_250])
})

for (const [kind, most] of [
  ['refused', 1],
  ['unauthorized', 3],
  ['failed', 6],
] as const) {
  test(`launches that end as ${kind} are given up after ${most}`, () => {
    const givenUp = failing(times(most, kind)).map(isGivenUp)
    assert.deepEqual(givenUp, [...Array.from({ length: most - 1 }, () => false), true])
  })
}

test('want of capacity is never given up, and counts towards no other kind', () => {
  const retries = failing([...times(50, 'no_capacity'), ...times(5, 'failed')])
  assert.ok(retries.every((retry) => !isGivenUp(retry)))
  assert.ok(failing([...times(50, 'no_capacity'), ...times(6, 'failed')]).some(isGivenUp))
})

test('since when none has gone through is known from the first plan, or loss, of those that failed in a row', () => {
  const [first, ...others] = failing(times(9, 'no_capacity'))
  assert.ok(others.every(({ sinceMs }) => sinceMs === first?.sinceMs))
  assert.equal(first?.sinceMs, 1_000_000)
  const lost = launchFailed(null, { kind: 'failed', reason: 'gone', lost: true }, at(1_000, 90_000), half)
  assert.equal(lost.sinceMs, 90_000)
  // One that has gone through in between ends it.
  const again = launchFailed(
    launchSucceeded(lost, 95_000),
    { kind: 'failed', reason: 'gone', lost: true },
    at(95_000, 99_000),
    half,
  )
  assert.equal(again.sinceMs, 99_000)
})

test('launches that failed together count once, with the reason that tells most', () => {
  const first = launchFailed(null, { kind: 'failed', reason: 'first' }, at(1_000, 5_000), half)
  const second = launchFailed(first, { kind: 'unauthorized', reason: 'second' }, at(1_000, 6_000), half)
  assert.deepEqual(second, { ...first, kind: 'unauthorized', reason: 'second' })
  const third = launchFailed(second, { kind: 'no_capacity', reason: 'third' }, at(1_000, 7_000), half)
  assert.deepEqual(third, second)
  const refused = launchFailed(third, { kind: 'refused', reason: 'never' }, at(1_000, 8_000), half)
  assert.equal(isGivenUp(refused), true)
  const short = launchFailed(null, { kind: 'no_capacity', reason: 'first' }, at(1_000, 5_000), half)
  assert.equal(
    isGivenUp(launchFailed(short, { kind: 'refused', reason: 'never' }, at(1_000, 6_000), half)),
    true,
  )
})

test('a clock that differs from that of the plans changes no count', () => {
  const ahead = 3_600_000
  const times = (ms: number) => ({ launchedAtMs: ms, failedAtMs: ms + 1_000, nowMs: ms + 1_000 + ahead })
  const first = launchFailed(null, { kind: 'failed', reason: 'first' }, times(1_000), half)
  const second = launchFailed(first, { kind: 'failed', reason: 'second' }, times(7_000), half)
  assert.deepEqual([second.failures, second.retryAtMs], [2, 8_000 + ahead + 10_000])
})

test('what is stored is read back, and what cannot be read counts as nothing', () => {
  const kinds = fc.constantFrom('no_capacity', 'refused', 'unauthorized', 'failed')
  fc.assert(
    fc.property(fc.array(kinds, { minLength: 1, maxLength: 20 }), (all) => {
      const retry = failing(all).at(-1)
      assert.deepEqual(readRetry(JSON.parse(JSON.stringify(retry))), retry)
    }),
  )
  fc.assert(fc.property(fc.anything(), (stored) => readRetry(stored) === null))
})

test('a node that serves makes failures good, but not those of nodes that served and were lost shortly before', () => {
  const times = { launchedAtMs: 0, failedAtMs: 1_000, nowMs: 1_000 }
  const failed = launchFailed(null, { kind: 'failed', reason: 'it ended' }, times, half)
  assert.equal(launchSucceeded(failed, 2_000), null)
  const lost = launchFailed(null, { kind: 'failed', reason: 'it ended', lost: true }, times, half)
  assert.deepEqual(launchSucceeded(lost, 2_000), { ...lost, sinceMs: null })
  assert.equal(launchSucceeded(lost, 1_000 + 900_000), null)
  assert.equal(launchSucceeded(null, 2_000), null)
  let again: Retry | null = null
  for (let at = 1; at <= 6; at++) {
    assert.ok(again === null || !isGivenUp(again))
    const ms = at * 60_000
    again = launchFailed(
      launchSucceeded(again, ms),
      { kind: 'failed', reason: 'it ended', lost: true },
      { launchedAtMs: ms - 10_000, failedAtMs: ms, nowMs: ms },
      half,
    )
  }
  assert.ok(again !== null && isGivenUp(again))
})
