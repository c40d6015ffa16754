import { z } from 'zod'
import { isTimeZone } from '../date-range.js'
import { endpoint } from './endpoint.js'
import { ModelName, ModelShown, Uuid } from './fields.js'

const Day = z.iso.date()
const Moment = z.iso.datetime({ offset: true })

export const DateInput = z
  .string()
  .refine(
    (text) => Day.safeParse(text).success || Moment.safeParse(text).success,
    'expected YYYY-MM-DD, or an RFC 3339 time with its offset',
  )
  .refine((text) => Number(text.slice(0, 4)) >= 1970, 'expected a year from 1970 on')

const ModelOrAlias = ModelName.meta({
  description: 'Name or alias of a model; a name that no model has any more finds what was used under it.',
})

export const usageQuery = z.strictObject({
  start_date: DateInput.optional().meta({
    description: 'A whole day in tz, or an RFC 3339 time. Default: 29 days before the end.',
  }),
  end_date: DateInput.optional().meta({
    description: 'A whole day in tz, inclusive, or an RFC 3339 time, exclusive. Default: today.',
  }),
  tz: z
    .string()
    .max(64)
    .refine(isTimeZone, 'expected the IANA name of a time zone')
    .default('UTC')
    .meta({ description: 'Time zone of whole days.' }),
  model: ModelOrAlias.optional(),
  api_key_id: Uuid.optional(),
})

export const Count = z.number().int().nonnegative()

export const counts = {
  failed_requests: Count.meta({
    description: "The gateway's or a node's failures; a client's abort is none.",
  }),
  prompt_tokens: Count,
  completion_tokens: Count,
  cached_tokens: Count.meta({ description: 'Prompt tokens that came from a cache; part of prompt_tokens.' }),
  total_tokens: Count,
}

export const ModelUsage = z
  .object({
    model: ModelShown,
    requests: Count,
    ...counts,
    cost_usd: z.number(),
    avg_latency_ms: z.number().meta({ description: 'Mean of the whole requests.' }),
  })
  .meta({ id: 'ModelUsage' })

export const Usage = z
  .object({
    start_date: z.string().meta({ examples: ['2026-02-01'] }),
    end_date: z.string().meta({ examples: ['2026-03-02'] }),
    total_requests: Count,
    ...counts,
    total_cost_usd: z.number(),
    by_model: z.array(ModelUsage),
  })
  .meta({ id: 'Usage' })

export const Period = z.enum(['1h', '24h', '7d', '30d'])

/** Null where no request of the period has such a latency: no token came, or only one. */
export const Latency = z.number().nullable()

const ModelLatency = z
  .object({
    model: ModelShown,
    requests: Count,
    avg_latency_ms: Latency,
    p50_latency_ms: Latency,
    p95_latency_ms: Latency,
    p99_latency_ms: Latency,
    avg_ttft_ms: Latency,
    p50_ttft_ms: Latency,
    p95_ttft_ms: Latency,
    p99_ttft_ms: Latency,
    avg_itl_ms: Latency,
    p50_itl_ms: Latency,
    p95_itl_ms: Latency,
    p99_itl_ms: Latency,
  })
  .meta({
    id: 'ModelLatency',
    description:
      'Latency of whole requests, time to first token, and mean time between tokens of a request. Percentiles are' +
      ' within 2%. Null where no request of the period has such a latency: no token came, or only one.',
  })

const tag = 'Usage'
const roles = ['admin', 'developer', 'read-only'] as const

export const getUsage = endpoint({
  id: 'usage.get',
  method: 'GET',
  path: '/v1/usage',
  auth: 'key',
  roles,
  tag,
  summary: "Your account's requests, tokens and cost in a range of time",
  query: usageQuery,
  reply: { 200: Usage },
  errors: [],
})

export const getUsageByModel = endpoint({
  id: 'usage.by-model',
  method: 'GET',
  path: '/v1/usage/by-model',
  auth: 'key',
  roles,
  tag,
  summary: 'The same by model; models without a request are left out',
  query: usageQuery,
  reply: { 200: z.object({ data: z.array(ModelUsage) }) },
  errors: [],
})

export const getLatency = endpoint({
  id: 'metrics.latency',
  method: 'GET',
  path: '/v1/metrics/latency',
  auth: 'key',
  roles,
  tag: 'Metrics',
  summary: 'Averages and percentiles of latency by model; models without a request are left out',
  query: z.strictObject({
    model: ModelOrAlias.optional(),
    period: Period.default('24h'),
  }),
  reply: { 200: z.object({ data: z.array(ModelLatency) }) },
  errors: [],
})

export const usageEndpoints = [getUsage, getUsageByModel, getLatency]
