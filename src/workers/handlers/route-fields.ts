import { z } from 'zod'
import { DroppableBodyField, type RouteChange } from '../../core/contract/routes.js'
import { DEFAULT_ROUTE, type ModelShare, type SnapshotRoute } from '../../core/snapshot.js'
import { type RouteColumns, routeOf } from '../../io/route-rows.js'
import type { RouteModels } from './route-models.js'
import { sentOver } from './sent-over.js'

/** A model's route as bodies and replies have it. */
export function routeFieldsOf(modelId: string, row: RouteColumns) {
  return fieldsOf(
    routeOf(modelId, row),
    new Map(row.route_models.map(({ model_id, model }) => [model_id, model])),
  )
}
export type RouteFields = ReturnType<typeof routeFieldsOf>

/** The route of a model that none was set for. */
export const DEFAULT_ROUTE_FIELDS: RouteFields = fieldsOf(DEFAULT_ROUTE, new Map())

function fieldsOf(route: Omit<SnapshotRoute, 'modelId'>, names: ReadonlyMap<string, string>) {
  const nameOf = (id: string) => names.get(id) ?? id
  const shareOf = ({ modelId, percent }: ModelShare) => ({ model: nameOf(modelId), percent })
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
    sticky_sessions: route.stickySessions,
    retry: {
      attempts: route.retry.attempts,
      budget_percent: route.retry.budgetPercent,
      hedge_after_ms: route.retry.hedgeAfterMs,
    },
    resume_streams: route.resumeStreams,
    queue: {
      max_depth: route.queue.maxDepth,
      max_wait_ms: route.queue.maxWaitMs,
      cold_start_max_wait_ms: route.queue.coldStartMaxWaitMs,
    },
    fallback_models: route.fallbackModelIds.map(nameOf),
    mirror: route.mirror === null ? null : shareOf(route.mirror),
    split: route.split.map(shareOf),
  }
}

/** The fields that were sent, over those that were there; the models of the body by their own names. */
export function mergedRoute(before: RouteFields, body: RouteChange, models: RouteModels): RouteFields {
  const { fallbacks, mirror, split } = models
  const shareOf = ({ name, percent }: { name: string; percent: number }) => ({ model: name, percent })
  return {
    strategy: body.strategy ?? before.strategy,
    health_check: sentOver(before.health_check, body.health_check ?? {}),
    connection_timeout_ms: body.connection_timeout_ms ?? before.connection_timeout_ms,
    first_token_timeout_ms: body.first_token_timeout_ms ?? before.first_token_timeout_ms,
    idle_timeout_ms: body.idle_timeout_ms ?? before.idle_timeout_ms,
    node_weights: body.node_weights ?? before.node_weights,
    allowed_body_fields: [...new Set(body.allowed_body_fields ?? before.allowed_body_fields)],
    sticky_sessions: body.sticky_sessions ?? before.sticky_sessions,
    retry: sentOver(before.retry, body.retry ?? {}),
    resume_streams: body.resume_streams ?? before.resume_streams,
    queue: sentOver(before.queue, body.queue ?? {}),
    fallback_models: fallbacks?.map(({ name }) => name) ?? before.fallback_models,
    mirror: mirror === undefined ? before.mirror : mirror && shareOf(mirror),
    split: split?.map(shareOf) ?? before.split,
  }
}
