import { z } from 'zod'
import type { TenantEndpoint } from './endpoint.js'
import { ModelShown } from './fields.js'

/**
 * The OpenAI-compatible endpoints, declared for the documentation alone: the data plane mounts them, reads no more of
 * a body than routing needs and forwards its bytes. Fields that are not named here go to the node as they are.
 */
const routed = {
  model: ModelShown.meta({ description: 'Name or alias of a model.' }),
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
  .meta({
    id: 'TokenUsage',
    examples: [{ prompt_tokens: 12, completion_tokens: 8, total_tokens: 20 }],
  })

/** A whole reply with one choice. */
function answer(id: string, choice: object) {
  return z.looseObject({
    id: z.string().meta({ examples: [id] }),
    choices: z.array(z.looseObject({})).meta({ examples: [[choice]] }),
    usage: Usage,
  })
}

const ModelCard = z
  .object({ id: ModelShown, object: z.literal('model'), created: z.number().int(), owned_by: z.string() })
  .meta({
    id: 'ModelCard',
    examples: [
      {
        id: 'meta-llama/Llama-3.1-8B-Instruct',
        object: 'model',
        created: 1772460300,
        owned_by: 'llama',
      },
    ],
  })

const inference = {
  method: 'POST',
  auth: 'key',
  tag: 'Inference',
  roles: ['admin', 'developer'],
  errors: [
    'model_not_allowed',
    'model_not_found',
    'length_required',
    'rate_limit_exceeded',
    'concurrency_exceeded',
    'insufficient_quota',
    'upstream_invalid_response',
    'upstream_connection_failed',
    'upstream_connection_lost',
    'upstream_error',
    'no_healthy_node',
    'queue_full',
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
      messages: z
        .array(z.looseObject({ role: z.string() }))
        .meta({ examples: [[{ role: 'user', content: 'Hello!' }]] }),
      max_tokens: z.number().int().optional(),
      max_completion_tokens: z.number().int().optional(),
    }),
    reply: {
      200: answer('chatcmpl-7f1a', {
        index: 0,
        message: { role: 'assistant', content: 'Hello! How can I help?' },
        finish_reason: 'stop',
      }),
    },
  },
  {
    ...inference,
    id: 'inference.completions',
    path: '/v1/completions',
    summary: 'Continues a text',
    description: 'OpenAI-compatible. Unknown fields are forwarded to the inference server.',
    streams: true,
    body: z.looseObject({
      ...routed,
      prompt: z.unknown().meta({ examples: ['Once upon a time'] }),
      max_tokens: z.number().int().optional(),
    }),
    reply: { 200: answer('cmpl-7f1a', { index: 0, text: ' there was', finish_reason: 'length' }) },
  },
  {
    ...inference,
    id: 'inference.embeddings',
    path: '/v1/embeddings',
    summary: 'Embeds texts',
    description: 'OpenAI-compatible. Unknown fields are forwarded to the inference server.',
    body: z.looseObject({
      model: routed.model,
      input: z.unknown().meta({ examples: ['A text to embed'] }),
      user: routed.user,
    }),
    reply: {
      200: z.looseObject({
        data: z
          .array(z.looseObject({}))
          .meta({ examples: [[{ object: 'embedding', index: 0, embedding: [0.013, -0.021] }]] }),
        usage: Usage,
      }),
    },
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
    params: z.object({ model: ModelShown }),
    reply: { 200: ModelCard },
    errors: ['model_not_found'],
  },
]
