import { z } from 'zod'
import { endpoint } from './endpoint.js'
import { changesOf, Deleted, listOf, page, Provider, sortedBy, text, Timestamp, Uuid } from './fields.js'
import { InstanceType } from './instance-types.js'

export const Region = z
  .object({
    id: Uuid,
    provider: z.string(),
    code: z.string().meta({ description: "The provider's own: us-east-1." }),
    name: z.string(),
    price_multiplier: z
      .number()
      .meta({ description: 'List prices of instance types, times this, hold here.' }),
    created_at: Timestamp,
    updated_at: Timestamp,
  })
  .meta({ id: 'Region' })

const fields = {
  provider: Provider,
  code: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9-]{0,62}$/, 'expected 1 to 63 letters, digits and hyphens'),
  name: text(200),
  price_multiplier: z.number().positive().max(100),
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
  body: z.strictObject({ ...fields, price_multiplier: fields.price_multiplier.default(1) }),
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
  summary: 'Sets the fields that are sent; provider and code of a region that is in use stay',
  params,
  body: changesOf(fields),
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
  summary: 'Removes a region in which nothing runs',
  params,
  reply: { 200: Deleted },
  errors: ['in_use', 'not_found'],
})

export const regionAvailability = endpoint({
  id: 'regions.availability',
  method: 'GET',
  path: '/admin/regions/{id}/availability',
  auth: 'admin',
  tag,
  summary: "What can be had in a region, at the region's prices, and what runs there",
  description:
    "All instance types of the region's provider: whether the provider has capacity at the moment is known when it is asked for a machine.",
  params,
  reply: {
    200: z.object({
      region: Region,
      instance_types: z.array(InstanceType),
      nodes: z.array(z.object({ cluster_name: z.string(), model_name: z.string(), status: z.string() })),
      deployments: z.array(z.object({ id: Uuid, model_name: z.string(), status: z.string() })),
    }),
  },
  errors: ['not_found'],
})

export const regionsEndpoints = [
  listRegions,
  createRegion,
  getRegion,
  putRegion,
  patchRegion,
  deleteRegion,
  regionAvailability,
]
