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
import { HourlyPrices, InstanceTypeFields } from './instance-type-fields.js'
import { RegionCode } from './regions.js'

/** As the provider writes it: `p5.48xlarge`, `a3-highgpu-8g`, `Standard_ND96isr_H100_v5`. */
export const InstanceTypeName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,99}$/,
    'expected the name of an instance type: letters, digits and . _ : / + -',
  )

export const InstanceType = z
  .object({
    id: Uuid,
    provider: z.string(),
    ...InstanceTypeFields,
    regions: z
      .array(z.string())
      .nullable()
      .meta({ description: "Codes of the regions that offer it; null: all of the provider's." }),
    ...HourlyPrices,
    created_at: Timestamp,
    updated_at: Timestamp,
  })
  .meta({ id: 'InstanceType' })

/** Rules between these fields are the handler's: an instance type has all three of a GPU's fields or none of them. */
export const instanceTypeFields = {
  provider: Provider,
  name: InstanceTypeName,
  vcpus: z.number().int().min(1).max(100_000),
  memory_gb: z.number().positive().max(1_000_000),
  gpu_model: text(100).nullable().meta({ description: 'Null where it has no GPU.' }),
  gpu_count: z.number().int().min(0).max(10_000),
  gpu_memory_gb: z
    .number()
    .positive()
    .max(1_000_000)
    .nullable()
    .meta({ description: 'Of each GPU; null where it has none.' }),
  regions: z
    .array(RegionCode)
    .min(1)
    .max(1000)
    .refine((codes) => new Set(codes).size === codes.length, 'a region stands twice')
    .nullable()
    .meta({ description: "Codes of the provider's regions that offer it; null: all of them." }),
  price_on_demand_per_hour: Dollars.nullable().meta({
    description: "Dollars where the region's multiplier is 1; null: not known.",
  }),
  price_spot_per_hour: Dollars.nullable().meta({ description: 'The same for spot; null: not known.' }),
  price_as_of: z.iso
    .date()
    .refine((date) => date >= '1970', 'expected a date of 1970 or later')
    .nullable()
    .meta({ description: 'The day that the prices are of.' }),
}

const tag = 'Instance types'
const params = z.strictObject({ id: Uuid })
const atLeast = inQuery(z.number().min(0).max(1_000_000))
const countAtLeast = inQuery(z.number().int().min(0).max(1_000_000))

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
      'price_on_demand_per_hour',
      'price_spot_per_hour',
      'updated_at',
    ),
    provider: Provider.optional(),
    gpu_model: text(100).optional().meta({ description: 'In any case.' }),
    min_gpu_count: countAtLeast.optional(),
    min_gpu_memory: atLeast.optional().meta({ description: 'GB on each GPU.' }),
    min_vcpus: countAtLeast.optional(),
    min_memory: atLeast.optional().meta({ description: 'GB.' }),
    max_price_per_hour: inQuery(Dollars)
      .optional()
      .meta({ description: 'Dollars on demand, where the multiplier is 1.' }),
    region: RegionCode.optional().meta({ description: 'Code of a region that offers it.' }),
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
    ...instanceTypeFields,
    gpu_model: instanceTypeFields.gpu_model.default(null),
    gpu_count: instanceTypeFields.gpu_count.default(0),
    gpu_memory_gb: instanceTypeFields.gpu_memory_gb.default(null),
    regions: instanceTypeFields.regions.default(null),
    price_on_demand_per_hour: instanceTypeFields.price_on_demand_per_hour.default(null),
    price_spot_per_hour: instanceTypeFields.price_spot_per_hour.default(null),
    price_as_of: instanceTypeFields.price_as_of.default(null),
  }),
  reply: { 201: InstanceType },
  errors: ['already_exists', 'not_found'],
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
  summary: 'Sets the fields that are sent; provider and name only while nothing uses the instance type',
  params,
  body: changesOf(instanceTypeFields),
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
  summary: 'Removes an instance type that no node or deployment refers to',
  params,
  reply: { 200: Deleted },
  errors: ['in_use', 'not_found'],
})

const InstanceTypePricing = z
  .object({
    instance_type_id: Uuid,
    provider: z.string(),
    name: z.string(),
    price_as_of: HourlyPrices.price_as_of,
    data: z
      .array(
        z.object({
          region_id: Uuid,
          region: z.string(),
          region_name: z.string(),
          price_multiplier: z.number(),
          price_on_demand_per_hour: HourlyPrices.price_on_demand_per_hour,
          price_spot_per_hour: HourlyPrices.price_spot_per_hour,
        }),
      )
      .meta({ description: 'The regions that offer it, by code; prices are in dollars.' }),
  })
  .meta({ id: 'InstanceTypePricing' })

export const getInstanceTypePricing = endpoint({
  id: 'instance-types.pricing',
  method: 'GET',
  path: '/admin/instance-types/{id}/pricing',
  auth: 'admin',
  tag,
  summary: 'Shows what an instance type costs in each region that offers it',
  params,
  reply: { 200: InstanceTypePricing },
  errors: ['not_found'],
})

export const instanceTypesEndpoints = [
  listInstanceTypes,
  createInstanceType,
  getInstanceType,
  putInstanceType,
  patchInstanceType,
  deleteInstanceType,
  getInstanceTypePricing,
]
