import { z } from 'zod'
import { endpoint } from './endpoint.js'
import {
  changesOf,
  listOf,
  ModelShown,
  neverYet,
  NOT_SUPPORTED,
  notYet,
  page,
  REFUSED,
  Slug,
  sortedBy,
  Timestamp,
  Uuid,
} from './fields.js'

const STRATEGIES = [
  'round-robin',
  'least-latency',
  'least-connections',
  'weighted',
  'prefix-affinity',
] as const
export const RouteStrategy = z.enum(STRATEGIES)

/** Fields that are dropped from tenants' bodies unless a route lists them. */
export const DroppableBodyField = z.enum(['priority', 'cache_salt', 'kv_transfer_params', 'chat_template'])

const HealthCheck = z
  .object({
    interval_seconds: z.number(),
    timeout_seconds: z.number(),
    unhealthy_threshold: z.number().int(),
    healthy_threshold: z.number().int(),
  })
  .meta({
    examples: [{ interval_seconds: 5, timeout_seconds: 2, unhealthy_threshold: 3, healthy_threshold: 1 }],
  })

function msShown(example: number) {
  return z
    .number()
    .int()
    .meta({ examples: [example] })
}

export const Route = z
  .object({
    model_id: Uuid,
    model_name: ModelShown,
    strategy: RouteStrategy,
    health_check: HealthCheck,
    connection_timeout_ms: msShown(2_000),
    first_token_timeout_ms: msShown(60_000),
    idle_timeout_ms: msShown(30_000),
    node_weights: z.record(z.string(), z.number()).meta({
      description: "By cluster_name; overrides the node's own.",
      examples: [{ 'llama-a100-1': 2 }],
    }),
    allowed_body_fields: z.array(DroppableBodyField).meta({ examples: [[]] }),
    updated_at: Timestamp.nullable().meta({ description: 'Null: never set, all defaults.' }),
  })
  .meta({ id: 'Route' })

/** As bodies may give it. */
export const RouteStrategyInput = z.enum(STRATEGIES).superRefine((strategy, context) => {
  if (strategy !== 'prefix-affinity') return
  context.addIssue({ code: 'custom', message: 'not available', params: NOT_SUPPORTED })
})

const timeoutMs = z.number().int().min(1).max(3_600_000)

export const routeFields = {
  strategy: RouteStrategyInput.meta({
    description: 'prefix-affinity is not available in this version: refused with not_supported.',
    [REFUSED]: NOT_SUPPORTED.code,
  }),
  health_check: z
    .strictObject({
      interval_seconds: z.number().min(0.5).max(3600),
      timeout_seconds: z.number().min(0.1).max(60),
      unhealthy_threshold: z.number().int().min(1).max(100),
      healthy_threshold: z.number().int().min(1).max(100),
    })
    .partial()
    .meta({ description: 'What is not sent stays.' }),
  connection_timeout_ms: timeoutMs,
  first_token_timeout_ms: timeoutMs,
  idle_timeout_ms: timeoutMs,
  node_weights: z.record(Slug, z.number().positive().max(1_000_000)),
  allowed_body_fields: z.array(DroppableBodyField).max(4),
  sticky_sessions: notYet(z.boolean(), false),
  resume_streams: notYet(z.boolean(), false),
  retry: neverYet(),
  queue: neverYet(),
  fallback_models: neverYet(),
  mirror: neverYet(),
  split: neverYet(),
}

const tag = 'Routes'
const params = z.strictObject({ model_id: Uuid })

export const listRoutes = endpoint({
  id: 'routes.list',
  method: 'GET',
  path: '/admin/routes',
  auth: 'admin',
  tag,
  summary: 'Lists the route of every model; each has one, with defaults; newest models first unless sorted',
  query: z.strictObject({ ...page, ...sortedBy('created_at', 'model_name') }),
  reply: { 200: listOf(Route) },
  errors: [],
})

export const getRoute = endpoint({
  id: 'routes.get',
  method: 'GET',
  path: '/admin/routes/{model_id}',
  auth: 'admin',
  tag,
  versioned: true,
  summary: "Shows a model's route",
  params,
  reply: { 200: Route },
  errors: ['not_found'],
})

export const putRoute = endpoint({
  id: 'routes.put',
  method: 'PUT',
  path: '/admin/routes/{model_id}',
  auth: 'admin',
  scope: 'operate',
  tag,
  versioned: true,
  summary: 'Sets the fields that are sent; live within a second, running streams untouched',
  params,
  body: changesOf(routeFields).meta({
    examples: [{ strategy: 'least-latency', health_check: { interval_seconds: 2 } }],
  }),
  reply: { 200: Route },
  errors: ['not_found'],
})

export type RouteChange = z.output<typeof putRoute.body>

export const routesEndpoints = [listRoutes, getRoute, putRoute]
