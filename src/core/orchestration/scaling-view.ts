import type { z } from 'zod'
import type { AutoScaling } from '../contract/deployments.js'
import type { NodeStatus } from '../contract/nodes.js'
import type { ModelView } from '../load-book.js'
import type { NodeGauges, ScalingPolicy, ScalingView } from '../scaling/need.js'
import type { NodeLive, QueueSettings } from '../snapshot.js'

/** A node of the deployment that is not terminated. */
export interface ScaledNode {
  readonly id: string
  readonly status: z.infer<typeof NodeStatus>
}

/** A deployment of the model whose number of nodes is decided by load, the one that is looked at included. */
export interface ScaledDeployment {
  readonly id: string
  /** Its nodes that serve or are being launched. */
  readonly nodes: number
}

export interface SeenDeployment {
  readonly nowMs: number
  readonly id: string
  /** Nodes that it is to have, as stored. */
  readonly wanted: number
  readonly nodes: readonly ScaledNode[]
  /** What the leader last saw, by node id. */
  readonly live: ReadonlyMap<string, NodeLive>
  /** What the proxies tell of its model; null: nothing lately. */
  readonly model: ModelView | null
  /** Of the same model. One that is not paused, not over, and scales by itself; whoever is to be woken is one of them. */
  readonly scaled: readonly ScaledDeployment[]
}

/** What is seen of a deployment at one moment, for `decideScaling`. */
export function scalingView(seen: SeenDeployment): ScalingView {
  const { nowMs, id, wanted, nodes, live, model, scaled } = seen
  // One that is ill takes no requests, so it is missing; what it still does may never be known again, and must not freeze all.
  const serving = nodes.filter(
    ({ id: node, status }) => status === 'active' && live.get(node)?.healthy !== false,
  )
  const waiting = model?.waiting ?? null
  return {
    nowMs,
    wanted,
    serving: serving.map((node) => gaugesOf(live.get(node.id), model)),
    launching: nodes.filter(({ status }) => status === 'launching').length,
    waiting: waiting === null ? null : shareOf(id, waiting, scaled),
    lastRequestAtMs: model?.lastRequestAtMs ?? null,
    p95TtftMs: model?.p95TtftMs ?? null,
  }
}

/** What an administrator set, as the autoscaler takes it. Without a queue nobody can wait for a deployment that sleeps. */
export function scalingPolicy(
  { min_nodes, max_nodes, target_concurrency, target_ttft_ms }: z.infer<typeof AutoScaling>,
  { maxDepth }: Pick<QueueSettings, 'maxDepth'>,
): ScalingPolicy {
  return {
    minNodes: min_nodes,
    maxNodes: max_nodes,
    targetConcurrency: target_concurrency,
    targetTtftMs: target_ttft_ms,
    waitingRoom: maxDepth > 0,
  }
}

/**
 * A node's load: the engine's own count, or that of the proxies where it is greater (the engine's is a moment old) or the
 * engine tells none. Null: not known.
 */
function gaugesOf(live: NodeLive | undefined, model: ModelView | null): NodeGauges | null {
  if (live === undefined) return null
  const { running, waiting, kvCacheUsage, proxies, observedAt } = live
  if (running === null && (live.tellsLoad || model === null)) return null
  const inEngine = waiting ?? 0
  // Proxies count what waits in the engine as well; a node of which they say nothing has nothing of theirs.
  const fromProxies = Math.max(0, (proxies?.inFlight ?? 0) - inEngine)
  return {
    atMs: observedAt,
    inFlight: Math.max(running ?? 0, fromProxies),
    waiting: inEngine,
    kvCacheUse: kvCacheUsage,
  }
}

/**
 * The part of what waits for a model that one of its deployments is to make room for: by their nodes, rounded up; all of it
 * falls to the oldest where none has any, so that one is woken, and not all.
 */
function shareOf(id: string, waiting: number, scaled: readonly ScaledDeployment[]): number {
  const nodes = scaled.reduce((sum, deployment) => sum + deployment.nodes, 0)
  const own = scaled.find((deployment) => deployment.id === id)
  if (own === undefined) return 0
  if (nodes > 0) return Math.ceil((waiting * own.nodes) / nodes)
  return scaled.every((deployment) => own.id <= deployment.id) ? waiting : 0
}
