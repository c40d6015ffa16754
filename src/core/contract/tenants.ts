import { z } from 'zod'
import { microsOfDollars } from '../money.js'
import { TIERS } from '../tiers.js'
import { endpoint } from './endpoint.js'
import {
  AllowedModels,
  allowedModelsShown,
  changesOf,
  Deleted,
  KeyShown,
  limits,
  listOf,
  page,
  sortedBy,
  text,
  Timestamp,
  Uuid,
} from './fields.js'

export const Tier = z.enum(TIERS).meta({
  description:
    'Brings the limits that were not set otherwise. A change of the tier moves each limit that is still the default of' +
    ' the old tier to that of the new one. free: 20 requests per minute, 40,000 tokens per minute, 2 at a time;' +
    ' starter: 300, 500,000, 20; pro: 3,000, 5,000,000, 200; enterprise: unlimited.',
})

const Budget = z
  .number()
  .positive()
  .max(1_000_000_000)
  .refine((dollars) => microsOfDollars(dollars) !== null, 'expected at most six decimals')
  .nullable()
  .meta({
    description: 'Dollars per calendar month in UTC; null: unlimited.',
  })

export const Tenant = z
  .object({
    id: Uuid,
    name: z.string().meta({ examples: ['Acme'] }),
    email: z.string().meta({ examples: ['ops@acme.example'] }),
    tier: Tier,
    status: z.enum(['active', 'suspended']),
    ...limits,
    max_monthly_spend_usd: Budget,
    allowed_models: allowedModelsShown,
    created_at: Timestamp,
    updated_at: Timestamp,
  })
  .meta({ id: 'Tenant' })

const AWAY = 'Null while the usage store does not answer.'

const TenantDetail = Tenant.extend({
  api_keys_count: z.number().int().meta({ description: 'Keys that are not revoked.' }),
  total_spend_usd: z
    .number()
    .nullable()
    .meta({ description: `Of all time. ${AWAY}` }),
  month_spend_usd: z
    .number()
    .nullable()
    .meta({
      description: `In the present calendar month in UTC, to which \`max_monthly_spend_usd\` applies. ${AWAY}`,
    }),
  total_tokens: z
    .number()
    .int()
    .nullable()
    .meta({ description: `Prompt and completion tokens of all time. ${AWAY}` }),
  total_requests: z
    .number()
    .int()
    .nullable()
    .meta({ description: `Of all time. ${AWAY}` }),
  last_request_at: Timestamp.nullable().meta({
    description: `When the last request ended; null when there was none. ${AWAY}`,
  }),
}).meta({ id: 'TenantDetail' })

export const tenantFields = {
  name: text(200, 'Acme'),
  email: z
    .email()
    .max(254)
    .meta({ examples: ['ops@acme.example'] }),
  tier: Tier,
  ...limits,
  max_monthly_spend_usd: Budget,
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
  description: "A limit that is left out is the tier's default; null is unlimited.",
  body: z.strictObject({
    ...tenantFields,
    tier: tenantFields.tier.default('free'),
    rate_limit_per_minute: limits.rate_limit_per_minute.optional(),
    tokens_per_minute: limits.tokens_per_minute.optional(),
    max_concurrency: limits.max_concurrency.optional(),
    max_monthly_spend_usd: tenantFields.max_monthly_spend_usd.default(null),
    allowed_models: tenantFields.allowed_models.default(null),
  }),
  reply: { 201: z.object({ tenant: Tenant, api_key: KeyShown }) },
  errors: ['already_exists', 'not_found'],
})

export const getTenant = endpoint({
  id: 'tenants.get',
  method: 'GET',
  path: '/admin/tenants/{id}',
  auth: 'admin',
  tag,
  versioned: true,
  summary: 'Shows a tenant with what it has used in all',
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
  body: changesOf(tenantFields).meta({ examples: [{ tier: 'pro' }] }),
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
  summary: 'Suspends a tenant: within a second its keys are refused, until it is activated',
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
  summary: 'Ends a suspension, within a second',
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
