import type { EngineLoad } from '../core/engine-metrics.js'
import { NEW_NODE, type NodeHealth, probed } from '../core/node-health.js'
import type { HealthCheck, NodeLive, SnapshotNode } from '../core/snapshot.js'
import { pause } from './leadership.js'
import type { NodeClient } from './node-client.js'

export interface NodeWatchOptions {
  readonly node: SnapshotNode
  readonly client: NodeClient
  /** Settings of the moment: they may change while the node is watched. */
  readonly healthCheck: () => HealthCheck
  /** What the leader before this one found. */
  readonly wasHealthy: boolean
  /** Unix milliseconds. */
  readonly now: () => number
  /** 0 up to 1. */
  readonly random: () => number
  readonly onTurn: (healthy: boolean) => void
}

export interface NodeWatch {
  readonly node: SnapshotNode
  /** What is known of the node now. */
  live(): NodeLive
  /** Stops asking. */
  stop(): Promise<void>
}

const SCRAPE_MS = 1_000
/** A load that was read longer ago is not told as the present one. */
const LOAD_STALE_MS = 4_000
/** A server that has no metrics is asked this seldom. */
const NO_METRICS_MS = 15_000
/** Share of an interval by which probes are spread, so that they don't come all at once. */
const JITTER = 0.2

/** Watches one node: its health by the route's settings, its load every second. */
export function watchNode(options: NodeWatchOptions): NodeWatch {
  const { node, client, healthCheck, now, random, onTurn } = options
  const stopping = new AbortController()
  const { signal } = stopping
  let health: NodeHealth = options.wasHealthy ? NEW_NODE : { healthy: false, against: 0 }
  let load: EngineLoad | null = null
  let loadedAt = 0

  async function probe(): Promise<void> {
    // The first probe soon, but not that of all nodes in the same moment.
    await pause(random() * Math.min(1_000, healthCheck().intervalSeconds * 1_000), signal)
    while (!signal.aborted) {
      const { intervalSeconds, timeoutSeconds } = healthCheck()
      const succeeded = await client.isHealthy(node, timeoutSeconds * 1_000, signal)
      const before = health
      health = probed(health, succeeded, healthCheck())
      if (health.healthy !== before.healthy && !signal.aborted) onTurn(health.healthy)
      await pause(intervalSeconds * 1_000 * (1 + (random() - 0.5) * JITTER), signal)
    }
  }

  async function scrape(): Promise<void> {
    await pause(random() * SCRAPE_MS, signal)
    while (!signal.aborted) {
      const startedAt = performance.now()
      const found = await client.load(node, signal)
      if (found !== null) {
        load = found
        loadedAt = now()
      }
      const every = found !== null && tellsNothing(found) ? NO_METRICS_MS : SCRAPE_MS
      await pause(Math.max(0, every - (performance.now() - startedAt)), signal)
    }
  }

  const loops = [probe(), scrape()]
  return {
    node,
    live() {
      const at = now()
      const known = load !== null && at - loadedAt <= LOAD_STALE_MS ? load : null
      return {
        nodeId: node.id,
        healthy: health.healthy,
        running: known?.running ?? null,
        waiting: known?.waiting ?? null,
        kvCacheUsage: known?.kvCacheUsage ?? null,
        observedAt: at,
      }
    },
    async stop() {
      stopping.abort()
      await Promise.all(loops)
    },
  }
}

function tellsNothing({ running, waiting, kvCacheUsage }: EngineLoad): boolean {
  return running === null && waiting === null && kvCacheUsage === null
}
