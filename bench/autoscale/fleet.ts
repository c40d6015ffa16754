import type { Market } from '../../src/core/machine.js'
import { inOrderOfLeaving } from '../../src/core/scaling/leaving.js'
import { estimateLaunch, launched, type Launch } from '../../src/core/scaling/launch-estimate.js'
import { chooseMarket, spotAnswered, type SpotShortage } from '../../src/core/scaling/spot.js'
import { exponential } from '../simulate/bursts.js'
import { createScaledNode, type ScaledNode } from './node.js'

/** How machines behave, and what is asked for. */
export interface FleetTraits {
  /** Median of a launch, in seconds; it varies by a factor of two or so. */
  readonly launchS: number
  /** On average a spot machine is taken away after so many hours. */
  readonly spotHours: number
  readonly useSpot: boolean
  readonly fallbackOnDemandAfterS: number
}

const LAUNCH_SPREAD = 0.4
/** A provider needs so long to say that it has no machine. */
const REFUSED_AFTER_S = 20
/** Between the warning and the end of a spot machine. */
const NOTICE_S = 120

export interface Fleet {
  readonly nodes: readonly ScaledNode[]
  readonly preemptions: number
  readonly refusals: number
  readonly exchanges: number
  /** Launches that ended within what had been said when they began, and all that ended. */
  readonly inTime: number
  readonly launches: number
  of(stage: ScaledNode['stage']): ScaledNode[]
  /**
   * One second: launches end, machines are taken away, drained nodes go; then as many are launched or drained as are wanted.
   * @returns seconds that the streams of machines that are gone still had: they go on elsewhere
   */
  step(nowS: number, wanted: number, isSpotShort: boolean): number[]
}

/**
 * The nodes of one deployment and what keeps them at the number that is wanted.
 * @param serving nodes that it begins with
 */
export function createFleet(traits: FleetTraits, random: () => number, serving = 0): Fleet {
  let nodes: ScaledNode[] = []
  let history: Launch[] = []
  let shortage: SpotShortage | null = null
  let made = 0
  let exchanging: ScaledNode | null = null
  /** What was said of each launch when it began, in milliseconds. */
  const said = new WeakMap<ScaledNode, number>()
  const counts = { preemptions: 0, refusals: 0, exchanges: 0, inTime: 0, launches: 0 }
  const of = (stage: ScaledNode['stage']) => nodes.filter((node) => node.stage === stage)

  function launch(market: Market, nowS: number, isSpotShort: boolean): ScaledNode {
    const refused = market === 'spot' && isSpotShort
    const tookS = traits.launchS * Math.exp(LAUNCH_SPREAD * normal(random))
    const node = createScaledNode({
      id: `node-${made++}`,
      market,
      launchedAtS: nowS,
      upAtS: nowS + Math.ceil(refused ? REFUSED_AFTER_S : tookS),
      refused,
    })
    said.set(node, estimateLaunch(history, 0, nowS * 1_000).ms)
    nodes.push(node)
    return node
  }

  function remove(node: ScaledNode): void {
    nodes = nodes.filter((other) => other !== node)
    if (node === exchanging) exchanging = null
  }

  function serve(node: ScaledNode, nowS: number): void {
    node.stage = 'serving'
    if (node.market === 'spot')
      node.goneAtS = nowS + NOTICE_S + Math.ceil(exponential(traits.spotHours * 3_600, random))
  }

  function launchEnds(node: ScaledNode, nowS: number): void {
    if (node.market === 'spot') {
      const outcome = node.refused ? 'no_capacity' : 'granted'
      shortage = spotAnswered(shortage, outcome, node.launchedAtS * 1_000, nowS * 1_000)
    }
    if (node.refused) {
      counts.refusals++
      remove(node)
      return
    }
    const launch = { atMs: nowS * 1_000, tookMs: (nowS - node.launchedAtS) * 1_000 }
    counts.launches++
    if (launch.tookMs <= (said.get(node) ?? 0)) counts.inTime++
    history = launched(history, launch)
    serve(node, nowS)
    if (node === exchanging) {
      counts.exchanges++
      exchanging = null
    }
  }

  function reconcile(nowS: number, wanted: number, isSpotShort: boolean): void {
    const { useSpot, fallbackOnDemandAfterS } = traits
    const policy = { useSpot, fallbackOnDemandAfterMs: fallbackOnDemandAfterS * 1_000 }
    const staying = nodes.filter(({ stage }) => stage !== 'leaving')
    const onDemand = staying.filter(({ market }) => market === 'on_demand').length
    const choice = chooseMarket(policy, shortage, onDemand, nowS * 1_000)
    const surplus = staying.length - wanted - (exchanging === null ? 0 : 1)
    for (let missing = -surplus; missing > 0; missing--) launch(choice.market, nowS, isSpotShort)
    if (surplus > 0) {
      const candidates = staying.map((node) => ({
        id: node.id,
        market: node.market,
        streams: node.streams,
        launching: node.stage === 'launching',
        launchedAtMs: node.launchedAtS * 1_000,
        node,
      }))
      for (const { node } of inOrderOfLeaving(candidates, useSpot).slice(0, surplus)) {
        if (node.stage === 'launching') remove(node)
        else node.stage = 'leaving'
      }
    }
    const isQuiet = surplus === 0 && staying.length === nodes.length && of('launching').length === 0
    if (isQuiet && choice.exchange) exchanging = launch(choice.market, nowS, isSpotShort)
  }

  for (let count = 0; count < serving; count++)
    serve(launch(traits.useSpot ? 'spot' : 'on_demand', 0, false), 0)

  return {
    get nodes() {
      return nodes
    },
    get preemptions() {
      return counts.preemptions
    },
    get refusals() {
      return counts.refusals
    },
    get exchanges() {
      return counts.exchanges
    },
    get inTime() {
      return counts.inTime
    },
    get launches() {
      return counts.launches
    },
    of,
    step(nowS, wanted, isSpotShort) {
      const cut: number[] = []
      for (const node of [...nodes]) {
        node.step(nowS)
        if (node.stage === 'launching' && node.upAtS <= nowS) launchEnds(node, nowS)
        if (node.stage === 'serving' && node.goneAtS - NOTICE_S <= nowS) {
          node.stage = 'leaving'
          counts.preemptions++
        }
        if (node.stage !== 'leaving') continue
        if (node.streams > 0 && node.goneAtS > nowS) continue
        cut.push(...node.cut(nowS))
        remove(node)
      }
      reconcile(nowS, wanted, isSpotShort)
      return cut
    },
  }
}

/** Of the normal distribution (Box and Muller). */
function normal(random: () => number): number {
  return Math.sqrt(exponential(2, random)) * Math.cos(2 * Math.PI * random())
}
