import { z } from 'zod'
import { endpoint } from './endpoint.js'
import {
  changesOf,
  Deleted,
  Dollars,
  inQuery,
  listOf,
  ModelName,
  ModelShown,
  page,
  sortedBy,
  text,
  Timestamp,
  Uuid,
} from './fields.js'

export const ModelKind = z.enum(['chat', 'completion', 'embedding'])
export const ModelStatus = z.enum(['active', 'deprecated', 'beta'])
const Metadata = z
  .record(z.string().max(200), z.unknown())
  .superRefine((metadata, context) => {
    const message = unstorable(metadata)
    if (message !== null) context.addIssue({ code: 'custom', message })
  })
  .meta({ examples: [{ license: 'llama3.1' }] })

/** What of some JSON would not come back from the database as it was sent; null: nothing. Bodies nest 32 deep at most. */
function unstorable(value: unknown): string | null {
  if (typeof value === 'string') {
    return value.isWellFormed() && !value.includes('\0')
      ? null
      : 'a text holds a character that cannot be stored'
  }
  if (typeof value === 'number') {
    const exact = Number.isInteger(value) ? Number.isSafeInteger(value) : Number.isFinite(value)
    return exact ? null : 'a number is too large to be kept exactly'
  }
  if (typeof value !== 'object' || value === null) return null
  for (const [key, inner] of Object.entries(value)) {
    const problem = unstorable(key) ?? unstorable(inner)
    if (problem !== null) return problem
  }
  return null
}

export const Model = z
  .object({
    id: Uuid,
    name: ModelShown,
    family: z.string().meta({ examples: ['llama'] }),
    size: z
      .string()
      .nullable()
      .meta({ examples: ['8B'] }),
    type: ModelKind,
    context_length: z
      .number()
      .int()
      .meta({ examples: [131_072] }),
    vram_required_gb: z.number().meta({ examples: [24] }),
    price_input_per_million: z
      .number()
      .meta({ description: 'Dollars per million tokens.', examples: [0.15] }),
    price_output_per_million: z.number().meta({ examples: [0.6] }),
    price_cached_input_per_million: z
      .number()
      .nullable()
      .meta({ description: 'Null: cached prompt tokens cost the input price.', examples: [0.03] }),
    tokens_per_second_capacity: z
      .number()
      .nullable()
      .meta({ examples: [2500] }),
    status: ModelStatus,
    aliases: z.array(z.string()).meta({ examples: [['llama-8b']] }),
    metadata: Metadata,
    created_at: Timestamp,
    updated_at: Timestamp,
  })
  .meta({ id: 'Model' })

export const modelFields = {
  name: ModelName,
  family: text(200, 'llama'),
  size: text(100, '8B').nullable(),
  type: ModelKind,
  context_length: z
    .number()
    .int()
    .min(1)
    .max(1_000_000_000)
    .meta({ examples: [131_072] }),
  vram_required_gb: z
    .number()
    .min(0)
    .max(1_000_000)
    .meta({ examples: [24] }),
  price_input_per_million: Dollars.meta({ examples: [0.15] }),
  price_output_per_million: Dollars.meta({ examples: [0.6] }),
  price_cached_input_per_million: Dollars.nullable().meta({ examples: [0.03] }),
  tokens_per_second_capacity: z
    .number()
    .positive()
    .max(1e12)
    .nullable()
    .meta({ examples: [2500] }),
  status: ModelStatus,
  aliases: z
    .array(ModelName)
    .max(100)
    .refine((names) => new Set(names).size === names.length, 'an alias stands twice')
    .meta({ examples: [['llama-8b']] }),
  metadata: Metadata,
}

const tag = 'Models'
const params = z.strictObject({ id: Uuid })

export const listModels = endpoint({
  id: 'models.list',
  method: 'GET',
  path: '/admin/models',
  auth: 'admin',
  tag,
  summary: 'Lists models, newest first unless sorted',
  query: z.strictObject({
    ...page,
    ...sortedBy('created_at', 'name', 'family', 'context_length', 'vram_required_gb', 'updated_at'),
    family: text(200).optional(),
    type: ModelKind.optional(),
    status: ModelStatus.optional(),
    min_vram: inQuery(z.number().min(0)).optional(),
    max_vram: inQuery(z.number().min(0)).optional(),
    search: text(200).optional().meta({ description: 'Part of a name, alias or family, in any case.' }),
  }),
  reply: { 200: listOf(Model) },
  errors: [],
})

export const createModel = endpoint({
  id: 'models.create',
  method: 'POST',
  path: '/admin/models',
  auth: 'admin',
  tag,
  versioned: true,
  summary: 'Adds a model to the catalogue',
  body: z.strictObject({
    ...modelFields,
    size: modelFields.size.default(null),
    price_cached_input_per_million: modelFields.price_cached_input_per_million.default(null),
    tokens_per_second_capacity: modelFields.tokens_per_second_capacity.default(null),
    status: modelFields.status.default('active'),
    aliases: modelFields.aliases.default([]),
    metadata: modelFields.metadata.default({}),
  }),
  reply: { 201: Model },
  errors: ['already_exists'],
})

export const getModel = endpoint({
  id: 'models.get',
  method: 'GET',
  path: '/admin/models/{id}',
  auth: 'admin',
  tag,
  versioned: true,
  summary: 'Shows a model',
  params,
  reply: { 200: Model },
  errors: ['not_found'],
})

const changeModel = {
  path: '/admin/models/{id}',
  auth: 'admin',
  tag,
  versioned: true,
  summary: 'Sets the fields that are sent; running requests keep the prices of their start',
  params,
  body: changesOf(modelFields).meta({
    examples: [{ price_input_per_million: 0.12, price_output_per_million: 0.5 }],
  }),
  reply: { 200: Model },
  errors: ['already_exists', 'in_use', 'not_found'],
} as const

/** Input of both. */
export interface ModelChange {
  readonly params: z.output<typeof params>
  readonly body: z.output<typeof changeModel.body>
}
export const putModel = endpoint({ id: 'models.put', method: 'PUT', ...changeModel })
export const patchModel = endpoint({ id: 'models.patch', method: 'PATCH', ...changeModel })

export const deleteModel = endpoint({
  id: 'models.delete',
  method: 'DELETE',
  path: '/admin/models/{id}',
  auth: 'admin',
  tag,
  versioned: true,
  summary: 'Removes a model that has no node left and that no other one names in its route',
  params,
  reply: { 200: Deleted },
  errors: ['in_use', 'not_found'],
})

export const modelsEndpoints = [listModels, createModel, getModel, putModel, patchModel, deleteModel]
