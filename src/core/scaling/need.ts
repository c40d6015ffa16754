import type { TooFew } from './state.js'

/** What an administrator set for a deployment. */
export interface ScalingPolicy {
  readonly minNodes: number
  readonly maxNodes: number
  /** Requests for each node; null: the number of requests says nothing. */
  readonly targetConcurrency: number | null
  /** Milliseconds that p95 of TTFT should stay below; null: TTFT says nothing. */
  readonly targetTtftMs: number | null
  /** Whether requests are held while no node serves. Only then may there be none. */
  readonly waitingRoom: boolean
}

/** What is known of one node that serves. */
export interface NodeGauges {
  /** Unix milliseconds of the oldest of the figures. */
  readonly atMs: number
  /** Requests that run on it, whoever sent them. */
  readonly inFlight: number
  /** Requests that wait in its engine. */
  readonly waiting: number
  /** 0 to 1; null: the engine does not say. */
  readonly kvCacheUse: number | null
}

/** A deployment at one moment. */
export interface ScalingView {
  /** Unix milliseconds. */
  readonly nowMs: number
  /** Nodes that are wanted now, as stored. */
  readonly wanted: number
  /** Nodes that take requests: neither launching nor on their way out. Null: nothing is known of one. */
  readonly serving: readonly (NodeGauges | null)[]
  readonly launching: number
  /** Requests that wait in the gateway, for a full model or a cold one; null: not known. */
  readonly waiting: number | null
  /** Unix milliseconds of the last request for the model, refused ones included; null: none is known of. */
  readonly lastRequestAtMs: number | null
  /** Of the last half minute, over all proxies; null: no request, or not known. */
  readonly p95TtftMs: number | null
}

/** Nodes for a load, before any bounds, and why so many. */
export interface Need {
  readonly nodes: number
  readonly reason: string
  /** Requests at the nodes and waiting. */
  readonly requests: number
  /** Without what TTFT asks for. */
  readonly forLoad: number
}

/** No deployment has more; more is never worth counting. */
export const MOST_NODES = 1_000
/** The gauges are read each second, and told by agents each ten: what is older is not known. */
export const STALE_MS = 15_000
/** A node's KV cache is full enough at this much: beyond it engines preempt requests. */
const KV_CACHE_TARGET = 0.8
/** With TTFT below this share of its target a node fewer may do. */
const TTFT_COMFORT = 0.5
/** A load that is this share of one that was too much is too much as well. */
const TOO_FEW_SHARE = 0.7
/** For so long it is remembered that a number of nodes was too few. */
const TOO_FEW_FOR_MS = 2 * 3_600_000
/** Sums of fractions miss whole numbers by less. */
const ROUNDING = 1e-9

/**
 * Why no decision can be made on this view; null: one can. A node of which nothing is known might be idle or
 * overwhelmed, so that it makes the sum over all of them worthless.
 */
export function staleness({ nowMs, serving, waiting }: ScalingView): string | null {
  if (waiting === null) return 'it is not known how many requests wait'
  const stale = serving.filter((gauges) => gauges === null || Math.abs(nowMs - gauges.atMs) > STALE_MS).length
  return stale === 0 ? null : `nothing new is known of ${stale} of ${nodeWords(serving.length)}`
}

/**
 * Nodes that the load of a view needs. Grows with each of its figures and with nothing else. To be called with a view
 * that is not stale.
 * @param ttftCounts false while a change works its way through: what TTFT says is of the time before
 */
export function nodesNeeded(
  policy: ScalingPolicy,
  view: ScalingView,
  ttftCounts: boolean,
  tooFew: TooFew | null,
): Need {
  const known = view.serving.filter((gauges) => gauges !== null)
  const requests = known.reduce((sum, { inFlight, waiting }) => sum + inFlight + waiting, view.waiting ?? 0)
  const kvCache = known.reduce((sum, { kvCacheUse }) => sum + (kvCacheUse ?? 0), 0)
  const says: (readonly [nodes: number, reason: string])[] = [
    [Math.min(1, requests), requests === 1 ? '1 request' : `${requests} requests`],
  ]
  const { targetConcurrency } = policy
  if (targetConcurrency !== null && requests > 0)
    says.push([
      up(requests / targetConcurrency),
      `${requests} requests at ${targetConcurrency} for each node`,
    ])
  if (kvCache > 0)
    says.push([up(kvCache / KV_CACHE_TARGET), `KV caches of ${kvCache.toFixed(2)} nodes in use`])
  if (
    tooFew !== null &&
    requests > 0 &&
    requests >= tooFew.requests * TOO_FEW_SHARE &&
    view.nowMs - tooFew.atMs < TOO_FEW_FOR_MS
  )
    says.push([tooFew.nodes, `fewer nodes were too slow for ${tooFew.requests} requests`])
  const [forLoad] = greatest(says)
  const ttft = ttftCounts ? nodesForTtft(policy, view, known) : null
  if (ttft !== null) says.push(ttft)
  const [nodes, reason] = greatest(says)
  return { nodes: Math.min(MOST_NODES, nodes), reason, requests, forLoad: Math.min(MOST_NODES, forLoad) }
}

/**
 * TTFT tells only whether there are too few, not how many are missing: one more at a time. Where nothing else is told it
 * alone has to lead down again, one less at a time.
 */
function nodesForTtft(
  { targetConcurrency, targetTtftMs }: ScalingPolicy,
  { wanted, p95TtftMs }: ScalingView,
  known: readonly NodeGauges[],
): readonly [number, string] | null {
  if (targetTtftMs === null || p95TtftMs === null) return null
  const words = `p95 of TTFT is ${Math.round(p95TtftMs)} ms of ${targetTtftMs} ms`
  if (p95TtftMs > targetTtftMs) return [wanted + 1, words]
  if (p95TtftMs > targetTtftMs * TTFT_COMFORT) return [wanted, words]
  const isAlone = targetConcurrency === null && known.every(({ kvCacheUse }) => kvCacheUse === null)
  return isAlone ? [wanted - 1, words] : null
}

function up(nodes: number): number {
  return Math.ceil(nodes - ROUNDING)
}

/** The first of the greatest. */
function greatest(says: readonly (readonly [nodes: number, reason: string])[]): readonly [number, string] {
  return says.reduce((most, one) => (one[0] > most[0] ? one : most), [-1, ''] as const)
}

/** `1 node`, `2 nodes`. */
export function nodeWords(nodes: number): string {
  return nodes === 1 ? '1 node' : `${nodes} nodes`
}
