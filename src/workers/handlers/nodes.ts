import { uuidv7 } from 'uuidv7'
import {
  drainNode,
  getNode,
  listNodes,
  patchNode,
  registerNode,
  terminateNode,
  undrainNode,
} from '../../core/contract/nodes.js'
import { microsOfDollars } from '../../core/money.js'
import { normalNodeUrl } from '../../core/node-url.js'
import { loadQuery } from '../../io/postgres.js'
import { pageOf } from '../../io/query.js'
import { loadSortedQuery } from '../../io/sorted-query.js'
import { actorName, audit } from '../audit.js'
import { handle, type Handler, type HandlerContext, Versioned } from './handler.js'
import { listing } from './listing.js'
import { holdModel } from './model-name.js'
import { costsOfNodes } from './node-costs.js'
import {
  auditNodeChange,
  findNode,
  lately,
  lockNode,
  NodeRow,
  type NodeStatus,
  NOTHING_SEEN,
  requireStatus,
  type Seen,
  shownNode,
  theNode,
} from './node-rows.js'

const LIST = loadSortedQuery('nodes-list')
const INSERT = loadQuery('nodes-insert')
const PATCH = loadQuery('nodes-patch')
const SET_STATUS = loadQuery('nodes-set-status')

function versioned(row: NodeRow, seen: Seen) {
  return new Versioned(shownNode(row, seen), row.version)
}

/** Moves a node to another status; to the one that it has already is no change. */
async function setStatus(
  context: HandlerContext,
  action: string,
  before: NodeRow,
  status: NodeStatus,
  why: string | null,
) {
  if (before.status === status) return versioned(before, await lately(context))
  await context.db.query(SET_STATUS, [[before.id], status, actorName(context.actor), why])
  return versioned(await auditNodeChange(context, action, before), await lately(context))
}

/** `weight 1 → 2, max_concurrency none → 64` */
function settingsChange(before: NodeRow, after: Pick<NodeRow, 'weight' | 'max_concurrency'>): string {
  const changes = (['weight', 'max_concurrency'] as const)
    .filter((field) => before[field] !== after[field])
    .map((field) => `${field} ${before[field] ?? 'none'} → ${after[field] ?? 'none'}`)
  return changes.length === 0 ? 'set to what it was' : changes.join(', ')
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
      query.deployment_id ?? null,
      query.search ?? null,
      unhealthy,
      query.limit,
      query.offset,
    ])
    const costOf = await costsOfNodes(
      context,
      rows.map(({ id }) => id),
    )
    return listing(
      rows.map((row) => ({ ...shownNode(row, seen), cost: costOf(row.id) })),
      total,
      query,
    )
  }),

  handle(registerNode, async ({ body }, context) => {
    const { db } = context
    const model = await holdModel(db, body.model_name)
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
      actorName(context.actor),
    ])
    const after = versioned(await theNode(db, id), NOTHING_SEEN)
    const target = { targetType: 'node', targetId: id }
    await audit(context, { action: 'node.register', ...target, before: null, after: after.body })
    return after
  }),

  handle(getNode, async ({ params }, context) => {
    const row = await findNode(context.db, params.cluster_name)
    const costOf = await costsOfNodes(context, [row.id])
    const shown = shownNode(row, await lately(context))
    return new Versioned({ ...shown, cost: costOf(row.id) }, row.version)
  }),

  handle(patchNode, async ({ params, body }, context) => {
    const node = await lockNode(context, params.cluster_name)
    requireStatus(node, ['launching', 'active', 'draining', 'unhealthy'])
    const weight = body.weight ?? node.weight
    const max_concurrency = body.max_concurrency === undefined ? node.max_concurrency : body.max_concurrency
    const what = settingsChange(node, { weight, max_concurrency })
    await context.db.query(PATCH, [node.id, weight, max_concurrency, actorName(context.actor), what])
    return versioned(await auditNodeChange(context, 'node.update', node), await lately(context))
  }),

  handle(drainNode, async ({ params }, context) => {
    const node = await lockNode(context, params.cluster_name)
    requireStatus(node, ['active', 'draining'])
    return setStatus(context, 'node.drain', node, 'draining', null)
  }),

  handle(undrainNode, async ({ params }, context) => {
    const node = await lockNode(context, params.cluster_name)
    requireStatus(node, ['active', 'draining'])
    return setStatus(context, 'node.undrain', node, 'active', null)
  }),

  handle(terminateNode, async ({ params, body }, context) => {
    const node = await lockNode(context, params.cluster_name)
    // Nothing runs on one that does not serve yet, or no more.
    const idle = node.status === 'terminated' || node.status === 'failed' || node.endpoint_url === null
    const status = body.force || idle ? 'terminated' : 'terminating'
    return setStatus(context, 'node.terminate', node, status, body.force ? 'by force' : null)
  }),
]
