import { z } from 'zod'
import { costPerTokens, idleShare } from './cost.js'
import { endpoint } from './endpoint.js'
import { Timestamp, Uuid } from './fields.js'
import { Latency, Period } from './metrics.js'
import { Count, counts, ModelUsage } from './usage.js'

const latencies = {
  avg_latency_ms: Latency.meta({ description: 'Of whole requests; null without a request.' }),
  p50_latency_ms: Latency,
  p95_latency_ms: Latency,
  p99_latency_ms: Latency,
  avg_ttft_ms: Latency.meta({ description: 'To the first token; null where none came.' }),
  p50_ttft_ms: Latency,
  p95_ttft_ms: Latency,
  p99_ttft_ms: Latency,
}

const TenantRank = z
  .object({
    tenant_id: Uuid,
    tenant_name: z.string().nullable().meta({ description: 'Also of a deleted tenant.' }),
    requests: Count,
    ...counts,
    revenue_usd: z.number(),
    avg_latency_ms: z.number(),
  })
  .meta({ id: 'TenantRank' })

const ModelRank = ModelUsage.omit({ cost_usd: true })
  .extend({
    revenue_usd: z.number(),
    node_cost_usd: z.number().meta({ description: 'Of the nodes that serve the model.' }),
    usd_per_million_tokens: costPerTokens,
    idle_share: idleShare,
  })
  .meta({ id: 'ModelRank' })

const PlatformPoint = z
  .object({
    time: Timestamp.meta({ description: 'When the stretch begins; it ends where the next begins.' }),
    requests: Count,
    ...counts,
    revenue_usd: z.number(),
    requests_per_second: z.number(),
    ...latencies,
  })
  .meta({ id: 'PlatformPoint' })

const PlatformMetrics = z
  .object({
    period: Period,
    start: Timestamp.meta({
      description:
        'The begin of the whole minute (1h), hour (24h, 7d) or day in UTC (30d) in which the period begins: all figures' +
        ' are of the time from here to the end.',
    }),
    end: Timestamp,
    total_requests: Count,
    ...counts,
    requests_per_second: z.number(),
    total_revenue_usd: z.number().meta({ description: 'What the requests cost their tenants.' }),
    node_cost_usd: z.number().meta({
      description:
        "Each node's price_per_hour of the time, from its registration or from when its machine was asked for until it was" +
        ' terminated, had failed or its machine was gone. See unpriced_nodes.',
    }),
    margin_usd: z.number().meta({ description: 'Revenue less node cost; may be negative.' }),
    unpriced_nodes: Count.meta({
      description:
        'Nodes that had no price_per_hour for some of that time: this is missing from the node cost.',
    }),
    ...latencies,
    total_tenants: Count.meta({ description: 'Now.' }),
    active_tenants: Count.meta({
      description: 'Tenants with a request in the period, deleted ones as well.',
    }),
    total_nodes: Count.meta({ description: 'Now, without those that are terminated or failed.' }),
    total_deployments: Count.meta({ description: 'Now, without those that are terminated.' }),
    by_model: z.array(ModelRank).meta({ description: 'The ten with the highest revenue, highest first.' }),
    by_tenant: z.array(TenantRank).meta({ description: 'The ten with the highest revenue, highest first.' }),
    mirrored: z.object({ requests: Count, ...counts, cost_usd: z.number() }).meta({
      description:
        'Copies of mirrored requests, at the prices of their models. No tenant pays for them: no other figure here counts' +
        ' them, but for the cost of the nodes that served them.',
    }),
    series: z.array(PlatformPoint).meta({
      description:
        'By the minute (1h), hour (24h, 7d) or day in UTC (30d), oldest first, zeros where there was nothing; the last' +
        ' one is under way.',
    }),
  })
  .meta({ id: 'PlatformMetrics', description: 'Percentiles are within 2%.' })

export const getPlatformMetrics = endpoint({
  id: 'platform.metrics',
  method: 'GET',
  path: '/admin/platform/metrics',
  auth: 'admin',
  tag: 'Platform',
  summary: 'Requests, tokens, revenue, node cost, margin and latency of a period, with series for charts',
  query: z.strictObject({ period: Period.default('24h') }),
  reply: { 200: PlatformMetrics },
  errors: [],
})

export const platformMetricsEndpoints = [getPlatformMetrics]
