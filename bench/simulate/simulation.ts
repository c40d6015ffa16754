import type { Strategy } from '../../src/core/snapshot.js'
import { seededRandom } from '../nodes/random.js'
import { quantile } from '../statistics.js'
import { drawBursts } from './bursts.js'
import { drawConversations, type Conversation } from './conversations.js'
import { drawFleet } from './fleet.js'
import { createBlockCache, simulateNode, BLOCK_TOKENS, type NodeTraits, type SimulatedNode } from './node.js'
import { simulateProxy, VIEW_AGE_MS, type SimulatedProxy } from './proxy.js'
import { createTimeline, type Timeline } from './timeline.js'

export interface SimulationPlan {
  readonly seed: number
  readonly nodes: number
  readonly proxies: number
  readonly durationMs: number
}

const STRATEGIES: readonly Strategy[] = [
  'round-robin',
  'weighted',
  'least-connections',
  'least-latency',
  'prefix-affinity',
]

export interface LatencyResult {
  readonly requests: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/** Slots in use on average were no node degraded. */
const BURST_UTILISATION = 0.4
const CONVERSATION_UTILISATION = 0.4
/** The fastest node over the slowest. */
const SPEEDS = 3

interface World {
  readonly timeline: Timeline
  readonly nodes: readonly SimulatedNode[]
  readonly ttftMs: number[]
  /** A proxy by chance, as a client's connection would have it. */
  anyProxy(): SimulatedProxy
}

function createWorld(strategy: Strategy, fleet: readonly NodeTraits[], plan: SimulationPlan): World {
  const random = seededRandom(plan.seed + 1)
  const timeline = createTimeline()
  const nodes = fleet.map((traits) => simulateNode(traits, timeline))
  const proxies = Array.from({ length: plan.proxies }, () => simulateProxy(strategy, nodes, timeline, random))
  proxies.forEach((proxy, index) => {
    timeline.every(VIEW_AGE_MS, (VIEW_AGE_MS * index) / proxies.length, () => {
      proxy.look()
    })
  })
  return {
    timeline,
    nodes,
    ttftMs: [],
    anyProxy() {
      const proxy = proxies[Math.floor(random() * proxies.length)]
      if (proxy === undefined) throw new RangeError('a simulation needs a proxy')
      return proxy
    },
  }
}

function latencyOf({ ttftMs }: World): LatencyResult {
  const sorted = ttftMs.toSorted((a, b) => a - b)
  return { requests: sorted.length, p50Ms: quantile(sorted, 0.5), p99Ms: quantile(sorted, 0.99) }
}

/** Unequal nodes, some degraded for a while, under bursts of requests. */
export function simulateBursts(plan: SimulationPlan): Map<Strategy, LatencyResult> {
  const random = seededRandom(plan.seed)
  const fleet = drawFleet({ ...plan, spread: SPEEDS, degraded: true }, random)
  const arrivals = drawBursts(fleet, plan.durationMs, BURST_UTILISATION, random)
  return new Map(
    STRATEGIES.map((strategy) => {
      const world = createWorld(strategy, fleet, plan)
      for (const arrival of arrivals)
        world.timeline.after(arrival.atMs, () => {
          world.anyProxy().send(
            arrival,
            (ttftMs) => world.ttftMs.push(ttftMs),
            () => undefined,
          )
        })
      world.timeline.run()
      return [strategy, latencyOf(world)]
    }),
  )
}

export interface AffinityResult extends LatencyResult {
  /** Share of the prompts' tokens that were in the node's cache. */
  readonly hitRate: number
  /** Of the busiest node over the mean, by time of slots in use. */
  readonly busyImbalance: number
  /** The same by requests. */
  readonly requestImbalance: number
}

export interface ConversationsResult {
  /** Of one node that never forgets. */
  readonly bestHitRate: number
  readonly byStrategy: ReadonlyMap<Strategy, AffinityResult>
}

/** Conversations of several tenants on nodes that are alike. */
export function simulateConversations(
  plan: SimulationPlan,
  strategies: readonly Strategy[] = STRATEGIES,
): ConversationsResult {
  const random = seededRandom(plan.seed)
  const fleet = drawFleet({ ...plan, spread: 1, degraded: false }, random)
  const conversations = drawConversations(fleet, plan.durationMs, CONVERSATION_UTILISATION, random)
  const promptTokens = conversations.flat().reduce((sum, turn) => sum + turn.promptTokens, 0)
  return {
    bestHitRate: bestHits(conversations) / promptTokens,
    byStrategy: new Map(
      strategies.map((strategy) => {
        const world = createWorld(strategy, fleet, plan)
        for (const conversation of conversations) hold(conversation, world)
        world.timeline.run()
        const { nodes } = world
        return [
          strategy,
          {
            ...latencyOf(world),
            hitRate: nodes.reduce((sum, { hitTokens }) => sum + hitTokens, 0) / promptTokens,
            busyImbalance: imbalance(nodes.map(({ busyMs }) => busyMs)),
            requestImbalance: imbalance(nodes.map(({ requests }) => requests)),
          },
        ]
      }),
    ),
  }
}

/** One turn after the other, each a while after the answer to the last one. */
function hold(conversation: Conversation, world: World, at = 0): void {
  const turn = conversation[at]
  if (turn === undefined) return
  world.timeline.after(turn.afterMs, () => {
    world.anyProxy().send(
      turn,
      (ms) => world.ttftMs.push(ms),
      () => {
        hold(conversation, world, at + 1)
      },
    )
  })
}

/** Tokens that one node would have in a cache without bounds, whatever the order of the conversations. */
function bestHits(conversations: readonly Conversation[]): number {
  const cache = createBlockCache(Infinity)
  let hits = 0
  for (const conversation of conversations)
    for (const { blocks, blocksAfter } of conversation) {
      hits += cache.lookUp(blocks) * BLOCK_TOKENS
      cache.add(blocksAfter)
    }
  return hits
}

function imbalance(values: readonly number[]): number {
  return (Math.max(...values) * values.length) / values.reduce((sum, value) => sum + value, 0)
}
