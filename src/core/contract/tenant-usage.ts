import { z } from 'zod'
import { endpoint } from './endpoint.js'
import { inQuery, Uuid } from './fields.js'
import { DateUsage, Granularity, Usage, usageQuery } from './usage.js'
import { PAGES, recordsPage, UsageRecord } from './usage-records.js'

const TenantUsage = Usage.extend({
  tenant_id: Uuid,
  by_date: z
    .array(DateUsage)
    .meta({ description: 'Every bucket of the range, zeros where nothing was used.' }),
}).meta({ id: 'TenantUsage' })

const tag = 'Usage'

const query = usageQuery.extend({ granularity: Granularity })

const usageOfTenant = {
  method: 'GET',
  auth: 'admin',
  tag,
  summary: "A tenant's requests, tokens and cost in a range of time, in all, by model and by date",
  description: 'A deleted tenant has its usage still.',
  query,
  reply: { 200: TenantUsage },
  errors: ['not_found'],
} as const

export const getTenantUsage = endpoint({
  id: 'tenant-usage.get',
  path: '/admin/tenants/{id}/usage',
  params: z.strictObject({ id: Uuid }),
  ...usageOfTenant,
})

export const getUsageOfTenant = endpoint({
  id: 'tenant-usage.by-tenant',
  path: '/admin/usage/{tenant_id}',
  params: z.strictObject({ tenant_id: Uuid }),
  ...usageOfTenant,
})

export const getDetailedUsage = endpoint({
  id: 'tenant-usage.detailed',
  method: 'GET',
  path: '/admin/tenants/{id}/usage/detailed',
  auth: 'admin',
  tag,
  summary: "A tenant's usage records, one a request, the latest first",
  description: PAGES,
  params: z.strictObject({ id: Uuid }),
  query: usageQuery.extend({
    status: inQuery(z.number().int().min(100).max(599).optional()).meta({ description: 'HTTP status.' }),
    ...recordsPage,
  }),
  reply: { 200: z.object({ data: z.array(UsageRecord), next_cursor: z.string().nullable() }) },
  errors: ['not_found'],
})

export const tenantUsageEndpoints = [getTenantUsage, getDetailedUsage, getUsageOfTenant]
