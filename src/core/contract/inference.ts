import { z } from 'zod'
import type { TenantEndpoint } from './endpoint.js'

/**
 * The OpenAI-compatible endpoints, declared for the documentation alone: the data plane mounts them, reads no more of
 * a body than routing needs and forwards its bytes. Fields that are not named here go to the node as they are.
 */
const routed = {
  model: z.string().meta({ description: 'Name or alias of a model.' }),
  stream: z.boolean().optional(),
  stream_options: z.looseObject({ include_usage: z.boolean().optional() }).optional(),
  n: z.number().int().optional(),
  user: z.string().optional(),
}

const Usage = z
  .looseObject({
    prompt_tokens: z.number().int(),
    completion_tokens: z.number().int().optional(),
    total_tokens: z.number().int(),
    prompt_tokens_details: z.looseObject({ cached_tokens: z.number().int() }).nullish(),
  })
  .meta({ id: 'TokenUsage' })

const ModelCard = z
  .object({ id: z.string(), object: z.literal('model'), created: z.number().int(), owned_by: z.string() })
  .meta({ id: 'ModelCard' })

const inference = {
  method: 'POST',
  auth: 'key',
  tag: 'Inference',
  roles: ['admin', 'developer'],
  errors: [
    'model_not_allowed',
    'model_not_found',
    'length_required',
    'upstream_invalid_response',
    'upstream_connection_failed',
    'upstream_connection_lost',
    'upstream_error',
    'no_healthy_node',
    'draining',
    'storage_full',
    'first_token_timeout',
    'idle_timeout',
  ],
} as const

const reading = {
  method: 'GET',
  auth: 'key',
  tag: 'Inference',
  roles: ['admin', 'developer', 'read-only'],
} as const

export const inferenceEndpoints: readonly TenantEndpoint[] = [
  {
    ...inference,
    id: 'inference.chat-completions',
    path: '/v1/chat/completions',
    summary: 'Answers a conversation',
    description: 'OpenAI-compatible. Unknown fields are forwarded to the inference server.',
    streams: true,
    body: z.looseObject({
      ...routed,
      messages: z.array(z.looseObject({ role: z.string() })),
      max_tokens: z.number().int().optional(),
      max_completion_tokens: z.number().int().optional(),
    }),
    reply: { 200: z.looseObject({ id: z.string(), choices: z.array(z.looseObject({})), usage: Usage }) },
  },
  {
    ...inference,
    id: 'inference.completions',
    path: '/v1/completions',
    summary: 'Continues a text',
    description: 'OpenAI-compatible. Unknown fields are forwarded to the inference server.',
    streams: true,
    body: z.looseObject({ ...routed, prompt: z.unknown(), max_tokens: z.number().int().optional() }),
    reply: { 200: z.looseObject({ id: z.string(), choices: z.array(z.looseObject({})), usage: Usage }) },
  },
  {
    ...inference,
    id: 'inference.embeddings',
    path: '/v1/embeddings',
    summary: 'Embeds texts',
    description: 'OpenAI-compatible. Unknown fields are forwarded to the inference server.',
    body: z.looseObject({ model: routed.model, input: z.unknown(), user: routed.user }),
    reply: { 200: z.looseObject({ data: z.array(z.looseObject({})), usage: Usage }) },
  },
  {
    ...reading,
    id: 'inference.models',
    path: '/v1/models',
    summary: 'Lists the models that this key may use',
    reply: { 200: z.object({ object: z.literal('list'), data: z.array(ModelCard) }) },
    errors: [],
  },
  {
    ...reading,
    id: 'inference.model',
    path: '/v1/models/{model}',
    summary: 'Shows one of them; slashes in the name may stand raw or encoded',
    params: z.object({ model: z.string() }),
    reply: { 200: ModelCard },
    errors: ['model_not_found'],
  },
]
