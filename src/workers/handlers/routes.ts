import { z } from 'zod'
import {
  DroppableBodyField,
  getRoute,
  listRoutes,
  putRoute,
  type RouteChange,
  RouteStrategy,
} from '../../core/contract/routes.js'
import { GatewayError } from '../../core/errors.js'
import type { SnapshotRoute } from '../../core/snapshot.js'
import { loadQuery } from '../../io/postgres.js'
import { pageOf, type Queryable, rowOf, rowsOf, theRowOf } from '../../io/query.js'
import { loadSortedQuery } from '../../io/sorted-query.js'
import { RouteColumns, routeOf } from '../../io/route-rows.js'
import { audit } from '../audit.js'
import { handle, type Handler, Versioned } from './handler.js'
import { listing } from './listing.js'
import { sentOver } from './sent-over.js'

const LIST = loadSortedQuery('routes-list')
const GET = loadQuery('routes-get')
const LOCK = loadQuery('routes-lock')
const PUT = loadQuery('routes-put')
const NODES = loadQuery('nodes-of-model')

const RouteRow = RouteColumns.extend({
  id: z.string(),
  model_name: z.string(),
  updated_at: z.date().nullable(),
  /** 0: never set, all defaults. */
  version: z.coerce.number(),
})
type RouteRow = z.infer<typeof RouteRow>

/** A route as bodies and replies have it. */
export function routeFieldsOf(route: Omit<SnapshotRoute, 'modelId'>) {
  return {
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
    allowed_body_fields: z.array(DroppableBodyField).parse(route.allowedBodyFields),
  }
}
export type RouteFields = ReturnType<typeof routeFieldsOf>

function shown(row: RouteRow) {
  return {
    model_id: row.id,
    model_name: row.model_name,
    ...routeFieldsOf(routeOf(row.id, row)),
    updated_at: row.updated_at?.toISOString() ?? null,
  }
}

/** The fields that were sent, over those that were there. */
export function mergedRoute(before: RouteFields, body: RouteChange): RouteFields {
  return {
    strategy: RouteStrategy.parse(body.strategy ?? before.strategy),
    health_check: sentOver(before.health_check, body.health_check ?? {}),
    connection_timeout_ms: body.connection_timeout_ms ?? before.connection_timeout_ms,
    first_token_timeout_ms: body.first_token_timeout_ms ?? before.first_token_timeout_ms,
    idle_timeout_ms: body.idle_timeout_ms ?? before.idle_timeout_ms,
    node_weights: body.node_weights ?? before.node_weights,
    allowed_body_fields: [...new Set(body.allowed_body_fields ?? before.allowed_body_fields)],
  }
}

/** Writes the route of a model that is locked; weights only where they are to be set. */
export async function writeRoute(
  db: Queryable,
  modelId: string,
  route: RouteFields,
  setWeights: boolean,
): Promise<void> {
  await db.query(PUT, [
    modelId,
    route.strategy,
    route.health_check.interval_seconds,
    route.health_check.timeout_seconds,
    route.health_check.unhealthy_threshold,
    route.health_check.healthy_threshold,
    route.connection_timeout_ms,
    route.first_token_timeout_ms,
    route.idle_timeout_ms,
    setWeights ? JSON.stringify(route.node_weights) : null,
    route.allowed_body_fields,
  ])
}

function noModel(id: string): GatewayError {
  return new GatewayError('not_found', { param: 'model_id', message: `There is no model '${id}'.` })
}

/** Holds the nodes of the model. @throws GatewayError not_found for a name that none of them has */
export async function requireNodes(db: Queryable, modelId: string, names: readonly string[]): Promise<void> {
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

/** Sets how the requests of a model are spread, its route being locked. */
export async function setStrategy(
  db: Queryable,
  row: RouteRow,
  strategy: RouteChange['strategy'],
): Promise<void> {
  await writeRoute(db, row.id, mergedRoute(routeFieldsOf(routeOf(row.id, row)), { strategy }), false)
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
    await writeRoute(db, id, mergedRoute(before, body), body.node_weights !== undefined)
    const stored = await theRowOf(db, GET, RouteRow, [id])
    const after = shown(stored)
    await audit(context, { action: 'route.update', targetType: 'route', targetId: id, before, after })
    return new Versioned(after, stored.version)
  }),
]
