import { z } from 'zod'
import { NodeEngine, NodeStatus } from '../../core/contract/nodes.js'
import { GatewayError } from '../../core/errors.js'
import { healthScore } from '../../core/health-score.js'
import { dollarsOfMicros } from '../../core/money.js'
import type { NodeLive } from '../../core/snapshot.js'
import { loadQuery } from '../../io/postgres.js'
import { type Queryable, rowOf, theRowOf } from '../../io/query.js'
import { audit } from '../audit.js'
import type { HandlerContext } from './handler.js'

const FIND = loadQuery('nodes-find')
const LOCK = loadQuery('nodes-lock')
const GET = loadQuery('nodes-get')

/** What the leader saw longer ago than this counts as unknown. */
const STALE_MS = 5_000

export const NodeRow = z.object({
  id: z.string(),
  cluster_name: z.string(),
  model_id: z.string(),
  model_name: z.string(),
  deployment_id: z.string().nullable(),
  endpoint_url: z.string().nullable(),
  upstream_model: z.string(),
  provider: z.string(),
  region: z.string().nullable(),
  engine: NodeEngine,
  engine_version: z.string().nullable(),
  weight: z.number(),
  max_concurrency: z.number().nullable(),
  has_api_key: z.boolean(),
  price_per_hour_micros: z.coerce.number().nullable(),
  status: NodeStatus,
  status_changed_at: z.date(),
  terminates_at: z.date().nullable(),
  last_heartbeat_at: z.date().nullable(),
  version: z.coerce.number(),
  created_at: z.date(),
  updated_at: z.date(),
})
export type NodeRow = z.infer<typeof NodeRow>
export type NodeStatus = z.infer<typeof NodeStatus>

const Id = z.object({ id: z.string() })

/** What the leader saw of nodes, by node id. */
export type Seen = ReadonlyMap<string, NodeLive>
export const NOTHING_SEEN: Seen = new Map()

/** What the leader saw lately. */
export async function lately({
  readNodeLive,
  now,
}: Pick<HandlerContext, 'readNodeLive' | 'now'>): Promise<Seen> {
  const since = now.getTime() - STALE_MS
  return new Map([...(await readNodeLive())].filter(([, live]) => live.observedAt > since))
}

/** What is known of a node at the moment, as the API shows it; null: not known. */
export function liveShown(row: Pick<NodeRow, 'id' | 'status'>, seen: Seen) {
  const live = row.status === 'terminated' ? undefined : seen.get(row.id)
  const status: NodeStatus = row.status === 'active' && live?.healthy === false ? 'unhealthy' : row.status
  const proxies = live?.proxies ?? null
  return {
    status,
    healthy: live?.healthy ?? null,
    health_score: live === undefined ? null : healthScore(live),
    // A proxy that has nothing to say of a node has nothing against it.
    breaker: live === undefined ? null : (proxies?.breaker ?? 'admitting'),
    rejected_by: live === undefined ? null : (proxies?.rejectedBy ?? 0),
    in_flight: proxies?.inFlight ?? live?.running ?? null,
    queue_depth: live?.waiting ?? null,
    kv_cache_usage: live?.kvCacheUsage ?? null,
    observed_at: live === undefined ? null : new Date(live.observedAt).toISOString(),
  }
}

/** Requests that a node has still to answer, by its engine and by the proxies; null: not known. */
export function unanswered(row: Pick<NodeRow, 'id'>, seen: Seen): number | null {
  const live = seen.get(row.id)
  const atEngine = live?.running == null ? null : live.running + (live.waiting ?? 0)
  const ofProxies = live?.proxies?.inFlight ?? null
  return atEngine === null ? ofProxies : Math.max(atEngine, ofProxies ?? 0)
}

/** A node as the API shows it. */
export function shownNode(row: NodeRow, seen: Seen) {
  const { price_per_hour_micros: price, version: _version, ...same } = row
  const proxies = row.status === 'terminated' ? null : seen.get(row.id)?.proxies
  return {
    ...same,
    price_per_hour: price === null ? null : dollarsOfMicros(price),
    ...liveShown(row, seen),
    avg_ttft_ms: rounded(proxies?.ttftMs),
    avg_itl_ms: rounded(proxies?.itlMs),
    status_changed_at: row.status_changed_at.toISOString(),
    terminates_at: row.terminates_at?.toISOString() ?? null,
    last_heartbeat_at: row.last_heartbeat_at?.toISOString() ?? null,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  }
}

function rounded(ms: number | null | undefined): number | null {
  return ms === null || ms === undefined ? null : Math.round(ms * 10) / 10
}

/** The node of this id, which must exist. */
export function theNode(db: Queryable, id: string): Promise<NodeRow> {
  return theRowOf(db, GET, NodeRow, [id])
}

/** @throws GatewayError not_found when there is no node of this name */
export async function findNode(db: Queryable, name: string): Promise<NodeRow> {
  const found = await rowOf(db, FIND, Id, [name])
  if (found === null) throw noNode(name)
  return theNode(db, found.id)
}

/** As {@link findNode}, with its row locked. @throws GatewayError precondition_failed as well */
export async function lockNode({ db, requireVersion }: HandlerContext, name: string): Promise<NodeRow> {
  const found = await rowOf(db, LOCK, Id, [name])
  if (found === null) throw noNode(name)
  // Read by a statement of its own: one that has waited for the lock would still see the row joined as of before.
  const row = await theNode(db, found.id)
  requireVersion(row.version)
  return row
}

function noNode(name: string): GatewayError {
  return new GatewayError('not_found', { param: 'cluster_name', message: `There is no node '${name}'.` })
}

/** @throws GatewayError invalid_state when the node is in none of these */
export function requireStatus(node: Pick<NodeRow, 'status'>, statuses: readonly NodeStatus[]): void {
  if (statuses.includes(node.status)) return
  throw new GatewayError('invalid_state', { message: `The node is ${node.status}.` })
}

/** The node after a change that has been made, which the audit log learns of here. */
export async function auditNodeChange(
  context: HandlerContext,
  action: string,
  before: NodeRow,
): Promise<NodeRow> {
  const after = await theNode(context.db, before.id)
  await audit(context, {
    action,
    targetType: 'node',
    targetId: before.id,
    before: shownNode(before, NOTHING_SEEN),
    after: shownNode(after, NOTHING_SEEN),
  })
  return after
}
