import { z } from 'zod'
import { endpoint } from './endpoint.js'
import { changesOf, listOf, ModelName, ModelShown, page, Slug, sortedBy, Timestamp, Uuid } from './fields.js'

export const RouteStrategy = z.enum([
  'round-robin',
  'least-latency',
  'least-connections',
  'weighted',
  'prefix-affinity',
])

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
    sticky_sessions: z.boolean().meta({ examples: [false] }),
    retry: z.object({
      attempts: z
        .number()
        .int()
        .meta({ examples: [3] }),
      budget_percent: z.number().meta({ examples: [20] }),
      hedge_after_ms: z
        .number()
        .int()
        .nullable()
        .meta({ examples: [null] }),
    }),
    resume_streams: z.boolean().meta({ examples: [true] }),
    queue: z.object({
      max_depth: z
        .number()
        .int()
        .meta({ examples: [1_000] }),
      max_wait_ms: msShown(10_000),
      cold_start_max_wait_ms: msShown(600_000),
    }),
    fallback_models: z.array(ModelShown).meta({ examples: [['llama-3.1-8b-backup']] }),
    mirror: z
      .object({ model: ModelShown, percent: z.number() })
      .nullable()
      .meta({ examples: [null] }),
    split: z
      .array(z.object({ model: ModelShown, percent: z.number() }))
      .meta({ examples: [[{ model: 'llama-3.1-8b-canary', percent: 5 }]] }),
    updated_at: Timestamp.nullable().meta({ description: 'Null: never set, all defaults.' }),
  })
  .meta({ id: 'Route' })

const timeoutMs = z.number().int().min(1).max(3_600_000)

/** Of the models of a route in each of the lists that name some. */
const MOST_MODELS = 8

const percent = z
  .number()
  .min(0)
  .max(100)
  .refine((value) => Math.round(value * 100) / 100 === value, 'expected at most two decimals')

/** In hundredths, since those add up exactly. */
function isAtMostAll(shares: readonly { percent: number }[]): boolean {
  return shares.reduce((sum, share) => sum + Math.round(share.percent * 100), 0) <= 100 * 100
}

export const routeFields = {
  strategy: RouteStrategy,
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
  node_weights: z.record(Slug, z.number().min(0).max(1_000_000)).meta({
    description: "By cluster_name; overrides the node's own. 0: takes nothing under the strategy weighted.",
  }),
  allowed_body_fields: z.array(DroppableBodyField).max(4),
  sticky_sessions: z.boolean().meta({
    description: 'Requests of one session go to one node for as long as it can be asked.',
  }),
  retry: z
    .strictObject({
      attempts: z.number().int().min(1).max(10).meta({
        description: 'Nodes that a request is sent to at most; 1: never to a second one.',
      }),
      budget_percent: z.number().min(0).max(100).meta({
        description:
          "Retries under way, in percent of the model's requests under way; a few are always allowed.",
      }),
      hedge_after_ms: z.number().int().min(1).max(3_600_000).nullable().meta({
        description:
          'A small prompt that has no first token after this is sent to a second node too; null: never.',
      }),
    })
    .partial()
    .meta({ description: 'What is not sent stays.' }),
  resume_streams: z
    .boolean()
    .meta({ description: 'A stream whose node fails is continued by another node.' }),
  queue: z
    .strictObject({
      max_depth: z.number().int().min(0).max(100_000).meta({
        description: 'Requests that wait at once in one proxy; 0: none waits, and no deployment sleeps.',
      }),
      max_wait_ms: z.number().int().min(0).max(600_000),
      cold_start_max_wait_ms: z.number().int().min(0).max(3_600_000).meta({
        description:
          'How long one waits at most while no node serves and one is being launched; 0: none waits for that.',
      }),
    })
    .partial()
    .meta({ description: 'What is not sent stays.' }),
  fallback_models: z
    .array(ModelName)
    .max(MOST_MODELS)
    .meta({
      description: 'By name or alias, of the same type; asked in turn when no node of the model can serve.',
      examples: [[]],
    }),
  mirror: z
    .strictObject({ model: ModelName, percent })
    .nullable()
    .meta({
      description: 'A model of the same type that gets copies of so many requests; its answers are dropped.',
      examples: [null],
    }),
  split: z
    .array(z.strictObject({ model: ModelName, percent: percent.gt(0) }))
    .max(MOST_MODELS)
    .refine(isAtMostAll, 'the shares are more than 100 percent')
    .meta({
      description: 'Models of the same type that get a share of the requests; what is left of 100 stays.',
      examples: [[]],
    }),
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
