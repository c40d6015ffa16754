import { z } from 'zod'
import { ENDPOINT_STATUSES } from '../endpoint-status.js'
import { endpoint } from './endpoint.js'
import { ModelShown, Uuid } from './fields.js'
import { ModelKind } from './models.js'

/**
 * Discovery: which models can be called, what they cost and how they are. Answered by the data plane, which alone knows
 * how its nodes are at the moment; see docs/endpoints.md.
 */

const Ms = z.number().nullable()

const CallableModel = z
  .object({
    model_id: Uuid,
    model_name: ModelShown,
    family: z.string().meta({ examples: ['llama'] }),
    type: ModelKind,
    context_length: z
      .number()
      .int()
      .meta({ examples: [131_072] }),
    price_input_per_million: z
      .number()
      .meta({ description: 'Dollars per million tokens.', examples: [0.15] }),
    price_output_per_million: z.number().meta({ examples: [0.6] }),
    price_cached_input_per_million: z
      .number()
      .nullable()
      .meta({ description: 'Null: cached prompt tokens cost the input price.', examples: [0.03] }),
    status: z.enum(ENDPOINT_STATUSES).meta({
      description:
        'available: every node that is to take requests is healthy, and one of them has room; degraded: some are not, or' +
        ' all are full; unavailable: none is healthy.',
    }),
    avg_latency_ms: Ms.meta({
      description:
        'Of whole requests, over the last five minutes and all of its users; null: there were none, or it is not known.',
      examples: [812.4],
    }),
    p95_ttft_ms: Ms.meta({ description: 'Time to first token, over the same.', examples: [143.2] }),
    capacity_tps: z
      .number()
      .nullable()
      .meta({
        description:
          "Tokens per second of its healthy nodes together; null: the model's capacity is not known.",
        examples: [5000],
      }),
    healthy_nodes: z
      .number()
      .int()
      .meta({ examples: [2] }),
    base_url: z
      .string()
      .meta({ description: 'For OpenAI clients.', examples: ['https://llm.example.com/v1'] }),
  })
  .meta({ id: 'CallableModel' })

const reading = {
  method: 'GET',
  auth: 'key',
  tag: 'Endpoints',
  roles: ['admin', 'developer', 'read-only'],
} as const

export const listEndpoints = endpoint({
  ...reading,
  id: 'endpoints.list',
  path: '/v1/endpoints',
  summary: 'Lists the models that this key can call now, with price, state and latency',
  description: 'By name. Models of which no node is healthy are left out.',
  query: z.strictObject({ type: ModelKind.optional() }),
  reply: { 200: z.object({ data: z.array(CallableModel) }) },
  errors: [],
})

export const getEndpoint = endpoint({
  ...reading,
  id: 'endpoints.get',
  path: '/v1/endpoints/{model_id}',
  summary: 'Shows one of them, also when it is unavailable',
  params: z.strictObject({
    model_id: z.string().meta({
      description: 'Id, name or alias of a model; slashes in a name may stand raw or encoded.',
      examples: ['meta-llama/Llama-3.1-8B-Instruct'],
    }),
  }),
  reply: { 200: CallableModel },
  errors: ['model_not_found'],
})

export type CallableModel = z.infer<typeof CallableModel>

export const discoveryEndpoints = [listEndpoints, getEndpoint]
