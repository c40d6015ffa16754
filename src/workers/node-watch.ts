import type { EngineLoad } from '../core/engine-metrics.js'
import type { ProxiesView } from '../core/load-book.js'
import { needsProof, NEW_NODE, type NodeHealth, probed } from '../core/node-health.js'
import type { HealthCheck, ModelType, NodeLive, SnapshotNode } from '../core/snapshot.js'
import { pause } from './leadership.js'
import type { NodeClient } from './node-client.js'

export interface NodeWatchOptions {
  readonly node: SnapshotNode
  readonly modelType: ModelType
  readonly client: NodeClient
  /** Settings of the moment: they may change while the node is watched. */
  readonly healthCheck: () => HealthCheck
  /** What the leader before this one found: its health, and whether its engine tells its load. */
  readonly wasHealthy: boolean
  readonly toldLoad: boolean
  /** What the proxies told of it lately. */
  readonly proxies: () => ProxiesView | null
  /** Unix milliseconds. */
  readonly now: () => number
  /** 0 up to 1. */
  readonly random: () => number
  /** Its health turned, or whether its health check is to be believed. */
  readonly onTurn: (healthy: boolean, why: string) => void
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
  const { node, modelType, client, healthCheck, proxies, now, random, onTurn } = options
  const stopping = new AbortController()
  const { signal } = stopping
  let health: NodeHealth = options.wasHealthy ? NEW_NODE : { healthy: false, against: 0 }
  /** Its health check fails although it generates. */
  let checkLies = false
  let load: EngineLoad | null = null
  let loadedAt = 0
  let tellsLoad = options.toldLoad

  function judge(answers: boolean, generates: boolean): void {
    const before = { healthy: health.healthy, checkLies }
    health = probed(health, answers || generates, healthCheck())
    if (answers || !health.healthy) checkLies = false
    else if (generates) checkLies = true
    if (health.healthy === before.healthy && checkLies === before.checkLies) return
    const works = checkLies ? 'its health check fails, but it generates' : 'its health check succeeds again'
    onTurn(health.healthy, health.healthy ? works : 'its health check fails')
  }

  async function probe(): Promise<void> {
    // The first probe soon, but not that of all nodes in the same moment.
    await pause(random() * Math.min(1_000, healthCheck().intervalSeconds * 1_000), signal)
    while (!signal.aborted) {
      const { intervalSeconds, timeoutSeconds } = healthCheck()
      const answers = await client.isHealthy(node, timeoutSeconds * 1_000, signal)
      const generates =
        !answers && needsProof(health, healthCheck()) && (await client.generates(node, modelType, signal))
      if (!signal.aborted) judge(answers, generates)
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
        tellsLoad ||= !tellsNothing(found)
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
        tellsLoad,
        proxies: proxies(),
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
