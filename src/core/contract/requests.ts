import { z } from 'zod'
import { endpoint } from './endpoint.js'
import { ModelShown, Timestamp, Uuid } from './fields.js'
import { LimitLeft } from './limits.js'
import { Count } from './usage.js'
import { UsageRecord } from './usage-records.js'

const At = z.number().meta({ description: 'Milliseconds since the request came.' })
const AtOrNull = z.number().nullable().meta({
  description: 'Milliseconds since the request came; null: it did not come to that.',
})

const Phases = z
  .object({
    auth_ms: z.number().meta({ description: 'The key looked up.' }),
    body_ms: z.number().meta({ description: 'Your body awaited.' }),
    limits_ms: z.number().meta({ description: 'Waited for what it needs of its limits.' }),
    admit_ms: z.number().meta({ description: 'Head read, rights checked, the request recorded.' }),
    queue_ms: z.number().meta({ description: 'Waited for a free node.' }),
    route_ms: z.number().meta({ description: 'Nodes chosen and requests built, between attempts as well.' }),
    connect_ms: z.number().meta({ description: 'Connections made, for attempts that failed too.' }),
    first_token_ms: z.number().meta({
      description: 'From the request sent to the first token, the attempts that failed included.',
    }),
    stream_ms: z.number().meta({ description: 'From the first token to the last byte.' }),
    settle_ms: z.number().meta({ description: 'What is left: the end recorded.' }),
  })
  .meta({ id: 'RequestPhases', description: 'Where the time went; they add up to latency_ms.' })

const Seam = z
  .object({
    from_node_id: Uuid.nullable(),
    to_node_id: Uuid.nullable(),
    after_tokens: Count.meta({ description: 'Completion tokens made before.' }),
    at_ms: At,
    gap_ms: z.number().meta({ description: 'From the failure to the next token.' }),
    cause: z.string().meta({ description: 'The error that ended the first node.' }),
  })
  .meta({ id: 'RequestSeam', description: 'Where one node ended and another one went on with the answer.' })

/** What tenants may know of an attempt: nodes by the id of x-gateway-node, nothing of what else they served. */
const Attempt = z
  .object({
    model: ModelShown,
    node_id: Uuid.meta({ description: 'As in x-gateway-node.' }),
    reason: z.enum(['first', 'retry', 'hedge', 'resume']).meta({
      description: 'The first, after a failure, beside a slow one, or to go on with an answer.',
    }),
    candidates: Count.nullable().meta({
      description: 'Nodes that could have been asked; null: not noted, since the request was not sampled.',
    }),
    sent_ms: At,
    connected_ms: AtOrNull,
    first_token_ms: AtOrNull,
    ended_ms: At,
    outcome: z.string().meta({
      description:
        'ok; abandoned: the client left, or another attempt won; else the error code of why it failed.',
      examples: ['ok'],
    }),
  })
  .meta({ id: 'RequestAttempt' })

const AdminAttempt = Attempt.extend({
  node: z.string().meta({ description: 'Its cluster_name.' }),
  chosen_by: z
    .string()
    .meta({ description: "The route's strategy, or sticky.", examples: ['least-latency'] }),
  considered: z
    .array(
      z.object({
        node_id: Uuid,
        node: z.string(),
        unavailable: z.string().nullable().meta({ description: 'Why it was no candidate.' }),
        load: z.number().meta({ description: "Requests at the node, other proxies' included." }),
        predicted_ttft_ms: z.number().nullable(),
        weight: z.number(),
        warmth: z.number(),
      }),
    )
    .meta({ description: 'The nodes as they were at that time, 64 at most; empty where not sampled.' }),
}).meta({ id: 'AdminRequestAttempt' })

const USAGE = {
  prompt_tokens: true,
  completion_tokens: true,
  cached_tokens: true,
  total_tokens: true,
  counted: true,
  cost_usd: true,
  attempts: true,
  resumed: true,
  client_abort: true,
  failed: true,
  ttft_ms: true,
  itl_ms: true,
  overhead_ms: true,
  ended_at: true,
} as const

const usageNote = {
  description: 'What was billed; null for a request that was refused, or whose record is still on its way.',
}

const served = {
  request_id: Uuid,
  api_key_id: Uuid,
  model: ModelShown.meta({ description: 'That was asked for, by its own name.' }),
  served_model: ModelShown.meta({ description: 'Another one by split or fallback.' }),
  served_because: z.enum(['asked', 'split', 'fallback']).nullable(),
  endpoint: z.string().meta({ examples: ['chat.completions'] }),
  stream: z.boolean(),
  status: z
    .number()
    .int()
    .meta({ examples: [200] }),
  error_code: z.string().nullable(),
  started_at: Timestamp,
  latency_ms: z.number().meta({ description: 'Of the whole request.' }),
  explained: z.boolean().meta({
    description: 'Whether it was kept how it was served. If not, the rest comes from its usage record.',
  }),
  unexplained_because: z
    .enum(['not_kept', 'gateway_lost'])
    .nullable()
    .meta({
      description:
        'not_kept: nothing about it was unusual and it was not sampled, or it is too long ago. gateway_lost: the process that' +
        ' served it died.',
    }),
  sampled_at: z.number().nullable().meta({
    description: 'The share of requests of its kind that were kept then; unusual ones are nearly all kept.',
  }),
  limits: z.array(LimitLeft.omit({ resets_at: true })).meta({
    description: 'That applied to it, with what was left when it had ended; empty where that is not known.',
  }),
  phases: Phases.nullable(),
  seams: z.array(Seam),
}

const TenantRequest = z
  .object({
    ...served,
    attempts: z.array(Attempt),
    usage: UsageRecord.pick(USAGE).nullable().meta(usageNote),
  })
  .meta({ id: 'ServedRequest' })

const AdminRequest = z
  .object({
    ...served,
    tenant_id: Uuid,
    strategy: z
      .string()
      .nullable()
      .meta({ description: "The route's.", examples: ['least-latency'] }),
    queue_position: Count.nullable().meta({
      description: 'Its place in the queue when it came there, 1 the next; null: it did not wait.',
    }),
    attempts: z.array(AdminAttempt),
    usage: UsageRecord.pick({ ...USAGE, environment_id: true, node_id: true, node: true })
      .nullable()
      .meta(usageNote),
  })
  .meta({ id: 'AdminServedRequest' })

const asked = {
  method: 'GET',
  tag: 'Requests',
  params: z.strictObject({
    request_id: Uuid.meta({ description: 'As x-request-id said it.' }),
  }),
  description:
    'There a second or two after the request has ended. All requests with something unusual about them (retried, queued,' +
    ' resumed, refused, failed) are kept for some days, of the others a sample.',
  errors: ['not_found'],
} as const

export const getServedRequest = endpoint({
  id: 'requests.get',
  path: '/admin/requests/{request_id}',
  auth: 'admin',
  summary:
    'How a request was served: nodes considered, attempts, waits, where the time went, what was billed',
  reply: { 200: AdminRequest },
  ...asked,
})

export const getOwnRequest = endpoint({
  id: 'own-requests.get',
  path: '/v1/requests/{request_id}',
  auth: 'key',
  roles: ['admin', 'developer', 'read-only'],
  summary: 'How one of your requests was served: attempts, waits, where the time went, what was billed',
  reply: { 200: TenantRequest },
  ...asked,
})

export const requestsEndpoints = [getServedRequest]
export const ownRequestsEndpoints = [getOwnRequest]
