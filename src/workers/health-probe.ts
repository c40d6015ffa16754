import type { Pool } from 'pg'
import type { Logger } from 'pino'
import type { LoadBook } from '../core/load-book.js'
import { DEFAULT_ROUTE, type HealthCheck, type NodeLive, type Snapshot } from '../core/snapshot.js'
import { pruneChanges, readVersion } from '../io/changes.js'
import { readNodeLive, writeNodeLive } from '../io/node-live.js'
import { loadQuery } from '../io/postgres.js'
import type { RedisClient } from '../io/redis.js'
import { loadSnapshot } from '../io/snapshot-load.js'
import { pause } from './leadership.js'
import type { NodeClient } from './node-client.js'
import { type NodeWatch, watchNode } from './node-watch.js'

export interface HealthProbeOptions {
  readonly postgres: Pool
  readonly redis: RedisClient | null
  readonly client: NodeClient
  /** What proxies tell of their load. */
  readonly loads: LoadBook
  readonly logger: Logger
  /** Unix milliseconds. */
  readonly now: () => number
  /** 0 up to 1. */
  readonly random: () => number
}

const FINISH_TERMINATING = loadQuery('nodes-finish-terminating')
const HEALTH_EVENT = loadQuery('node-events-health')
const PRUNE_IDEMPOTENCY = loadQuery('idempotency-prune')

const TICK_MS = 1_000
const PRUNE_EVERY_MS = 60_000
/** Proxies that start look back this long at most. */
const KEEP_CHANGES_SECONDS = 3_600
/** What a leader left longer ago says nothing of a node's health now. */
const INHERIT_MS = 60_000

/**
 * Part of the leader's work: watches every node, tells what it sees each second, ends the termination of nodes that have
 * run dry, prunes what is no longer needed. Runs until the signal; a store that does
 * not answer is asked again.
 */
export async function probeNodes(options: HealthProbeOptions, signal: AbortSignal): Promise<void> {
  const { postgres, redis, loads, logger, now } = options
  const watches = new Map<string, NodeWatch>()
  let snapshot: Snapshot | null = null
  let inherited: ReadonlyMap<string, NodeLive> = new Map()
  let answering = true
  let prunedAt = 0

  const healthCheckOf = (modelId: string): HealthCheck =>
    snapshot?.routes.find((route) => route.modelId === modelId)?.healthCheck ?? DEFAULT_ROUTE.healthCheck

  async function look(): Promise<Snapshot> {
    if (snapshot !== null) {
      // While Postgres is away nothing changes there, and what is seen of the nodes still goes to Redis.
      const version = await readVersion(postgres).catch(() => null)
      if (version === null || version === snapshot.version) return snapshot
    }
    if (snapshot === null) inherited = await recentlySeen(options)
    snapshot = await loadSnapshot(postgres)
    await follow(snapshot)
    return snapshot
  }

  /** Watches exactly the nodes of the snapshot that may serve something. */
  async function follow({ nodes, models }: Snapshot): Promise<void> {
    const wanted = new Map(
      nodes
        .filter(({ status }) => status !== 'launching' && status !== 'failed')
        .map((node) => [node.id, node]),
    )
    for (const [id, watch] of watches) {
      // A node may come back at another address: of that nothing is known yet.
      if (wanted.get(id)?.endpointUrl === watch.node.endpointUrl) continue
      watches.delete(id)
      await watch.stop()
    }
    for (const node of wanted.values()) {
      if (watches.has(node.id)) continue
      const onTurn = (healthy: boolean, why: string) => {
        logger.warn({ event: 'node_health', node: node.clusterName, healthy, why })
        postgres.query(HEALTH_EVENT, [node.id, healthy, why]).catch((error: unknown) => {
          logger.warn({ event: 'node_health_not_logged', node: node.clusterName, error })
        })
      }
      const { client, random } = options
      const watch = watchNode({
        node,
        client,
        now,
        random,
        modelType: models.find(({ id }) => id === node.modelId)?.type ?? 'chat',
        healthCheck: () => healthCheckOf(node.modelId),
        wasHealthy: inherited.get(node.id)?.healthy ?? true,
        toldLoad: inherited.get(node.id)?.tellsLoad ?? false,
        proxies: () => loads.view(node.id, now()),
        onTurn,
      })
      watches.set(node.id, watch)
    }
  }

  async function tick(): Promise<void> {
    const { nodes } = await look()
    loads.sweep(now())
    const live = [...watches.values()].map((watch) => watch.live())
    await writeNodeLive({ postgres, redis }, live)
    if (nodes.some(({ status }) => status === 'terminating')) {
      const idle = live.filter(
        ({ healthy, running, waiting, proxies }) =>
          (proxies?.inFlight ?? 0) === 0 && (!healthy || (running === 0 && (waiting ?? 0) === 0)),
      )
      await postgres.query(FINISH_TERMINATING, [idle.map(({ nodeId }) => nodeId)])
    }
    if (now() - prunedAt >= PRUNE_EVERY_MS) {
      await pruneChanges(postgres, KEEP_CHANGES_SECONDS)
      await postgres.query(PRUNE_IDEMPOTENCY)
      prunedAt = now()
    }
  }

  try {
    while (!signal.aborted) {
      const startedAt = performance.now()
      try {
        await tick()
        answering = true
      } catch (error) {
        if (answering) logger.warn({ event: 'health_probe_interrupted', error })
        answering = false
      }
      await pause(Math.max(0, TICK_MS - (performance.now() - startedAt)), signal)
    }
  } finally {
    await Promise.all([...watches.values()].map((watch) => watch.stop()))
  }
}

/** What the leader before saw, so that a change of leader does not make unhealthy nodes healthy for a while. */
async function recentlySeen({ postgres, redis, now }: HealthProbeOptions): Promise<Map<string, NodeLive>> {
  const seen = await readNodeLive({ postgres, redis })
  return new Map([...seen].filter(([, { observedAt }]) => now() - observedAt < INHERIT_MS))
}
