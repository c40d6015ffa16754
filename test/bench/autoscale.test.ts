import assert from 'node:assert/strict'
import { test } from 'node:test'
import { autoscaleCommand } from '../../bench/autoscale/command.js'
import { createFleet } from '../../bench/autoscale/fleet.js'
import { createScaledNode, SLOTS } from '../../bench/autoscale/node.js'
import { perfectHours, perfectNodes } from '../../bench/autoscale/oracle.js'
import { totals } from '../../bench/autoscale/report.js'
import { autoScaler, fixedAt, runDay } from '../../bench/autoscale/run.js'
import { drawArrivals, drawDay } from '../../bench/autoscale/traffic.js'
import { runCommand } from '../../bench/command.js'
import { seededRandom } from '../../bench/nodes/random.js'
import type { ScalingPolicy } from '../../src/core/scaling/need.js'

const MINUTE_S = 60
const TRAITS = { launchS: 100, sloMs: 2_000, spotHours: 1e6, useSpot: false, fallbackOnDemandAfterS: 60 }
const POLICY: ScalingPolicy = {
  minNodes: 0,
  maxNodes: 20,
  targetConcurrency: 20,
  targetTtftMs: null,
  waitingRoom: true,
}

test('a node runs so many streams, each to its end', () => {
  const node = createScaledNode({ id: 'n', market: 'spot', launchedAtS: 0, upAtS: 0, refused: false })
  for (let stream = 0; stream < SLOTS; stream++) {
    assert.ok(node.hasRoom)
    node.start(stream === 0 ? 3 : 5, 100)
  }
  assert.deepEqual([node.hasRoom, node.streams], [false, SLOTS])
  for (let second = 101; second <= 103; second++) node.step(second)
  assert.equal(node.streams, SLOTS - 1)
  assert.deepEqual([...new Set(node.cut(103))], [2])
  assert.equal(node.streams, 0)
})

test('the oracle has what the most streams of each minute need', () => {
  const day = {
    seconds: 180,
    arrivals: Uint16Array.from({ length: 180 }, (_, second) => (second === 50 ? 41 : 0)),
    streamS: new Uint8Array(41).fill(20),
    frozen: [],
    spotShort: [],
  }
  const nodes = perfectNodes(day, 20)
  assert.deepEqual(nodes, [3, 3, 0])
  assert.equal(perfectHours(nodes), 6 / 60)
})

test('requests come at the rate that was asked for', () => {
  const day = drawArrivals(10_000, (second) => (second < 5_000 ? 1 : 3), seededRandom(1))
  const come = (fromS: number) =>
    day.arrivals.slice(fromS, fromS + 5_000).reduce((sum, count) => sum + count, 0)
  assert.ok(Math.abs(come(0) - 5_000) < 400 && Math.abs(come(5_000) - 15_000) < 700)
  assert.equal(day.streamS.length, come(0) + come(5_000))
})

test('a machine that is taken away has its replacement launched with the warning, and its streams go on', () => {
  const fleet = createFleet({ ...TRAITS, useSpot: true, spotHours: 0.2 }, seededRandom(3))
  const cut: number[] = []
  let warnedAt = 0
  for (let second = 0; cut.length === 0; second++) {
    assert.ok(second < 36_000, 'no machine was taken away in mid-stream')
    cut.push(...fleet.step(second, 1, false))
    for (const node of fleet.of('serving')) if (node.hasRoom) node.start(150, second)
    if (fleet.of('leaving').length > 0 && warnedAt === 0) {
      warnedAt = second
      assert.equal(fleet.of('launching').length, 1)
    }
  }
  // A stream of 150 s that began before the notice of 120 s.
  assert.ok(warnedAt > 0 && cut.every((leftS) => leftS > 0 && leftS <= 30))
  assert.equal(fleet.of('leaving').length, 0)
})

test('without spot machines on-demand ones stand in, until spot is to be had again', () => {
  const fleet = createFleet({ ...TRAITS, useSpot: true }, seededRandom(1))
  for (let second = 0; second < 8_000; second++) fleet.step(second, 3, second < 1_000)
  assert.ok(fleet.refusals > 0)
  assert.equal(fleet.exchanges, 3)
  assert.deepEqual(
    fleet.nodes.map(({ market }) => market),
    ['spot', 'spot', 'spot'],
  )
})

test('a constant load is served by what it needs without a change; too few fixed nodes miss, enough do not', () => {
  const day = drawArrivals(60 * MINUTE_S, () => 4, seededRandom(1))
  const run = (scaler: Parameters<typeof runDay>[2], nodes: number) =>
    totals(runDay(day, TRAITS, scaler, nodes, seededRandom(2)))
  const scaled = run(autoScaler(POLICY), 3)
  assert.ok(scaled.changes <= 1)
  assert.ok(run(fixedAt(1), 1).misses > scaled.requests / 2)
  assert.equal(run(fixedAt(4), 4).missesOutside, 0)
})

test('a load that begins wakes a deployment without nodes, and leaves it asleep when it has ended', () => {
  const day = drawArrivals(
    90 * MINUTE_S,
    (second) => (second > 600 && second < 1_800 ? 2 : 0),
    seededRandom(1),
  )
  const { nodes, unserved, hours } = runDay(day, TRAITS, autoScaler(POLICY), 0, seededRandom(2))
  assert.equal(unserved, 0)
  assert.deepEqual([nodes[599], nodes.at(-1)], [0, 0])
  assert.ok((nodes[1_200] ?? 0) > 0)
  assert.ok(hours.every(({ missesOutside }) => missesOutside === 0))
})

test('frozen gauges freeze the number of nodes', () => {
  const frozen = [{ fromS: 600, toS: 1_800 }]
  const day = drawArrivals(40 * MINUTE_S, (second) => (second < 700 ? 1 : 6), seededRandom(1), {
    frozen,
    spotShort: [],
  })
  const { nodes, frozenChanges } = runDay(day, TRAITS, autoScaler(POLICY), 2, seededRandom(2))
  assert.equal(frozenChanges, 0)
  assert.deepEqual([...new Set(nodes.slice(620, 1_800))].length, 1)
  assert.ok((nodes.at(-1) ?? 0) > (nodes[1_799] ?? 0))
})

test('a day has a night without requests to speak of and a crowd that doubles the load', () => {
  const { arrivals, seconds } = drawDay(10, seededRandom(1))
  assert.equal(seconds, 86_400)
  const inHour = (hour: number) =>
    arrivals.slice(hour * 3_600, hour * 3_600 + 3_600).reduce((sum, count) => sum + count, 0)
  assert.ok(inHour(3) < 5)
  assert.ok(inHour(16) > 25_000)
})

test('the same seed gives the same report, with every goal met', async (t) => {
  const outputs: string[] = []
  for (const seed of ['1', '1', '2']) {
    let output = ''
    const write = t.mock.method(process.stdout, 'write', (text: string) => {
      output += text
      return true
    })
    const code = await runCommand('autoscale', autoscaleCommand, ['--seed', seed, '--rate', '8'])
    write.mock.restore()
    assert.equal(code, 0)
    outputs.push(output)
  }
  const [first, again, other] = outputs
  assert.equal(first, again)
  assert.notEqual(first, other)
  for (const output of outputs) assert.equal(output.match(/goal: .*: met$/gm)?.length, 4, output)
})
