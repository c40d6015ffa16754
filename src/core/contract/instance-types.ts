import { z } from 'zod'
import { endpoint } from './endpoint.js'
import {
  changesOf,
  Deleted,
  Dollars,
  inQuery,
  listOf,
  page,
  Provider,
  sortedBy,
  text,
  Timestamp,
  Uuid,
} from './fields.js'

const PricePerHour = z.number().nullable().meta({ description: 'Dollars; null: not known.' })

export const InstanceType = z
  .object({
    id: Uuid,
    provider: z.string(),
    name: z.string().meta({ description: "The provider's own: p5.48xlarge." }),
    vcpus: z.number().int(),
    memory_gb: z.number(),
    gpu_model: z.string().nullable(),
    gpu_count: z.number().int(),
    gpu_memory_gb: z.number().nullable().meta({ description: 'Of each GPU.' }),
    price_per_hour: PricePerHour,
    price_spot_per_hour: PricePerHour,
    price_as_of: z.iso.date().nullable().meta({ description: 'The day that the prices are of.' }),
    created_at: Timestamp,
    updated_at: Timestamp,
  })
  .meta({ id: 'InstanceType' })

const fields = {
  provider: Provider,
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, 'expected letters, digits and . _ -'),
  vcpus: z.number().int().min(1).max(100_000),
  memory_gb: z.number().positive().max(1_000_000),
  gpu_model: text(100).nullable(),
  gpu_count: z.number().int().min(0).max(10_000),
  gpu_memory_gb: z.number().positive().max(100_000).nullable(),
  price_per_hour: Dollars.nullable(),
  price_spot_per_hour: Dollars.nullable(),
  price_as_of: z.iso.date().nullable(),
}

const tag = 'Instance types'
const params = z.strictObject({ id: Uuid })

export const listInstanceTypes = endpoint({
  id: 'instance-types.list',
  method: 'GET',
  path: '/admin/instance-types',
  auth: 'admin',
  tag,
  summary: 'Lists instance types, newest first unless sorted',
  query: z.strictObject({
    ...page,
    ...sortedBy(
      'created_at',
      'provider',
      'name',
      'vcpus',
      'memory_gb',
      'gpu_model',
      'gpu_count',
      'gpu_memory_gb',
      'price_per_hour',
      'price_spot_per_hour',
      'updated_at',
    ),
    provider: Provider.optional(),
    gpu_model: text(100).optional(),
    min_gpu_count: inQuery(z.number().int().min(0)).optional(),
    min_gpu_memory_gb: inQuery(z.number().min(0))
      .optional()
      .meta({ description: 'Of all its GPUs together.' }),
    max_price_per_hour: inQuery(z.number().min(0)).optional().meta({ description: 'On demand; dollars.' }),
    search: text(200).optional().meta({ description: 'Part of a name or GPU model, in any case.' }),
  }),
  reply: { 200: listOf(InstanceType) },
  errors: [],
})

export const createInstanceType = endpoint({
  id: 'instance-types.create',
  method: 'POST',
  path: '/admin/instance-types',
  auth: 'admin',
  tag,
  versioned: true,
  summary: 'Adds an instance type of a provider',
  body: z.strictObject({
    ...fields,
    gpu_model: fields.gpu_model.default(null),
    gpu_count: fields.gpu_count.default(0),
    gpu_memory_gb: fields.gpu_memory_gb.default(null),
    price_per_hour: fields.price_per_hour.default(null),
    price_spot_per_hour: fields.price_spot_per_hour.default(null),
    price_as_of: fields.price_as_of.default(null),
  }),
  reply: { 201: InstanceType },
  errors: ['already_exists'],
})

export const getInstanceType = endpoint({
  id: 'instance-types.get',
  method: 'GET',
  path: '/admin/instance-types/{id}',
  auth: 'admin',
  tag,
  versioned: true,
  summary: 'Shows an instance type',
  params,
  reply: { 200: InstanceType },
  errors: ['not_found'],
})

const changeInstanceType = {
  path: '/admin/instance-types/{id}',
  auth: 'admin',
  tag,
  versioned: true,
  summary: 'Sets the fields that are sent; provider and name of an instance type that is in use stay',
  params,
  body: changesOf(fields),
  reply: { 200: InstanceType },
  errors: ['already_exists', 'in_use', 'not_found'],
} as const

/** Input of both. */
export interface InstanceTypeChange {
  readonly params: z.output<typeof params>
  readonly body: z.output<typeof changeInstanceType.body>
}
export const putInstanceType = endpoint({ id: 'instance-types.put', method: 'PUT', ...changeInstanceType })
export const patchInstanceType = endpoint({
  id: 'instance-types.patch',
  method: 'PATCH',
  ...changeInstanceType,
})

export const deleteInstanceType = endpoint({
  id: 'instance-types.delete',
  method: 'DELETE',
  path: '/admin/instance-types/{id}',
  auth: 'admin',
  tag,
  versioned: true,
  summary: 'Removes an instance type that nothing runs on',
  params,
  reply: { 200: Deleted },
  errors: ['in_use', 'not_found'],
})

export const instanceTypePricing = endpoint({
  id: 'instance-types.pricing',
  method: 'GET',
  path: '/admin/instance-types/{id}/pricing',
  auth: 'admin',
  tag,
  summary:
    "What an instance type costs in each region of its provider: its price times the region's multiplier",
  params,
  reply: {
    200: z.object({
      instance_type: InstanceType,
      data: z.array(
        z.object({
          region_id: Uuid,
          region: z.string(),
          price_multiplier: z.number(),
          price_per_hour: PricePerHour,
          price_spot_per_hour: PricePerHour,
        }),
      ),
    }),
  },
  errors: ['not_found'],
})

export const instanceTypesEndpoints = [
  listInstanceTypes,
  createInstanceType,
  getInstanceType,
  putInstanceType,
  patchInstanceType,
  deleteInstanceType,
  instanceTypePricing,
]
