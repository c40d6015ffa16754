import { z } from 'zod'
import { getRoute, listRoutes, putRoute, type RouteChange } from '../../core/contract/routes.js'
import { GatewayError } from '../../core/errors.js'
import { loadQuery } from '../../io/postgres.js'
import { pageOf, type Queryable, rowOf, rowsOf, theRowOf } from '../../io/query.js'
import { loadSortedQuery } from '../../io/sorted-query.js'
import { RouteColumns } from '../../io/route-rows.js'
import { audit } from '../audit.js'
import { handle, type Handler, Versioned } from './handler.js'
import { listing } from './listing.js'
import { mergedRoute, type RouteFields, routeFieldsOf } from './route-fields.js'
import {
  findRouteModels,
  lockRouteGraph,
  readWays,
  requireNoLoop,
  type RouteModels,
  SAME_MODELS,
  writeRouteModels,
} from './route-models.js'

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

function shown(row: RouteRow) {
  return {
    model_id: row.id,
    model_name: row.model_name,
    ...routeFieldsOf(row.id, row),
    updated_at: row.updated_at?.toISOString() ?? null,
  }
}

/** What of a route is to be written beside its plain fields; of the rest what is there stays. */
export interface RouteParts {
  readonly weights: boolean
  readonly models: RouteModels
}

/** Writes the route of a model that is locked. */
export async function writeRoute(
  db: Queryable,
  modelId: string,
  route: RouteFields,
  { weights, models }: RouteParts,
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
    weights ? JSON.stringify(route.node_weights) : null,
    route.allowed_body_fields,
    route.sticky_sessions,
    route.retry.attempts,
    route.retry.budget_percent,
    route.retry.hedge_after_ms,
    route.resume_streams,
    route.queue.max_depth,
    route.queue.max_wait_ms,
    route.queue.cold_start_max_wait_ms,
  ])
  await writeRouteModels(db, modelId, models)
}

function noModel(id: string): GatewayError {
  return new GatewayError('not_found', { param: 'model_id', message: `There is no model '${id}'.` })
}

/**
 * Holds the nodes of the model that weights are sent for.
 * @throws GatewayError not_found for a name that none of them has, invalid_parameter where no node would have a weight
 */
export async function requireWeights(
  db: Queryable,
  modelId: string,
  weights: RouteFields['node_weights'],
): Promise<void> {
  const nodes = await rowsOf(db, NODES, z.object({ cluster_name: z.string(), weight: z.number() }), [modelId])
  const known = new Set(nodes.map((node) => node.cluster_name))
  const unknown = Object.keys(weights).find((name) => !known.has(name))
  if (unknown !== undefined) {
    const message = `The model has no node '${unknown}'.`
    throw new GatewayError('not_found', { param: `node_weights.${unknown}`, message })
  }
  if (nodes.length === 0 || nodes.some((node) => (weights[node.cluster_name] ?? node.weight) > 0)) return
  throw new GatewayError('invalid_parameter', {
    param: 'node_weights',
    message: "Invalid 'node_weights': one of the model's nodes must have a weight above 0.",
  })
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
  const route = mergedRoute(routeFieldsOf(row.id, row), { strategy }, SAME_MODELS)
  await writeRoute(db, row.id, route, { weights: false, models: SAME_MODELS })
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
    await lockRouteGraph(db, body)
    const row = await lockRoute(db, id)
    if (row === null) throw noModel(id)
    context.requireVersion(row.version)
    if (body.node_weights !== undefined) await requireWeights(db, id, body.node_weights)
    const models = await findRouteModels(db, id, body)

    const before = shown(row)
    const weights = body.node_weights !== undefined
    await writeRoute(db, id, mergedRoute(before, body, models), { weights, models })
    requireNoLoop(await readWays(db), row.model_name, models)
    const stored = await theRowOf(db, GET, RouteRow, [id])
    const after = shown(stored)
    await audit(context, { action: 'route.update', targetType: 'route', targetId: id, before, after })
    return new Versioned(after, stored.version)
  }),
]
