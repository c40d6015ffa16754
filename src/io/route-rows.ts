import { z } from 'zod'
import { RouteStrategy } from '../core/contract/routes.js'
import { DEFAULT_ROUTE, type ModelShare, type SnapshotRoute } from '../core/snapshot.js'

/** A model that a route names, as `models_of_route` has it. */
const RouteModel = z.object({
  use: z.enum(['fallback', 'mirror', 'split']),
  model_id: z.string(),
  model: z.string(),
  /** Null of a fallback. */
  percent: z.number().nullable(),
})
type RouteModel = z.infer<typeof RouteModel>

/** Columns of a model's route; all null, and no models, where the model has the defaults. */
export const RouteColumns = z.object({
  strategy: RouteStrategy.nullable(),
  health_interval_seconds: z.number().nullable(),
  health_timeout_seconds: z.number().nullable(),
  unhealthy_threshold: z.number().nullable(),
  healthy_threshold: z.number().nullable(),
  connection_timeout_ms: z.number().nullable(),
  first_token_timeout_ms: z.number().nullable(),
  idle_timeout_ms: z.number().nullable(),
  node_weights: z.record(z.string(), z.number()).nullable(),
  allowed_body_fields: z.array(z.string()).nullable(),
  sticky_sessions: z.boolean().nullable(),
  retry_attempts: z.number().nullable(),
  retry_budget_percent: z.number().nullable(),
  /** Null also where it is set to never, which is the default. */
  hedge_after_ms: z.number().nullable(),
  resume_streams: z.boolean().nullable(),
  queue_max_depth: z.number().nullable(),
  queue_max_wait_ms: z.number().nullable(),
  queue_cold_start_max_wait_ms: z.number().nullable(),
  /** In their order. */
  route_models: z.array(RouteModel),
})
export type RouteColumns = z.infer<typeof RouteColumns>

/** The route that a model has, defaults where it has no columns of its own. */
export function routeOf(modelId: string, row: RouteColumns): SnapshotRoute {
  const defaults = DEFAULT_ROUTE
  const named = (use: RouteModel['use']) => row.route_models.filter((model) => model.use === use)
  return {
    modelId,
    strategy: row.strategy ?? defaults.strategy,
    healthCheck: {
      intervalSeconds: row.health_interval_seconds ?? defaults.healthCheck.intervalSeconds,
      timeoutSeconds: row.health_timeout_seconds ?? defaults.healthCheck.timeoutSeconds,
      unhealthyThreshold: row.unhealthy_threshold ?? defaults.healthCheck.unhealthyThreshold,
      healthyThreshold: row.healthy_threshold ?? defaults.healthCheck.healthyThreshold,
    },
    connectionTimeoutMs: row.connection_timeout_ms ?? defaults.connectionTimeoutMs,
    firstTokenTimeoutMs: row.first_token_timeout_ms ?? defaults.firstTokenTimeoutMs,
    idleTimeoutMs: row.idle_timeout_ms ?? defaults.idleTimeoutMs,
    nodeWeights: row.node_weights ?? defaults.nodeWeights,
    allowedBodyFields: row.allowed_body_fields ?? defaults.allowedBodyFields,
    stickySessions: row.sticky_sessions ?? defaults.stickySessions,
    retry: {
      attempts: row.retry_attempts ?? defaults.retry.attempts,
      budgetPercent: row.retry_budget_percent ?? defaults.retry.budgetPercent,
      hedgeAfterMs: row.hedge_after_ms ?? defaults.retry.hedgeAfterMs,
    },
    resumeStreams: row.resume_streams ?? defaults.resumeStreams,
    queue: {
      maxDepth: row.queue_max_depth ?? defaults.queue.maxDepth,
      maxWaitMs: row.queue_max_wait_ms ?? defaults.queue.maxWaitMs,
      coldStartMaxWaitMs: row.queue_cold_start_max_wait_ms ?? defaults.queue.coldStartMaxWaitMs,
    },
    fallbackModelIds: named('fallback').map((model) => model.model_id),
    mirror: named('mirror').map(shareOf)[0] ?? defaults.mirror,
    split: named('split').map(shareOf),
  }
}

function shareOf({ model_id, percent }: RouteModel): ModelShare {
  return { modelId: model_id, percent: percent ?? 0 }
}
