import { z } from 'zod'
import { RouteStrategy } from '../core/contract/routes.js'
import { DEFAULT_ROUTE, type SnapshotRoute } from '../core/snapshot.js'

/** Columns of a model's route; all null where the model has the defaults. */
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
})

/** The route that a model has, defaults where it has no columns of its own. */
export function routeOf(modelId: string, row: z.infer<typeof RouteColumns>): SnapshotRoute {
  const defaults = DEFAULT_ROUTE
  return {
    ...defaults,
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
  }
}
