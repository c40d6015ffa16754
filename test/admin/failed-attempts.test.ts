import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  createFailedAttempts,
  FIRST_DELAY_MS,
  FREE_FAILURES,
  LONGEST_DELAY_MS,
  MOST_HELD,
  MOST_HELD_OF_ONE,
  MOST_NETWORKS,
  WINDOW_MS,
} from '../../src/admin/failed-attempts.js'

/** With a clock that stands until it is moved, and every answer sent at once. */
function attempts() {
  let at = 0
  const policy = createFailedAttempts(() => at)
  return {
    policy,
    pass: (ms: number) => (at += ms),
    /** The delay of one more failure. */
    fail: (address: string): number => {
      const verdict = policy.failed(address)
      if (verdict === 'cut') throw new Error('cut')
      verdict.release()
      return verdict.delayMs
    },
  }
}

test('the first few failures within a minute are answered at once, further ones later and later', () => {
  const { fail } = attempts()
  const delays = Array.from({ length: FREE_FAILURES + 7 }, () => fail('192.0.2.1'))
  const expected = [250, 500, 1000, 2000, 4000, 4000, 4000]
  assert.deepEqual(delays, [...Array<number>(FREE_FAILURES).fill(0), ...expected])
  assert.equal(fail('192.0.2.2'), 0)
})

test('a delay depends on the failures of the last minute alone, and on the network alone', () => {
  const steps = fc.array(
    fc.record({ ms: fc.integer({ min: 0, max: 40_000 }), host: fc.integer({ min: 0, max: 3 }) }),
    { maxLength: 200 },
  )
  fc.assert(
    fc.property(steps, (all) => {
      const { fail, pass } = attempts()
      const history: { at: number; host: number }[] = []
      let now = 0
      for (const { ms, host } of all) {
        pass(ms)
        now += ms
        history.push({ at: now, host })
        const recent = history.filter((one) => one.host === host && now - one.at < WINDOW_MS).length
        const beyond = recent - FREE_FAILURES
        const expected = beyond <= 0 ? 0 : Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (beyond - 1))
        // One network: any host of a /64.
        assert.equal(fail(`2001:db8:0:${host}::${now % 7}`), expected)
      }
    }),
  )
})

test('what is remembered and what is held back is bounded, whoever comes, and all of it is let go', () => {
  const calls = fc.array(
    fc.record({
      host: fc.integer({ min: 0, max: 12 }),
      failures: fc.integer({ min: 1, max: 30 }),
      released: fc.integer({ min: 0, max: 30 }),
    }),
    { maxLength: 60 },
  )
  fc.assert(
    fc.property(calls, (all) => {
      const { policy } = attempts()
      const open: { host: number; release: () => void }[] = []
      for (const { host, failures, released } of all) {
        for (let n = 0; n < failures; n++) {
          const ofHost = open.filter((one) => one.host === host).length
          const verdict = policy.failed(`192.0.2.${host}`)
          const full = open.length === MOST_HELD || ofHost === MOST_HELD_OF_ONE
          if (verdict === 'cut') assert.ok(full)
          else if (verdict.delayMs > 0) {
            assert.ok(!full)
            open.push({ host, release: verdict.release })
          }
        }
        assert.equal(policy.held, open.length)
        for (const one of open.splice(0, released)) {
          one.release()
          one.release()
        }
      }
      for (const one of open) one.release()
      assert.equal(policy.held, 0)
    }),
  )
})

test('of more networks than are remembered, the one that failed longest ago is forgotten', () => {
  const { policy, fail } = attempts()
  for (let n = 0; n < FREE_FAILURES; n++) fail('192.0.2.1')
  const host = (n: number) => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`
  for (let n = 1; n < MOST_NETWORKS; n++) fail(host(n))
  assert.equal(policy.networks, MOST_NETWORKS)
  // It fails again, and so is the newest.
  assert.equal(fail('192.0.2.1'), FIRST_DELAY_MS)
  fail(host(MOST_NETWORKS))
  assert.equal(policy.networks, MOST_NETWORKS)
  assert.equal(fail('192.0.2.1'), 2 * FIRST_DELAY_MS)
  for (let n = 0; n < MOST_NETWORKS; n++) fail(host(100_000 + n))
  assert.equal(fail('192.0.2.1'), 0)
})
