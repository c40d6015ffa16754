import { decideScaling } from '../../src/core/scaling/decide.js'
import { STALE_MS, type ScalingPolicy, type ScalingView } from '../../src/core/scaling/need.js'
import { NEW_SCALING_STATE, readScalingState } from '../../src/core/scaling/state.js'
import { createFleet, type Fleet, type FleetTraits } from './fleet.js'
import type { ScaledNode } from './node.js'
import { isWithin, type Day } from './traffic.js'
import { createTtftWindow } from './ttft-window.js'
import { createWaitingLine } from './waiting-line.js'

/** The leader looks at a deployment this often. */
const LOOK_EVERY_S = 5
const HOUR_S = 3_600
/** Within this long, nodes that went after they had come are flapping. */
const FLAP_S = 600

export interface HourOfRun {
  requests: number
  /** First tokens that came later than they should, and those of them that no launch was under way for. */
  misses: number
  missesOutside: number
  /** Node-seconds: wanted, and paid for from the launch to the end. */
  wantedS: number
  paidS: number
  changes: number
}

export interface Run {
  readonly hours: readonly HourOfRun[]
  /** Nodes paid for in each second. */
  readonly nodes: Uint16Array
  /** Ups that were followed by a down within ten minutes. */
  readonly flaps: number
  /** Changes that were decided with frozen gauges. */
  readonly frozenChanges: number
  /** Requests that had no first token by the end. */
  readonly unserved: number
  readonly fleet: Fleet
}

export interface RunTraits extends FleetTraits {
  /** A first token that comes later misses the SLO. */
  readonly sloMs: number
}

/** Decides how many nodes are wanted; sees the fleet each five seconds. */
export type Scaler = (view: ScalingView) => number

/** The product's own decisions. Its state goes through JSON each time, as it does between two leaders. */
export function autoScaler(policy: ScalingPolicy): Scaler {
  let stored = JSON.stringify(NEW_SCALING_STATE)
  return (view) => {
    const { decision, state } = decideScaling(policy, view, readScalingState(JSON.parse(stored)))
    stored = JSON.stringify(state)
    return decision.nodes
  }
}

/** As many all day. */
export function fixedAt(nodes: number): Scaler {
  return () => nodes
}

/** A day in steps of a second, with so many nodes at its beginning. The same day and randomness give the same run. */
export function runDay(
  day: Day,
  traits: RunTraits,
  scaler: Scaler,
  firstNodes: number,
  random: () => number,
): Run {
  const fleet = createFleet(traits, random, firstNodes)
  const line = createWaitingLine()
  const ttft = createTtftWindow()
  const hours: HourOfRun[] = []
  const nodes = new Uint16Array(day.seconds)
  const changes: { readonly atS: number; readonly isUp: boolean; readonly isFrozen: boolean }[] = []
  let wanted = firstNodes
  let request = 0
  let lastRequestS: number | null = null
  let launchingS = -Infinity
  let gauges = { atS: 0, of: new Map<string, ScaledNode>() }

  function observe(nowS: number): ScalingView {
    if (!isWithin(day.frozen, nowS))
      gauges = { atS: nowS, of: new Map(fleet.nodes.map((node) => [node.id, node])) }
    return {
      nowMs: nowS * 1_000,
      wanted,
      serving: fleet
        .of('serving')
        .map(({ id, streams, kvCacheUse }) =>
          gauges.of.has(id) ? { atMs: gauges.atS * 1_000, inFlight: streams, waiting: 0, kvCacheUse } : null,
        ),
      launching: fleet.of('launching').length,
      waiting: line.length,
      lastRequestAtMs: lastRequestS === null ? null : lastRequestS * 1_000,
      p95TtftMs: ttft.p95(nowS),
    }
  }

  function place(nowS: number, hour: HourOfRun): void {
    for (;;) {
      const node = leastLoaded(fleet.nodes)
      const next = node === null ? undefined : line.next()
      if (node === null || next === undefined) return
      const ttftMs = (nowS - next.sinceS) * 1_000 + node.start(next.streamS, nowS)
      if (next.resumed) continue
      ttft.add(ttftMs, nowS)
      if (ttftMs <= traits.sloMs) continue
      hour.misses++
      if (launchingS < next.sinceS) hour.missesOutside++
    }
  }

  for (let nowS = 0; nowS < day.seconds; nowS++) {
    const hour = (hours[Math.floor(nowS / HOUR_S)] ??= newHour())
    for (const streamS of fleet.step(nowS, wanted, isWithin(day.spotShort, nowS)))
      line.add({ sinceS: nowS, streamS, resumed: true })
    for (let count = day.arrivals[nowS] ?? 0; count > 0; count--) {
      line.add({ sinceS: nowS, streamS: day.streamS[request++] ?? 1, resumed: false })
      hour.requests++
      lastRequestS = nowS
    }
    if (fleet.nodes.some(({ stage }) => stage === 'launching')) launchingS = nowS
    place(nowS, hour)
    if (nowS % LOOK_EVERY_S === 0) {
      const to = scaler(observe(nowS))
      if (to !== wanted) {
        changes.push({ atS: nowS, isUp: to > wanted, isFrozen: (nowS - gauges.atS) * 1_000 > STALE_MS })
        hour.changes++
        wanted = to
      }
    }
    hour.wantedS += wanted
    hour.paidS += fleet.nodes.length
    nodes[nowS] = fleet.nodes.length
  }
  return {
    hours,
    nodes,
    flaps: changes.filter(
      ({ atS, isUp }, index) =>
        !isUp && changes.slice(0, index).some((up) => up.isUp && atS - up.atS < FLAP_S),
    ).length,
    frozenChanges: changes.filter(({ isFrozen }) => isFrozen).length,
    unserved: line.length,
    fleet,
  }
}

function newHour(): HourOfRun {
  return { requests: 0, misses: 0, missesOutside: 0, wantedS: 0, paidS: 0, changes: 0 }
}

/** Null: none has room. */
function leastLoaded(nodes: readonly ScaledNode[]): ScaledNode | null {
  let best: ScaledNode | null = null
  for (const node of nodes) {
    if (node.stage === 'serving' && node.hasRoom && (best === null || node.streams < best.streams))
      best = node
  }
  return best
}
