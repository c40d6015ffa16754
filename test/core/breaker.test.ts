import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Breaker, EJECTION_CAUSES, LONGEST_PAUSE_MS, PROBE_MS } from '../../src/core/breaker.js'

const evenly = () => 0
/** Twenty requests a second, each let through only when it is admitted. */
const STEP_MS = 50

function failTimes(breaker: Breaker, times: number, nowMs: number): void {
  for (let i = 0; i < times; i++) breaker.failed(false, nowMs)
}

test('three failures in a row open it, two with a success between do not', () => {
  const breaker = new Breaker(evenly)
  failTimes(breaker, 2, 0)
  breaker.succeeded(0)
  failTimes(breaker, 2, 0)
  assert.equal(breaker.state(0), 'admitting')
  breaker.failed(false, 0)
  assert.equal(breaker.state(0), 'rejecting')
  assert.equal(breaker.admits(999), false)
  assert.equal(breaker.admits(1_000), true)
  assert.equal(breaker.ejections('in_a_row'), 1)
})

test('half of ten requests failing opens it, half of nine does not', () => {
  const breaker = new Breaker(evenly)
  for (let i = 0; i < 4; i++) {
    breaker.failed(false, i)
    breaker.succeeded(i)
  }
  breaker.failed(false, 5)
  assert.equal(breaker.state(5), 'admitting')
  breaker.failed(false, 5)
  assert.equal(breaker.state(5), 'rejecting')
  assert.equal(breaker.ejections('error_rate'), 1)
})

test('failures of more than ten seconds ago no longer count for the rate', () => {
  const breaker = new Breaker(evenly)
  for (let i = 0; i < 4; i++) {
    breaker.failed(false, 0)
    breaker.succeeded(0)
  }
  failTimes(breaker, 2, 10_000)
  assert.equal(breaker.state(10_000), 'admitting')
  assert.deepEqual(breaker.recent(10_000), { ended: 2, failed: 2 })
})

test('one refused connection opens it', () => {
  const breaker = new Breaker(evenly)
  breaker.failed(true, 0)
  assert.equal(breaker.state(0), 'rejecting')
})

test('each failed try doubles the pause, up to 30 s', () => {
  const breaker = new Breaker(evenly)
  let now = 0
  breaker.failed(true, now)
  const pauses: number[] = []
  for (let i = 0; i < 7; i++) {
    let pause = 0
    while (!breaker.admits(now + pause)) pause += 1
    pauses.push(pause)
    now += pause
    breaker.entered(now)
    breaker.failed(true, now)
  }
  assert.deepEqual(pauses, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
})

test('what was under way when it opened neither admits the node nor prolongs the pause', () => {
  const breaker = new Breaker(evenly)
  failTimes(breaker, 3, 0)
  failTimes(breaker, 50, 10)
  assert.equal(breaker.succeeded(20), false)
  assert.equal(breaker.state(999), 'rejecting')
  assert.equal(breaker.state(1_000), 'probing')
  breaker.entered(1_000)
  assert.equal(breaker.admits(1_001), false)
  assert.equal(breaker.succeeded(1_001), true)
  assert.equal(breaker.state(1_001), 'admitting')
})

test('a try that says nothing frees its place at once, one that never ends after ten seconds', () => {
  const breaker = new Breaker(evenly)
  failTimes(breaker, 3, 0)
  breaker.entered(1_000)
  breaker.idle()
  assert.equal(breaker.admits(1_001), true)
  breaker.entered(1_001)
  assert.equal(breaker.admits(1_001 + PROBE_MS - 1), false)
  assert.equal(breaker.admits(1_001 + PROBE_MS), true)
})

test('a clock that is set back does not stretch a pause', () => {
  const breaker = new Breaker(evenly)
  failTimes(breaker, 3, 3_600_000)
  assert.equal(breaker.admits(3_600_001), false)
  assert.equal(breaker.admits(0), true)
})

const call = fc.record({
  afterMs: fc.integer({ min: 0, max: 3_000 }),
  lastsMs: fc.integer({ min: 0, max: 40_000 }),
  end: fc.constantFrom('succeeded', 'failed', 'refused', 'nothing' as const),
})

test('never lets a second request through while one is being tried', () => {
  fc.assert(
    fc.property(
      fc.array(call, { maxLength: 200 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (calls, jitter) => {
        const breaker = new Breaker(() => jitter)
        let now = 0
        let triedAt = -Infinity
        let ends: { at: number; end: string }[] = []
        for (const { afterMs, lastsMs, end } of calls) {
          now += afterMs
          const over = ends.filter(({ at }) => at <= now).sort((a, b) => a.at - b.at)
          ends = ends.filter(({ at }) => at > now)
          for (const ended of over) {
            if (ended.end === 'succeeded') breaker.succeeded(ended.at)
            else if (ended.end !== 'nothing') breaker.failed(ended.end === 'refused', ended.at)
            if (ended.end !== 'nothing') triedAt = -Infinity
          }
          if (!breaker.admits(now)) continue
          const tried = breaker.state(now) === 'probing'
          breaker.entered(now)
          ends.push({ at: now + lastsMs, end })
          if (!tried) continue
          assert.ok(now - triedAt >= PROBE_MS, 'only one within the time that a try may take')
          assert.equal(breaker.admits(now), false)
          triedAt = now
        }
      },
    ),
  )
})

test('whatever happened, it admits again once requests succeed', () => {
  fc.assert(
    fc.property(
      fc.array(call, { maxLength: 100 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (calls, jitter) => {
        const breaker = new Breaker(() => jitter)
        let now = 0
        for (const { afterMs, end } of calls) {
          now += afterMs
          if (breaker.admits(now)) breaker.entered(now)
          if (end === 'succeeded') breaker.succeeded(now)
          else if (end === 'nothing') breaker.idle()
          else breaker.failed(end === 'refused', now)
        }
        const healedBy = now + LONGEST_PAUSE_MS + PROBE_MS
        while (now <= healedBy) {
          if (breaker.admits(now)) {
            breaker.entered(now)
            breaker.succeeded(now)
          }
          now += 1_000
        }
        assert.equal(breaker.state(now), 'admitting')
      },
    ),
  )
})

test('a node that is down every other half second is soon mostly left alone', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 700, max: 1_300 }),
      fc.integer({ min: 0, max: 1_000 }),
      fc.boolean(),
      (periodMs, phaseMs, refuses) => {
        const breaker = new Breaker(evenly)
        let admitted = 0
        for (let now = 0; now < 240_000; now += STEP_MS) {
          if (!breaker.admits(now)) continue
          breaker.entered(now)
          if (now >= 120_000) admitted += STEP_MS
          if ((now + phaseMs) % periodMs < periodMs / 2) breaker.failed(refuses, now)
          else breaker.succeeded(now)
        }
        assert.ok(admitted <= 0.2 * 120_000, `admitted for ${admitted} ms of 120 s`)
      },
    ),
    { numRuns: 50 },
  )
})

test('a node that has done well for minutes starts with a short pause again', () => {
  const breaker = new Breaker(evenly)
  let now = 0
  for (let i = 0; i < 6; i++) {
    breaker.failed(true, now)
    now += LONGEST_PAUSE_MS
    breaker.entered(now)
  }
  breaker.succeeded(now)
  now += 180_000
  breaker.failed(true, now)
  assert.equal(breaker.admits(now + 1_000), true)
  assert.deepEqual(
    EJECTION_CAUSES.map((cause) => breaker.ejections(cause)),
    [2, 0, 0, 0, 5],
  )
})
