import { z } from 'zod'
import { endpoint } from './endpoint.js'
import { ModelShown, Timestamp } from './fields.js'
import { Count, ModelOrAlias } from './usage.js'

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

const ModelTokens = z
  .object({
    model: ModelShown,
    requests: Count,
    total_tokens: Count,
    input_tokens: Count,
    output_tokens: Count,
    cached_tokens: Count.meta({ description: 'Input tokens that came from a cache; part of input_tokens.' }),
    avg_tokens_per_request: z.number(),
    output_tokens_per_second: z
      .number()
      .nullable()
      .meta({
        description:
          'The speed of one request as its client sees it: output tokens by the time that requests took from their start' +
          ' to their end, all added up. Null where they took none.',
      }),
  })
  .meta({ id: 'ModelTokens' })

const ThroughputPoint = z
  .object({
    at: Timestamp.meta({ description: 'When the stretch begins; it ends where the next begins.' }),
    requests: Count,
    requests_per_second: z.number(),
    tokens_per_second: z.number(),
    input_tokens_per_second: z.number(),
    output_tokens_per_second: z.number(),
  })
  .meta({ id: 'ThroughputPoint' })

const Throughput = z
  .object({
    start: Timestamp,
    end: Timestamp,
    step_seconds: z
      .number()
      .int()
      .meta({ examples: [900] }),
    series: z.array(ThroughputPoint).meta({
      description: 'Of all models; oldest first, zeros where there was nothing; the last one is under way.',
    }),
    by_model: z
      .array(z.object({ model: ModelShown, requests: Count, series: z.array(ThroughputPoint) }))
      .meta({ description: 'Of each model with a request, the one with the most first.' }),
  })
  .meta({
    id: 'Throughput',
    description: 'A request and its tokens count where it ended.',
  })

const Rate = z.number().min(0).max(1)

const ModelPerformance = z
  .object({
    model: ModelShown,
    requests: Count,
    success_rate: Rate.nullable(),
    failure_rate: Rate.meta({ description: "The gateway's or a node's failures, timeouts included." }),
    timeout_rate: Rate.nullable().meta({
      description: 'No first token in time, or none after it; part of failure_rate.',
    }),
    abort_rate: Rate.meta({ description: 'The client left before the end.' }),
    retry_rate: Rate.nullable().meta({
      description: 'Asked of more than one node: again after a failure, beside a slow one, or to go on.',
    }),
    resume_rate: Rate.nullable().meta({
      description: 'The stream broke at a node and went on at another one; part of retry_rate.',
    }),
  })
  .meta({
    id: 'ModelPerformance',
    description:
      'Shares of the requests, from 0 to 1. What is neither success, failure nor abort was refused with a 4xx, by the' +
      ' node or since its key had come to its end.' +
      ' Null: all requests of the period are from before the gateway kept that count; if some are, the rate is of the others.',
  })

const tag = 'Metrics'
const roles = ['admin', 'developer', 'read-only'] as const

const query = z.strictObject({ model: ModelOrAlias.optional(), period: Period.default('24h') })

export const getLatency = endpoint({
  id: 'metrics.latency',
  method: 'GET',
  path: '/v1/metrics/latency',
  auth: 'key',
  roles,
  tag,
  summary: 'Averages and percentiles of latency by model; models without a request are left out',
  query,
  reply: { 200: z.object({ data: z.array(ModelLatency) }) },
  errors: [],
})

export const getTokenMetrics = endpoint({
  id: 'metrics.tokens',
  method: 'GET',
  path: '/v1/metrics/tokens',
  auth: 'key',
  roles,
  tag,
  summary: 'Tokens by model, and how fast they come; models without a request are left out',
  query,
  reply: { 200: z.object({ data: z.array(ModelTokens) }) },
  errors: [],
})

export const getThroughput = endpoint({
  id: 'metrics.throughput',
  method: 'GET',
  path: '/v1/metrics/throughput',
  auth: 'key',
  roles,
  tag,
  summary: 'Requests and tokens per second over time, in all and by model',
  description: 'Stretches are of a minute (1h), 15 minutes (24h), an hour (7d) or 6 hours (30d).',
  query,
  reply: { 200: Throughput },
  errors: [],
})

export const getPerformance = endpoint({
  id: 'metrics.performance',
  method: 'GET',
  path: '/v1/metrics/performance',
  auth: 'key',
  roles,
  tag,
  summary: 'How requests ended, by model; models without a request are left out',
  query,
  reply: { 200: z.object({ data: z.array(ModelPerformance) }) },
  errors: [],
})

export const metricsEndpoints = [getLatency, getTokenMetrics, getThroughput, getPerformance]
