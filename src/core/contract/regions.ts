import { z } from 'zod'
import { endpoint } from './endpoint.js'
import { changesOf, Deleted, listOf, page, Provider, sortedBy, text, Timestamp, Uuid } from './fields.js'
import { HourlyPrices, InstanceTypeFields } from './instance-type-fields.js'
import { NodeStatus } from './nodes.js'

/** As the provider writes it: `us-east-1`, `europe-west4`, `eastus2`. */
export const RegionCode = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, 'expected a region code: letters, digits and . _ -')

export const Region = z
  .object({
    id: Uuid,
    provider: z.string(),
    code: z.string(),
    name: z.string(),
    price_multiplier: z.number(),
    created_at: Timestamp,
    updated_at: Timestamp,
  })
  .meta({ id: 'Region' })

export const regionFields = {
  provider: Provider,
  code: RegionCode,
  name: text(200),
  price_multiplier: z.number().min(0.01).max(100).meta({
    description: "What list prices of the provider's instance types are multiplied by in this region.",
  }),
}

const tag = 'Regions'
const params = z.strictObject({ id: Uuid })

export const listRegions = endpoint({
  id: 'regions.list',
  method: 'GET',
  path: '/admin/regions',
  auth: 'admin',
  tag,
  summary: 'Lists regions, newest first unless sorted',
  query: z.strictObject({
    ...page,
    ...sortedBy('created_at', 'provider', 'code', 'name', 'price_multiplier', 'updated_at'),
    provider: Provider.optional(),
    search: text(200).optional().meta({ description: 'Part of a code or name, in any case.' }),
  }),
  reply: { 200: listOf(Region) },
  errors: [],
})

export const createRegion = endpoint({
  id: 'regions.create',
  method: 'POST',
  path: '/admin/regions',
  auth: 'admin',
  tag,
  versioned: true,
  summary: 'Adds a region of a provider',
  body: z.strictObject({ ...regionFields, price_multiplier: regionFields.price_multiplier.default(1) }),
  reply: { 201: Region },
  errors: ['already_exists'],
})

export const getRegion = endpoint({
  id: 'regions.get',
  method: 'GET',
  path: '/admin/regions/{id}',
  auth: 'admin',
  tag,
  versioned: true,
  summary: 'Shows a region',
  params,
  reply: { 200: Region },
  errors: ['not_found'],
})

const changeRegion = {
  path: '/admin/regions/{id}',
  auth: 'admin',
  tag,
  versioned: true,
  summary: 'Sets the fields that are sent; provider and code only while nothing uses the region',
  params,
  body: changesOf(regionFields),
  reply: { 200: Region },
  errors: ['already_exists', 'in_use', 'not_found'],
} as const

/** Input of both. */
export interface RegionChange {
  readonly params: z.output<typeof params>
  readonly body: z.output<typeof changeRegion.body>
}
export const putRegion = endpoint({ id: 'regions.put', method: 'PUT', ...changeRegion })
export const patchRegion = endpoint({ id: 'regions.patch', method: 'PATCH', ...changeRegion })

export const deleteRegion = endpoint({
  id: 'regions.delete',
  method: 'DELETE',
  path: '/admin/regions/{id}',
  auth: 'admin',
  tag,
  versioned: true,
  summary: 'Removes a region that no node, deployment or instance type refers to',
  params,
  reply: { 200: Deleted },
  errors: ['in_use', 'not_found'],
})

const RegionAvailability = z
  .object({
    region_id: Uuid,
    provider: z.string(),
    code: z.string(),
    instance_types: z
      .array(z.object({ id: Uuid, ...InstanceTypeFields, ...HourlyPrices }))
      .meta({ description: 'What the provider offers there, with its prices there.' }),
    nodes: z
      .array(
        z.object({
          id: Uuid,
          cluster_name: z.string(),
          model_name: z.string(),
          instance_type: z.string().nullable(),
          status: NodeStatus,
        }),
      )
      .meta({ description: 'Nodes there that are not terminated.' }),
    deployments: z
      .array(
        z.object({
          id: Uuid,
          model_name: z.string(),
          instance_type: z.string().nullable(),
          target_node_count: z.number().int(),
          status: z.string(),
        }),
      )
      .meta({ description: 'Deployments there that are not terminated.' }),
  })
  .meta({ id: 'RegionAvailability' })

export const getRegionAvailability = endpoint({
  id: 'regions.availability',
  method: 'GET',
  path: '/admin/regions/{id}/availability',
  auth: 'admin',
  tag,
  summary: 'Shows which instance types the provider offers in a region, and what runs there',
  params,
  reply: { 200: RegionAvailability },
  errors: ['not_found'],
})

export const regionsEndpoints = [
  listRegions,
  createRegion,
  getRegion,
  putRegion,
  patchRegion,
  deleteRegion,
  getRegionAvailability,
]
