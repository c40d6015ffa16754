import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  estimateLaunch,
  GUESSED_LAUNCH_MS,
  launched,
  readLaunches,
  type Launch,
} from '../../../src/core/scaling/launch-estimate.js'
import { inOrderOfLeaving, type LeavingCandidate } from '../../../src/core/scaling/leaving.js'
import {
  chooseMarket,
  readSpotShortage,
  SPOT_AGAIN_AFTER_MS,
  spotAnswered,
} from '../../../src/core/scaling/spot.js'

const NOW_MS = 1_800_000_000_000
const DAY_MS = 86_400_000

function launchesOf(seconds: readonly number[], atMs = NOW_MS): Launch[] {
  return seconds.reduce<Launch[]>(
    (history, tookS, index) => launched(history, { atMs: atMs + index, tookMs: tookS * 1_000 }),
    [],
  )
}

test('what a launch takes is guessed until there were three, and then known from four of five of them', () => {
  assert.deepEqual(estimateLaunch([], 0, NOW_MS), { ms: GUESSED_LAUNCH_MS, basis: 'guess', launches: 0 })
  const two = estimateLaunch(launchesOf([60, 70]), 0, NOW_MS)
  assert.deepEqual(two, { ms: GUESSED_LAUNCH_MS, basis: 'guess', launches: 2 })
  const ten = estimateLaunch(launchesOf([60, 61, 62, 63, 64, 65, 66, 67, 300, 900]), 0, NOW_MS)
  assert.deepEqual(ten, { ms: 300_000, basis: 'launches', launches: 10 })
  // Slower than guessed: that much is believed at once.
  assert.equal(estimateLaunch(launchesOf([1_200]), 0, NOW_MS).ms, 1_200_000)
})

test('launches of long ago count little, and only the last ones are kept', () => {
  const old = launchesOf([60, 60, 60, 60], NOW_MS - 60 * DAY_MS)
  assert.equal(estimateLaunch(old, 0, NOW_MS).basis, 'guess')
  const turned = [
    ...launchesOf(Array<number>(20).fill(60), NOW_MS - 21 * DAY_MS),
    ...launchesOf([200, 200, 200]),
  ]
  assert.equal(estimateLaunch(turned, 0, NOW_MS).ms, 200_000)
  assert.equal(launchesOf(Array<number>(100).fill(60)).length, 32)
})

test('the rest of a launch is that of those that took as long, and grows again when it is overdue', () => {
  const history = launchesOf([100, 110, 120, 130, 140, 150, 160, 170, 180, 600])
  assert.equal(estimateLaunch(history, 0, NOW_MS).ms, 180_000)
  assert.equal(estimateLaunch(history, 100_000, NOW_MS).ms, 80_000)
  assert.equal(estimateLaunch(history, 200_000, NOW_MS).ms, 400_000)
  assert.equal(estimateLaunch(history, 800_000, NOW_MS).ms, 400_000)
})

test('an estimate is never less than a second, more than an hour, or longer ahead than the longest known', () => {
  const launch = fc
    .tuple(fc.integer({ min: NOW_MS - 30 * DAY_MS, max: NOW_MS }), fc.nat({ max: 10_000_000 }))
    .map(([atMs, tookMs]): Launch => ({ atMs, tookMs }))
  fc.assert(
    fc.property(fc.array(launch, { maxLength: 40 }), fc.nat({ max: 10_000_000 }), (launches, elapsedMs) => {
      const history = launches.reduce<Launch[]>((all, one) => launched(all, one), [])
      const { ms } = estimateLaunch(history, elapsedMs, NOW_MS)
      assert.ok(ms >= 1_000 && ms <= 3_600_000)
      const longest = Math.max(GUESSED_LAUNCH_MS, ...history.map(({ tookMs }) => tookMs))
      assert.ok(ms <= Math.max(1_000, longest - elapsedMs, elapsedMs / 2 + 1))
      assert.deepEqual(readLaunches(JSON.parse(JSON.stringify(history))), history)
    }),
  )
  assert.deepEqual(readLaunches('nonsense'), [])
})

const nodes: LeavingCandidate[] = [
  { id: 'busy', market: 'spot', launching: false, streams: 9, launchedAtMs: 1 },
  { id: 'idle', market: 'spot', launching: false, streams: 0, launchedAtMs: 2 },
  { id: 'stands-in', market: 'on_demand', launching: false, streams: 5, launchedAtMs: 3 },
  { id: 'idle-newer', market: 'spot', launching: false, streams: 0, launchedAtMs: 4 },
  { id: 'coming', market: 'spot', launching: true, streams: 0, launchedAtMs: 0 },
]
const ids = (useSpot: boolean) => inOrderOfLeaving(nodes, useSpot).map(({ id }) => id)

test('first those go that serve nobody yet, then what stands in for spot, then the one with the fewest streams', () => {
  assert.deepEqual(ids(true), ['coming', 'stands-in', 'idle-newer', 'idle', 'busy'])
  assert.deepEqual(ids(false), ['coming', 'idle-newer', 'idle', 'stands-in', 'busy'])
})

test('a shortage of spot machines is waited out, then covered on demand, and tried again half an hour after each refusal', () => {
  const policy = { useSpot: true, fallbackOnDemandAfterMs: 120_000 }
  const market = (at: number, onDemand = 0) => {
    const { market, exchange } = chooseMarket(policy, shortage, onDemand, at)
    return [market, exchange]
  }
  let shortage = spotAnswered(null, 'no_capacity', 1_000, 21_000)
  assert.deepEqual(market(22_000), ['spot', false])
  shortage = spotAnswered(shortage, 'no_capacity', 80_000, 100_000)
  assert.deepEqual(market(120_999), ['spot', false])
  assert.deepEqual(market(121_000), ['on_demand', false])
  assert.deepEqual(market(100_000 + SPOT_AGAIN_AFTER_MS, 2), ['spot', true])
  shortage = spotAnswered(shortage, 'no_capacity', 1_980_000, 2_000_000)
  assert.deepEqual(market(2_000_001, 2), ['on_demand', false])
  assert.deepEqual(readSpotShortage(JSON.parse(JSON.stringify(shortage))), shortage)
  shortage = spotAnswered(shortage, 'granted', 3_900_000, 4_000_000)
  assert.deepEqual([shortage, readSpotShortage({})], [null, null])
  assert.deepEqual(market(4_000_001, 2), ['spot', true])
  assert.deepEqual(market(4_000_001, 0), ['spot', false])
})

test('spot machines are waited for as long as it takes where nothing else is set, and never asked for unless wanted', () => {
  const shortage = { sinceMs: 0, refusedAtMs: 0 }
  const waits = chooseMarket({ useSpot: true, fallbackOnDemandAfterMs: null }, shortage, 0, DAY_MS)
  assert.deepEqual([waits.market, waits.reason], ['spot', 'no spot machine for 86400 s: waited for'])
  const never = chooseMarket({ useSpot: false, fallbackOnDemandAfterMs: null }, null, 3, DAY_MS)
  assert.deepEqual([never.market, never.exchange], ['on_demand', false])
})
