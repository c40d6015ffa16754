import { z } from 'zod'
import { GRANULARITIES } from '../date-buckets.js'
import { endpoint } from './endpoint.js'
import { inQuery, Timestamp, Uuid } from './fields.js'
import { Count, counts, Usage, usageQuery } from './usage.js'

const DateUsage = z
  .object({
    date: z.string().meta({
      description:
        'The calendar date; of a week its Monday, of a month its first day, of an hour the time at which it begins.',
    }),
    requests: Count,
    ...counts,
    cost_usd: z.number(),
    avg_latency_ms: z.number().nullable().meta({ description: 'Null without a request.' }),
  })
  .meta({ id: 'DateUsage' })

const TenantUsage = Usage.extend({
  tenant_id: Uuid,
  by_date: z
    .array(DateUsage)
    .meta({ description: 'Every bucket of the range, zeros where nothing was used.' }),
}).meta({ id: 'TenantUsage' })

export const UsageRecord = z
  .object({
    request_id: Uuid,
    environment_id: Uuid,
    api_key_id: Uuid,
    model_id: Uuid,
    model: z.string(),
    node_id: Uuid,
    node: z.string().meta({ description: 'The cluster_name of the node that served it in the end.' }),
    endpoint: z.string(),
    stream: z.boolean(),
    status: z.number().int(),
    error_code: z.string().nullable(),
    client_abort: z.boolean(),
    failed: z.boolean(),
    attempts: Count,
    resumed: Count.meta({ description: 'How often its stream broke at a node and went on at another one.' }),
    prompt_tokens: Count,
    completion_tokens: Count,
    cached_tokens: Count,
    total_tokens: Count,
    counted: z.enum(['reported', 'estimated']),
    cost_usd: z.number(),
    latency_ms: z.number().meta({ description: 'Of the whole request.' }),
    ttft_ms: z.number().nullable(),
    itl_ms: z.number().nullable(),
    overhead_ms: z.number(),
    started_at: Timestamp,
    ended_at: Timestamp,
  })
  .meta({ id: 'UsageRecord' })

const tag = 'Usage'

const query = usageQuery.extend({
  granularity: z
    .enum(GRANULARITIES)
    .default('day')
    .meta({ description: 'Of by_date; hours, days, weeks from Monday and months of the calendar in tz.' }),
})

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

export type TenantUsageQuery = z.output<typeof query>

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
  description:
    'Ask for the next page with next_cursor as cursor and all else as it was; null: there is none.',
  params: z.strictObject({ id: Uuid }),
  query: usageQuery.extend({
    status: inQuery(z.number().int().min(100).max(599).optional()).meta({ description: 'HTTP status.' }),
    limit: inQuery(z.number().int().min(1).max(200).default(50)),
    cursor: z.string().max(100).optional().meta({ description: 'The next_cursor of the page before.' }),
  }),
  reply: { 200: z.object({ data: z.array(UsageRecord), next_cursor: z.string().nullable() }) },
  errors: ['not_found'],
})

export const tenantUsageEndpoints = [getTenantUsage, getDetailedUsage, getUsageOfTenant]
