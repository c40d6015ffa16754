import { z } from 'zod'
import { DroppableBodyField, getRoute, listRoutes, putRoute } from '../../core/contract/routes.js'
import { GatewayError } from '../../core/errors.js'
import { loadQuery } from '../../io/postgres.js'
import { pageOf, type Queryable, rowOf, rowsOf, theRowOf } from '../../io/query.js'
import { loadSortedQuery } from '../../io/sorted-query.js'
import { RouteColumns, routeOf } from '../../io/route-rows.js'
import { audit } from '../audit.js'
import { handle, type Handler, Versioned } from './handler.js'
import { listing } from './listing.js'

const LIST = loadSortedQuery('routes-list')
const GET = loadQuery('routes-get')
const LOCK = loadQuery('routes-lock')
const PUT = loadQuery('routes-put')
const NODES = loadQuery('nodes-of-model')

const RouteRow = RouteColumns.extend({
  id: z.string(),
  model_name: z.string(),
  allowed_body_fields: z.array(DroppableBodyField).nullable(),
  updated_at: z.date().nullable(),
  /** 0: never set, all defaults. */
  version: z.coerce.number(),
})
type RouteRow = z.infer<typeof RouteRow>

function shown(row: RouteRow) {
  const route = routeOf(row.id, row)
  return {
    model_id: row.id,
    model_name: row.model_name,
    strategy: route.strategy,
    health_check: {
      interval_seconds: route.healthCheck.intervalSeconds,
      timeout_seconds: route.healthCheck.timeoutSeconds,
      unhealthy_threshold: route.healthCheck.unhealthyThreshold,
      healthy_threshold: route.healthCheck.healthyThreshold,
    },
    connection_timeout_ms: route.connectionTimeoutMs,
    first_token_timeout_ms: route.firstTokenTimeoutMs,
    idle_timeout_ms: route.idleTimeoutMs,
    node_weights: { ...route.nodeWeights },
    allowed_body_fields: row.allowed_body_fields ?? [],
    updated_at: row.updated_at?.toISOString() ?? null,
  }
}

function noModel(id: string): GatewayError {
  return new GatewayError('not_found', { param: 'model_id', message: `There is no model '${id}'.` })
}

async function requireNodes(db: Queryable, modelId: string, names: readonly string[]): Promise<void> {
  const nodes = await rowsOf(db, NODES, z.object({ cluster_name: z.string() }), [modelId])
  const known = new Set(nodes.map((node) => node.cluster_name))
  const unknown = names.find((name) => !known.has(name))
  if (unknown === undefined) return
  const message = `The model has no node '${unknown}'.`
  throw new GatewayError('not_found', { param: `node_weights.${unknown}`, message })
}

/** The model's route as it is, the model locked for a change of it; null: there is no such model. */
export function lockRoute(db: Queryable, modelId: string): Promise<RouteRow | null> {
  return rowOf(db, LOCK, RouteRow, [modelId])
}

/** Sets what is given of a model's route, which is locked. */
export async function storeRoute(
  db: Queryable,
  row: RouteRow,
  change: z.output<typeof putRoute.body>,
): Promise<void> {
  const before = shown(row)
  const health = { ...before.health_check, ...change.health_check }
  await db.query(PUT, [
    row.id,
    change.strategy ?? before.strategy,
    health.interval_seconds,
    health.timeout_seconds,
    health.unhealthy_threshold,
    health.healthy_threshold,
    change.connection_timeout_ms ?? before.connection_timeout_ms,
    change.first_token_timeout_ms ?? before.first_token_timeout_ms,
    change.idle_timeout_ms ?? before.idle_timeout_ms,
    change.node_weights === undefined ? null : JSON.stringify(change.node_weights),
    [...new Set(change.allowed_body_fields ?? before.allowed_body_fields)],
  ])
}

export const routesHandlers: readonly Handler[] = [
  handle(listRoutes, async ({ query }, { db }) => {
    const { rows, total } = await pageOf(db, LIST(query.sort), RouteRow, [query.limit, query.offset])
    return listing(rows.map(shown), total, query)
  }),

  handle(getRoute, async ({ params }, { db }) => {
    const row = await rowOf(db, GET, RouteRow, [params.model_id])
    if (row === null) throw noModel(params.model_id)
    return new Versioned(shown(row), row.version)
  }),

  handle(putRoute, async ({ params: { model_id: id }, body }, context) => {
    const { db } = context
    const row = await lockRoute(db, id)
    if (row === null) throw noModel(id)
    context.requireVersion(row.version)
    if (body.node_weights !== undefined) await requireNodes(db, id, Object.keys(body.node_weights))

    const before = shown(row)
    await storeRoute(db, row, body)
    const stored = await theRowOf(db, GET, RouteRow, [id])
    const after = shown(stored)
    await audit(context, { action: 'route.update', targetType: 'route', targetId: id, before, after })
    return new Versioned(after, stored.version)
  }),
]
