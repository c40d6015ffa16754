import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { runCommand } from '../../bench/command.js'
import { simulateCommand } from '../../bench/simulate/command.js'
import { createBlockCache, simulateNode } from '../../bench/simulate/node.js'
import { LEAST_OF_BEST, LEAST_SPEED_UP, MOST_IMBALANCE } from '../../bench/simulate/report.js'
import { simulateBursts, simulateConversations } from '../../bench/simulate/simulation.js'
import { createTimeline } from '../../bench/simulate/timeline.js'

test('events happen in the order of their times, those of one time as they were planned', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 50 })), (delays) => {
      const timeline = createTimeline()
      const seen: [number, number][] = []
      delays.forEach((delay, index) => {
        timeline.after(delay, () => {
          assert.equal(timeline.now(), delay)
          seen.push([delay, index])
        })
      })
      timeline.run()
      assert.deepEqual(
        seen,
        delays.map((delay, index): [number, number] => [delay, index]).sort((a, b) => a[0] - b[0]),
      )
    }),
  )
})

test('what happens again and again ends with the last other event', () => {
  const timeline = createTimeline()
  let looks = 0
  timeline.every(10, 0, () => looks++)
  timeline.every(7, 3, () => undefined)
  timeline.after(95, () => undefined)
  timeline.run()
  assert.equal(looks, 10)
})

test('a cache forgets what was used least recently, and never knows the whole prompt', () => {
  const cache = createBlockCache(4)
  cache.add([1, 2, 3])
  assert.equal(cache.lookUp([1, 2, 3]), 2)
  assert.equal(cache.lookUp([1, 2, 3, 4]), 3)
  cache.add([8, 9])
  assert.equal(cache.lookUp([1, 2, 3, 4]), 2)
  assert.equal(cache.lookUp([5]), 0)
})

test('a node prefills one prompt after the other, and a request beyond its slots waits', () => {
  const timeline = createTimeline()
  const node = simulateNode(
    {
      id: 'n',
      weight: 1,
      slots: 2,
      prefillTokensPerSecond: 1_000,
      tokenMs: 10,
      cacheBlocks: 8,
      slowdown: () => 1,
    },
    timeline,
  )
  const first: number[] = []
  const done: number[] = []
  const request = { blocks: [], blocksAfter: [], promptTokens: 100, outputTokens: 5 }
  for (let sent = 0; sent < 3; sent++)
    node.submit(
      request,
      () => first.push(timeline.now()),
      () => done.push(timeline.now()),
    )
  assert.equal(node.load, 3)
  timeline.run()
  // 100 ms for a prompt and 10 ms besides; 50 ms for the answer; the third begins with the end of the first.
  assert.deepEqual(first, [110, 210, 310])
  assert.deepEqual(done, [160, 260, 360])
  assert.equal(node.load, 0)
})

test("least-latency's p99 of TTFT is at most half of round-robin's on unequal nodes under bursts", () => {
  const results = simulateBursts({ seed: 1, nodes: 50, proxies: 4, durationMs: 60_000 })
  const [roundRobin, leastLatency] = [results.get('round-robin'), results.get('least-latency')]
  assert.ok(roundRobin !== undefined && leastLatency !== undefined)
  assert.ok(roundRobin.p99Ms >= LEAST_SPEED_UP * leastLatency.p99Ms)
})

test('prefix-affinity reaches its share of the best possible hits with an even load', () => {
  const { bestHitRate, byStrategy } = simulateConversations(
    { seed: 1, nodes: 12, proxies: 4, durationMs: 200_000 },
    ['prefix-affinity'],
  )
  const affinity = byStrategy.get('prefix-affinity')
  assert.ok(affinity !== undefined)
  assert.ok(affinity.hitRate >= LEAST_OF_BEST * bestHitRate, `${affinity.hitRate} of ${bestHitRate}`)
  assert.ok(affinity.busyImbalance <= MOST_IMBALANCE && affinity.requestImbalance <= MOST_IMBALANCE)
})

test('the same seed gives the same report, with the goals beside the figures', async (t) => {
  const outputs: string[] = []
  for (const seed of ['5', '5', '6']) {
    let output = ''
    const write = t.mock.method(process.stdout, 'write', (text: string) => {
      output += text
      return true
    })
    const args = ['--seed', seed, '--nodes', '4', '--proxies', '2', '--duration', '20']
    const code = await runCommand('simulate', simulateCommand, args)
    write.mock.restore()
    assert.equal(code, 0)
    outputs.push(output)
  }
  const [first, again, other] = outputs
  assert.equal(first, again)
  assert.notEqual(first, other)
  assert.equal(first?.match(/goal: .*: (met|MISSED)$/gm)?.length, 3)
})
