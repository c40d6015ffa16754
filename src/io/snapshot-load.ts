import { z } from 'zod'
import { ModelKind } from '../core/contract/models.js'
import { NodeEngine } from '../core/contract/nodes.js'
import { DEPLOYMENT_STATUSES } from '../core/deployment-state.js'
import { readRetry } from '../core/orchestration/retry.js'
import { readLaunches } from '../core/scaling/launch-estimate.js'
import type {
  Snapshot,
  SnapshotDeployment,
  SnapshotModel,
  SnapshotNode,
  SnapshotRoute,
} from '../core/snapshot.js'
import { loadQuery } from './postgres.js'
import { type Queryable, theRowOf } from './query.js'
import { RouteColumns, routeOf } from './route-rows.js'

const LOAD = loadQuery('snapshot-load')

const ModelJson = z.object({
  id: z.string(),
  name: z.string(),
  aliases: z.array(z.string()),
  family: z.string(),
  type: ModelKind,
  context_length: z.number(),
  price_input_micros: z.number(),
  price_cached_input_micros: z.number().nullable(),
  price_output_micros: z.number(),
  tokens_per_second_capacity: z.number().nullable(),
  created_at: z.number(),
  route: RouteColumns,
})

const NodeJson = z.object({
  id: z.string(),
  cluster_name: z.string(),
  model_id: z.string(),
  endpoint_url: z.string(),
  upstream_model: z.string(),
  weight: z.number(),
  max_concurrency: z.number().nullable(),
  api_key: z.string().nullable(),
  engine: NodeEngine,
  status: z.enum(['launching', 'active', 'draining', 'unhealthy', 'terminating', 'failed']),
})

const DeploymentJson = z.object({
  id: z.string(),
  model_id: z.string(),
  status: z.enum(DEPLOYMENT_STATUSES),
  asleep: z.boolean(),
  wanted: z.number(),
  serving: z.number(),
  launching_since_ms: z.number().nullable(),
  retry: z.unknown(),
  launches: z.unknown(),
})

const SnapshotRow = z.object({
  version: z.coerce.number(),
  models: z.array(ModelJson),
  nodes: z.array(NodeJson),
  deployments: z.array(DeploymentJson),
})

/**
 * The routing table as of one moment: one statement, so one consistent read, and the change counter of that moment.
 * Every model has a route; one that none was set for has the defaults. A route names no model that is not there.
 */
export async function loadSnapshot(postgres: Queryable): Promise<Snapshot> {
  const { version, models, nodes, deployments } = await theRowOf(postgres, LOAD, SnapshotRow)
  const ids = new Set(models.map(({ id }) => id))
  return {
    version,
    models: models.map(modelOf),
    nodes: nodes.map(nodeOf),
    routes: models.map((model) => amongModels(routeOf(model.id, model.route), ids)),
    deployments: deployments.map(deploymentOf),
  }
}

/** A model that a route names is not deleted by way of the API; whoever does it otherwise breaks no proxy. */
function amongModels(route: SnapshotRoute, ids: ReadonlySet<string>): SnapshotRoute {
  const { fallbackModelIds, mirror, split } = route
  return {
    ...route,
    fallbackModelIds: fallbackModelIds.filter((id) => ids.has(id)),
    mirror: mirror !== null && ids.has(mirror.modelId) ? mirror : null,
    split: split.filter(({ modelId }) => ids.has(modelId)),
  }
}

function modelOf(model: z.infer<typeof ModelJson>): SnapshotModel {
  return {
    id: model.id,
    name: model.name,
    aliases: model.aliases,
    family: model.family,
    type: model.type,
    contextLength: model.context_length,
    prices: {
      inputMicros: model.price_input_micros,
      cachedInputMicros: model.price_cached_input_micros,
      outputMicros: model.price_output_micros,
    },
    tokensPerSecond: model.tokens_per_second_capacity,
    createdAt: model.created_at,
  }
}

function nodeOf(node: z.infer<typeof NodeJson>): SnapshotNode {
  return {
    id: node.id,
    clusterName: node.cluster_name,
    modelId: node.model_id,
    endpointUrl: node.endpoint_url,
    upstreamModel: node.upstream_model,
    weight: node.weight,
    maxConcurrency: node.max_concurrency,
    apiKey: node.api_key,
    engine: node.engine,
    status: node.status,
  }
}

function failingOf(stored: unknown): SnapshotDeployment['failing'] {
  const { sinceMs = null, retryAtMs = 0 } = readRetry(stored) ?? {}
  return sinceMs === null ? null : { sinceMs, retryAtMs }
}

function deploymentOf(deployment: z.infer<typeof DeploymentJson>): SnapshotDeployment {
  return {
    id: deployment.id,
    modelId: deployment.model_id,
    status: deployment.status,
    asleep: deployment.asleep,
    wanted: deployment.wanted,
    serving: deployment.serving,
    launchingSinceMs: deployment.launching_since_ms,
    failing: failingOf(deployment.retry),
    launches: readLaunches(deployment.launches),
  }
}
