import { z } from 'zod'
import { endpoint } from './endpoint.js'
import {
  AllowedModels,
  changesOf,
  Deleted,
  limits,
  limitsShown,
  listOf,
  notYet,
  page,
  sortedBy,
  text,
  Timestamp,
  Uuid,
} from './fields.js'

export const Tier = z.enum(['free', 'starter', 'pro', 'enterprise']).meta({
  description: "The tenant's tier. A label for now: the limits that it brings come with a later version.",
})

export const Tenant = z
  .object({
    id: Uuid,
    name: z.string(),
    email: z.string(),
    tier: Tier,
    status: z.enum(['active', 'suspended']),
    ...limitsShown,
    max_monthly_spend_usd: z.number().nullable(),
    allowed_models: z.array(z.string()).nullable(),
    created_at: Timestamp,
    updated_at: Timestamp,
  })
  .meta({ id: 'Tenant' })

const TenantDetail = Tenant.extend({ api_keys_count: z.number().int() }).meta({ id: 'TenantDetail' })

const fields = {
  name: text(200),
  email: z.email().max(254),
  tier: Tier,
  ...limits,
  max_monthly_spend_usd: notYet(z.number().min(0).nullable(), null),
  allowed_models: AllowedModels,
}

const params = z.strictObject({ id: Uuid })
const tag = 'Tenants'

export const listTenants = endpoint({
  id: 'tenants.list',
  method: 'GET',
  path: '/admin/tenants',
  auth: 'admin',
  tag,
  summary: 'Lists tenants, newest first unless sorted',
  query: z.strictObject({
    ...page,
    ...sortedBy('created_at', 'name', 'email', 'updated_at'),
    tier: Tier.optional(),
    status: z.enum(['active', 'suspended']).optional(),
    search: text(200).optional(),
  }),
  reply: { 200: listOf(Tenant) },
  errors: [],
})

export const createTenant = endpoint({
  id: 'tenants.create',
  method: 'POST',
  path: '/admin/tenants',
  auth: 'admin',
  tag,
  summary: 'Creates a tenant with a production environment and a first API key, shown this once',
  body: z.strictObject({
    ...fields,
    tier: fields.tier.default('free'),
    allowed_models: fields.allowed_models.default(null),
  }),
  reply: { 201: z.object({ tenant: Tenant, api_key: z.string() }) },
  errors: ['already_exists', 'not_found'],
})

export const getTenant = endpoint({
  id: 'tenants.get',
  method: 'GET',
  path: '/admin/tenants/{id}',
  auth: 'admin',
  tag,
  versioned: true,
  summary: 'Shows a tenant',
  params,
  reply: { 200: TenantDetail },
  errors: ['not_found'],
})

const changeTenant = {
  path: '/admin/tenants/{id}',
  auth: 'admin',
  tag,
  versioned: true,
  summary: 'Sets the fields that are sent',
  params,
  body: changesOf(fields),
  reply: { 200: Tenant },
  errors: ['already_exists', 'not_found'],
} as const

/** Input of both. */
export interface TenantChange {
  readonly params: z.output<typeof params>
  readonly body: z.output<typeof changeTenant.body>
}
export const putTenant = endpoint({ id: 'tenants.put', method: 'PUT', ...changeTenant })
export const patchTenant = endpoint({ id: 'tenants.patch', method: 'PATCH', ...changeTenant })

export const deleteTenant = endpoint({
  id: 'tenants.delete',
  method: 'DELETE',
  path: '/admin/tenants/{id}',
  auth: 'admin',
  tag,
  versioned: true,
  summary: 'Deletes a tenant: its keys stop working, its usage stays',
  params,
  reply: { 200: Deleted },
  errors: ['not_found'],
})

export const suspendTenant = endpoint({
  id: 'tenants.suspend',
  method: 'POST',
  path: '/admin/tenants/{id}/suspend',
  auth: 'admin',
  tag,
  versioned: true,
  summary: 'Suspends a tenant: its keys are refused until it is activated',
  params,
  reply: { 200: Tenant },
  errors: ['not_found'],
})

export const activateTenant = endpoint({
  id: 'tenants.activate',
  method: 'POST',
  path: '/admin/tenants/{id}/activate',
  auth: 'admin',
  tag,
  versioned: true,
  summary: 'Ends a suspension',
  params,
  reply: { 200: Tenant },
  errors: ['not_found'],
})

export const tenantsEndpoints = [
  listTenants,
  createTenant,
  getTenant,
  putTenant,
  patchTenant,
  deleteTenant,
  suspendTenant,
  activateTenant,
]

export { fields as tenantFields }
