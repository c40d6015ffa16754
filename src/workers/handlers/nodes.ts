import { uuidv7 } from 'uuidv7'
import { z } from 'zod'
import {
  drainNode,
  getNode,
  listNodes,
  NodeEngine,
  NodeStatus,
  registerNode,
  terminateNode,
  undrainNode,
} from '../../core/contract/nodes.js'
import { GatewayError } from '../../core/errors.js'
import { dollarsOfMicros, microsOfDollars } from '../../core/money.js'
import { normalNodeUrl } from '../../core/node-url.js'
import type { NodeLive } from '../../core/snapshot.js'
import { loadQuery } from '../../io/postgres.js'
import { pageOf, rowOf, theRowOf } from '../../io/query.js'
import { loadSortedQuery } from '../../io/sorted-query.js'
import { audit } from '../audit.js'
import { handle, type Handler, type HandlerContext, Versioned } from './handler.js'
import { listing } from './listing.js'

const LIST = loadSortedQuery('nodes-list')
const GET = loadQuery('nodes-get')
const LOCK = loadQuery('nodes-lock')
const INSERT = loadQuery('nodes-insert')
const SET_STATUS = loadQuery('nodes-set-status')
const LOCK_MODEL = loadQuery('models-lock-by-name')

/** What the leader saw longer ago than this counts as unknown. */
const STALE_MS = 5_000

const NodeRow = z.object({
  id: z.string(),
  cluster_name: z.string(),
  model_id: z.string(),
  model_name: z.string(),
  endpoint_url: z.string(),
  upstream_model: z.string(),
  provider: z.string(),
  region: z.string().nullable(),
  engine: NodeEngine,
  weight: z.number(),
  max_concurrency: z.number().nullable(),
  has_api_key: z.boolean(),
  price_per_hour_micros: z.coerce.number().nullable(),
  status: NodeStatus,
  version: z.coerce.number(),
  created_at: z.date(),
  updated_at: z.date(),
})
type NodeRow = z.infer<typeof NodeRow>
type NodeStatus = z.infer<typeof NodeStatus>

const NOTHING_SEEN: ReadonlyMap<string, NodeLive> = new Map()

function shown(row: NodeRow, seen: ReadonlyMap<string, NodeLive>) {
  const { price_per_hour_micros: price, version: _version, ...same } = row
  const live = row.status === 'terminated' ? undefined : seen.get(row.id)
  const status: NodeStatus = row.status === 'active' && live?.healthy === false ? 'unhealthy' : row.status
  return {
    ...same,
    price_per_hour: price === null ? null : dollarsOfMicros(price),
    status,
    healthy: live?.healthy ?? null,
    in_flight: live?.running ?? null,
    queue_depth: live?.waiting ?? null,
    kv_cache_usage: live?.kvCacheUsage ?? null,
    observed_at: live === undefined ? null : new Date(live.observedAt).toISOString(),
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  }
}

function versioned(row: NodeRow, seen: ReadonlyMap<string, NodeLive>) {
  return new Versioned(shown(row, seen), row.version)
}

/** What the leader saw lately, by node id. */
async function lately({ readNodeLive, now }: HandlerContext): Promise<Map<string, NodeLive>> {
  const since = now.getTime() - STALE_MS
  return new Map([...(await readNodeLive())].filter(([, live]) => live.observedAt > since))
}

function noNode(name: string): GatewayError {
  return new GatewayError('not_found', { param: 'cluster_name', message: `There is no node '${name}'.` })
}

async function lock({ db, requireVersion }: HandlerContext, name: string): Promise<NodeRow> {
  const row = await rowOf(db, LOCK, NodeRow, [name])
  if (row === null) throw noNode(name)
  requireVersion(row.version)
  return row
}

/** Moves a node to another status; to the one that it has already is no change. */
async function setStatus(context: HandlerContext, action: string, before: NodeRow, status: NodeStatus) {
  if (before.status === status) return versioned(before, await lately(context))
  await context.db.query(SET_STATUS, [before.id, status])
  const after = await theRowOf(context.db, GET, NodeRow, [before.cluster_name])
  await audit(context, {
    action,
    targetType: 'node',
    targetId: before.id,
    before: shown(before, NOTHING_SEEN),
    after: shown(after, NOTHING_SEEN),
  })
  return versioned(after, await lately(context))
}

function requireStatus(node: NodeRow, statuses: readonly NodeStatus[]): void {
  if (statuses.includes(node.status)) return
  throw new GatewayError('invalid_state', { message: `The node is ${node.status}.` })
}

export const nodesHandlers: readonly Handler[] = [
  handle(listNodes, async ({ query }, context) => {
    const seen = await lately(context)
    const unhealthy = [...seen.values()].filter((live) => !live.healthy).map((live) => live.nodeId)
    const { rows, total } = await pageOf(context.db, LIST(query.sort), NodeRow, [
      query.provider ?? null,
      query.region ?? null,
      query.model ?? null,
      query.status ?? null,
      unhealthy,
      query.limit,
      query.offset,
    ])
    return listing(
      rows.map((row) => shown(row, seen)),
      total,
      query,
    )
  }),

  handle(registerNode, async ({ body }, context) => {
    const { db } = context
    const model = await rowOf(db, LOCK_MODEL, z.object({ id: z.string(), name: z.string() }), [
      body.model_name,
    ])
    if (model === null) {
      const message = `There is no model '${body.model_name}'.`
      throw new GatewayError('not_found', { param: 'model_name', message })
    }
    const id = uuidv7()
    await db.query(INSERT, [
      id,
      body.cluster_name,
      model.id,
      normalNodeUrl(body.endpoint_url),
      body.upstream_model ?? model.name,
      body.provider,
      body.region,
      body.engine,
      body.weight,
      body.max_concurrency,
      body.api_key,
      body.price_per_hour === null ? null : microsOfDollars(body.price_per_hour),
    ])
    const after = versioned(await theRowOf(db, GET, NodeRow, [body.cluster_name]), NOTHING_SEEN)
    const target = { targetType: 'node', targetId: id }
    await audit(context, { action: 'node.register', ...target, before: null, after: after.body })
    return after
  }),

  handle(getNode, async ({ params }, context) => {
    const row = await rowOf(context.db, GET, NodeRow, [params.cluster_name])
    if (row === null) throw noNode(params.cluster_name)
    return versioned(row, await lately(context))
  }),

  handle(drainNode, async ({ params }, context) => {
    const node = await lock(context, params.cluster_name)
    requireStatus(node, ['active', 'draining'])
    return setStatus(context, 'node.drain', node, 'draining')
  }),

  handle(undrainNode, async ({ params }, context) => {
    const node = await lock(context, params.cluster_name)
    requireStatus(node, ['active', 'draining'])
    return setStatus(context, 'node.undrain', node, 'active')
  }),

  handle(terminateNode, async ({ params, body }, context) => {
    const node = await lock(context, params.cluster_name)
    const over = node.status === 'terminated' || node.status === 'failed'
    return setStatus(context, 'node.terminate', node, body.force || over ? 'terminated' : 'terminating')
  }),
]
