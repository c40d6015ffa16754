// Made from the contract by `npm run generate`: change that instead.

import type { ApiReply, CallOptions } from './call.js'

export interface Usage {
  start_date: string
  end_date: string
  total_requests: number
  /** The gateway's or a node's failures; a client's abort is none. */
  failed_requests: number
  prompt_tokens: number
  completion_tokens: number
  /** Prompt tokens that came from a cache; part of prompt_tokens. */
  cached_tokens: number
  total_tokens: number
  total_cost_usd: number
  by_model: ModelUsage[]
}

export interface ModelUsage {
  model: string
  requests: number
  /** The gateway's or a node's failures; a client's abort is none. */
  failed_requests: number
  prompt_tokens: number
  completion_tokens: number
  /** Prompt tokens that came from a cache; part of prompt_tokens. */
  cached_tokens: number
  total_tokens: number
  cost_usd: number
  /** Mean of the whole requests. */
  avg_latency_ms: number
}

/** Latency of whole requests, time to first token, and mean time between tokens of a request. Percentiles are within 2%. Null where no request of the period has such a latency: no token came, or only one. */
export interface ModelLatency {
  model: string
  requests: number
  avg_latency_ms: number | null
  p50_latency_ms: number | null
  p95_latency_ms: number | null
  p99_latency_ms: number | null
  avg_ttft_ms: number | null
  p50_ttft_ms: number | null
  p95_ttft_ms: number | null
  p99_ttft_ms: number | null
  avg_itl_ms: number | null
  p50_itl_ms: number | null
  p95_itl_ms: number | null
  p99_itl_ms: number | null
}

export interface TenantApi {
  readonly usage: {
    /** Your account's requests, tokens and cost in a range of time. `GET /v1/usage` */
    get(
      request?: {
        readonly query?:
          | {
              /** A whole day in tz, or an RFC 3339 time. Default: 29 days before the end. */
              readonly start_date?: string | undefined
              /** A whole day in tz, inclusive, or an RFC 3339 time, exclusive. Default: today. */
              readonly end_date?: string | undefined
              /** Time zone of whole days. */
              readonly tz?: string | undefined
              /** Name or alias of a model; a name that no model has any more finds what was used under it. */
              readonly model?: string | undefined
              readonly api_key_id?: string | undefined
            }
          | undefined
      } & CallOptions,
    ): Promise<ApiReply<Usage>>
    /** The same by model; models without a request are left out. `GET /v1/usage/by-model` */
    byModel(
      request?: {
        readonly query?:
          | {
              /** A whole day in tz, or an RFC 3339 time. Default: 29 days before the end. */
              readonly start_date?: string | undefined
              /** A whole day in tz, inclusive, or an RFC 3339 time, exclusive. Default: today. */
              readonly end_date?: string | undefined
              /** Time zone of whole days. */
              readonly tz?: string | undefined
              /** Name or alias of a model; a name that no model has any more finds what was used under it. */
              readonly model?: string | undefined
              readonly api_key_id?: string | undefined
            }
          | undefined
      } & CallOptions,
    ): Promise<
      ApiReply<{
        data: ModelUsage[]
      }>
    >
  }
  readonly metrics: {
    /** Averages and percentiles of latency by model; models without a request are left out. `GET /v1/metrics/latency` */
    latency(
      request?: {
        readonly query?:
          | {
              /** Name or alias of a model; a name that no model has any more finds what was used under it. */
              readonly model?: string | undefined
              readonly period?: '1h' | '24h' | '7d' | '30d' | undefined
            }
          | undefined
      } & CallOptions,
    ): Promise<
      ApiReply<{
        data: ModelLatency[]
      }>
    >
  }
}

export const TENANT_OPERATIONS = {
  usage: {
    get: ['GET', '/v1/usage'],
    byModel: ['GET', '/v1/usage/by-model'],
  },
  metrics: {
    latency: ['GET', '/v1/metrics/latency'],
  },
} as const
