import { z } from 'zod'
import { NODE_STATUSES } from '../node-status.js'
import { nodeUrlProblem } from '../node-url.js'
import { Cost } from './cost.js'
import { endpoint } from './endpoint.js'
import {
  changesOf,
  Dollars,
  listOf,
  ModelName,
  ModelShown,
  page,
  Slug,
  sortedBy,
  text,
  Timestamp,
  Uuid,
} from './fields.js'

export const NodeStatus = z.enum(NODE_STATUSES)
export const NodeEngine = z.enum(['vllm', 'sglang', 'llama-cpp', 'openai', 'simulated'])

/** Whether proxies send requests to a node: all, none, or one at a time to see. */
export const BreakerState = z.enum(['admitting', 'rejecting', 'probing'])

export const Node = z
  .object({
    id: Uuid,
    cluster_name: z.string().meta({ examples: ['llama-a100-1'] }),
    model_id: Uuid,
    model_name: ModelShown,
    deployment_id: Uuid.nullable(),
    endpoint_url: z
      .string()
      .nullable()
      .meta({
        description: 'Null: it is being launched and has none yet.',
        examples: ['http://10.0.0.7:8000'],
      }),
    upstream_model: ModelShown,
    provider: z.string().meta({ examples: ['static'] }),
    region: z
      .string()
      .nullable()
      .meta({ examples: ['us-east-1'] }),
    engine: NodeEngine,
    engine_version: z.string().nullable().meta({ description: "As the node's agent says." }),
    weight: z.number(),
    max_concurrency: z
      .number()
      .int()
      .nullable()
      .meta({ examples: [64] }),
    has_api_key: z.boolean(),
    price_per_hour: z
      .number()
      .nullable()
      .meta({ description: 'Dollars.', examples: [3.67] }),
    status: NodeStatus.meta({
      description: 'unhealthy: active, but its health check fails.',
      examples: ['active'],
    }),
    status_changed_at: Timestamp,
    terminates_at: Timestamp.nullable().meta({
      description: "When its machine is taken away, as the node's agent was warned.",
    }),
    healthy: z
      .boolean()
      .nullable()
      .meta({ description: 'By the health check; null: not known, and taken for healthy.' }),
    health_score: z.number().int().nullable().meta({
      description:
        '100: healthy and idle; 0: the health check fails; between by its queue, its KV cache, requests that failed and breakers; null: not known.',
    }),
    breaker: BreakerState.nullable().meta({
      description: 'Whether proxies send it requests; the worst of what they say. Null: not known.',
    }),
    rejected_by: z.number().int().nullable().meta({ description: 'Proxies that reject it.' }),
    in_flight: z.number().int().nullable().meta({
      description:
        'Requests that proxies have at it, queued ones included; where none has told of any, those running, as the engine says.',
    }),
    queue_depth: z.number().int().nullable().meta({ description: 'Requests waiting, as the engine says.' }),
    kv_cache_usage: z
      .number()
      .nullable()
      .meta({ description: '0 to 1.', examples: [0.42] }),
    avg_ttft_ms: z
      .number()
      .nullable()
      .meta({ description: 'Time to the first token, lately, over all proxies; null: not known.' }),
    avg_itl_ms: z.number().nullable().meta({ description: 'Between tokens, in the same way.' }),
    observed_at: Timestamp.nullable(),
    last_heartbeat_at: Timestamp.nullable().meta({ description: "Of the node's agent." }),
    created_at: Timestamp,
    updated_at: Timestamp,
  })
  .meta({ id: 'Node' })

const NodeWithCost = Node.extend({ cost: Cost }).meta({ id: 'NodeWithCost' })

/** Address of a node, as it may be given. */
export const EndpointUrl = z
  .string()
  .max(2048)
  .superRefine((url, context) => {
    const problem = nodeUrlProblem(url)
    if (problem !== null) context.addIssue({ code: 'custom', message: problem })
  })
  .meta({
    description: 'http(s)://host:port; the API is expected under /v1.',
    examples: ['http://10.0.0.7:8000'],
  })

/** Names that could not be reached: under /admin/nodes they are, or will be, paths of their own. */
const RESERVED = new Set(['launch', 'launch-status'])

const tag = 'Nodes'
/** Names a node in a path. */
export const nodeParams = z.strictObject({ cluster_name: Slug })
const params = nodeParams
const weight = z
  .number()
  .positive()
  .max(1_000_000)
  .meta({ examples: [2] })
const maxConcurrency = z.number().int().min(1).max(1_000_000).nullable()

export const listNodes = endpoint({
  id: 'nodes.list',
  method: 'GET',
  path: '/admin/nodes',
  auth: 'admin',
  tag,
  summary: 'Lists nodes with their live state and what they cost, newest first unless sorted',
  query: z.strictObject({
    ...page,
    ...sortedBy('created_at', 'cluster_name', 'model_name', 'provider', 'status', 'weight', 'updated_at'),
    provider: text(100).optional(),
    region: text(100).optional(),
    model: ModelName.optional().meta({ description: 'Name or alias of a model.' }),
    status: NodeStatus.optional(),
    deployment_id: Uuid.optional(),
    search: text(200).optional().meta({ description: 'Part of its name, address or model, in any case.' }),
  }),
  reply: { 200: listOf(NodeWithCost) },
  errors: [],
})

export const registerNode = endpoint({
  id: 'nodes.register',
  method: 'POST',
  path: '/admin/nodes',
  auth: 'admin',
  scope: 'operate',
  tag,
  versioned: true,
  summary: 'Registers an inference server that already runs; it takes traffic within a second',
  body: z.strictObject({
    cluster_name: Slug.refine((name) => !RESERVED.has(name), 'this name is reserved'),
    model_name: ModelName.meta({ description: 'Name or alias of a model.' }),
    endpoint_url: EndpointUrl,
    upstream_model: text(200)
      .optional()
      .meta({ description: "The model's name on that server; default the model's own name." }),
    provider: text(100).default('static').meta({ description: 'A label.' }),
    region: text(100, 'us-east-1').nullable().default(null).meta({ description: 'A label.' }),
    weight: weight.default(1),
    max_concurrency: maxConcurrency.default(null).meta({ examples: [64] }),
    api_key: z
      .string()
      .regex(/^[\x21-\x7e]{1,1000}$/, 'expected visible ASCII characters')
      .nullable()
      .default(null)
      .meta({ description: 'Sent to the node as a bearer token; never shown again.', format: 'password' }),
    engine: NodeEngine.default('vllm').meta({
      description:
        'What the node runs. vllm, sglang and simulated are asked for usage in every frame, so that streams which end early are billed to the token; openai is any other server of that API.',
    }),
    price_per_hour: Dollars.nullable()
      .default(null)
      .meta({ examples: [3.67] }),
  }),
  reply: { 201: Node },
  errors: ['already_exists', 'not_found'],
})

export const getNode = endpoint({
  id: 'nodes.get',
  method: 'GET',
  path: '/admin/nodes/{cluster_name}',
  auth: 'admin',
  tag,
  versioned: true,
  summary: 'Shows a node with its live state and what it costs',
  params,
  reply: { 200: NodeWithCost },
  errors: ['not_found'],
})

export const patchNode = endpoint({
  id: 'nodes.patch',
  method: 'PATCH',
  path: '/admin/nodes/{cluster_name}',
  auth: 'admin',
  scope: 'operate',
  tag,
  versioned: true,
  summary: 'Sets the fields that are sent; live within a second, running streams untouched',
  params,
  body: changesOf({
    weight: weight.meta({ description: "Its model's route may override it: see node_weights there." }),
    max_concurrency: maxConcurrency.meta({ description: 'Null: no bound.' }),
  }),
  reply: { 200: Node },
  errors: ['invalid_state', 'not_found'],
})

export const drainNode = endpoint({
  id: 'nodes.drain',
  method: 'POST',
  path: '/admin/nodes/{cluster_name}/drain',
  auth: 'admin',
  scope: 'operate',
  tag,
  versioned: true,
  summary: 'Gives a node no more requests; running streams finish',
  params,
  reply: { 200: Node },
  errors: ['invalid_state', 'not_found'],
})

export const undrainNode = endpoint({
  id: 'nodes.undrain',
  method: 'POST',
  path: '/admin/nodes/{cluster_name}/undrain',
  auth: 'admin',
  scope: 'operate',
  tag,
  versioned: true,
  summary: 'Lets a drained node take requests again',
  params,
  reply: { 200: Node },
  errors: ['invalid_state', 'not_found'],
})

export const terminateNode = endpoint({
  id: 'nodes.terminate',
  method: 'POST',
  path: '/admin/nodes/{cluster_name}/terminate',
  auth: 'admin',
  scope: 'operate',
  tag,
  versioned: true,
  summary: 'Takes a node out for good: drained first (terminating), at once with force; repeatable',
  params,
  body: z.strictObject({
    force: z.boolean().default(false).meta({ description: 'Do not wait for running requests.' }),
  }),
  reply: { 200: Node },
  errors: ['not_found'],
})

export const nodesEndpoints = [
  listNodes,
  registerNode,
  getNode,
  patchNode,
  drainNode,
  undrainNode,
  terminateNode,
]
