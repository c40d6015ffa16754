// Made from the contract by `npm run generate`: change that instead.

import type { ApiReply, CallOptions, Conditional, Repeatable } from './call.js'

export interface CallableModel {
  model_id: string
  model_name: string
  family: string
  type: 'chat' | 'completion' | 'embedding'
  context_length: number
  /** Dollars per million tokens. */
  price_input_per_million: number
  price_output_per_million: number
  /** Null: cached prompt tokens cost the input price. */
  price_cached_input_per_million: number | null
  /** available: every node that is to take requests is healthy, and one of them has room; degraded: some are not, or all are full; unavailable: none is healthy. */
  status: 'available' | 'degraded' | 'unavailable'
  /** Of whole requests, over the last five minutes and all of its users; null: there were none, or it is not known. */
  avg_latency_ms: number | null
  /** Time to first token, over the same. */
  p95_ttft_ms: number | null
  /** Tokens per second of its healthy nodes together; null: the model's capacity is not known. */
  capacity_tps: number | null
  healthy_nodes: number
  /** For OpenAI clients. */
  base_url: string
}

export interface LimitLeft {
  /** Requests or tokens per minute, requests at the same time, or dollars per calendar month in UTC. */
  limit: 'requests' | 'tokens' | 'concurrency' | 'spend'
  scope: 'key' | 'environment' | 'tenant'
  /** Of spend: dollars. */
  max: number
  /** What is left now. Tokens and dollars that running requests may use are not. */
  remaining: number
  /** When all of it is there again, if nothing more is used; null for concurrency. */
  resets_at: string | null
}

export interface ApiKey {
  id: string
  name: string
  /** The key's first 16 characters. */
  prefix: string
  environment: string
  role: 'admin' | 'developer' | 'read-only'
  status: 'active' | 'revoked' | 'expired'
  /** Requests per minute; null: unlimited. */
  rate_limit_per_minute: number | null
  /** Prompt and completion tokens per minute; null: unlimited. */
  tokens_per_minute: number | null
  /** Requests at the same time; null: unlimited. */
  max_concurrency: number | null
  allowed_models: string[] | null
  created_at: string
  last_used_at: string | null
  expires_at: string | null
}

export interface NewApiKey {
  id: string
  name: string
  /** The key's first 16 characters. */
  prefix: string
  environment: string
  role: 'admin' | 'developer' | 'read-only'
  status: 'active' | 'revoked' | 'expired'
  /** Requests per minute; null: unlimited. */
  rate_limit_per_minute: number | null
  /** Prompt and completion tokens per minute; null: unlimited. */
  tokens_per_minute: number | null
  /** Requests at the same time; null: unlimited. */
  max_concurrency: number | null
  allowed_models: string[] | null
  created_at: string
  last_used_at: string | null
  expires_at: string | null
  key: string
}

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

export interface KeyUsage {
  api_key_id: string
  /** Also of a revoked key; null: nothing is known of that key any more. */
  api_key_name: string | null
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

export interface DateUsage {
  /** The calendar date; of a week its Monday, of a month its first day, of an hour the time at which it begins. */
  date: string
  requests: number
  /** The gateway's or a node's failures; a client's abort is none. */
  failed_requests: number
  prompt_tokens: number
  completion_tokens: number
  /** Prompt tokens that came from a cache; part of prompt_tokens. */
  cached_tokens: number
  total_tokens: number
  cost_usd: number
  /** Null without a request. */
  avg_latency_ms: number | null
}

export interface OwnUsageRecord {
  request_id: string
  environment_id: string
  api_key_id: string
  model_id: string
  model: string
  /** Of the node that served it in the end, as in x-gateway-node. */
  node_id: string
  endpoint: string
  stream: boolean
  status: number
  error_code: string | null
  client_abort: boolean
  failed: boolean
  attempts: number
  /** How often its stream broke at a node and went on at another one. */
  resumed: number
  prompt_tokens: number
  completion_tokens: number
  cached_tokens: number
  total_tokens: number
  counted: 'reported' | 'estimated'
  cost_usd: number
  /** Of the whole request. */
  latency_ms: number
  ttft_ms: number | null
  itl_ms: number | null
  overhead_ms: number
  started_at: string
  ended_at: string
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

export interface ModelTokens {
  model: string
  requests: number
  total_tokens: number
  input_tokens: number
  output_tokens: number
  /** Input tokens that came from a cache; part of input_tokens. */
  cached_tokens: number
  avg_tokens_per_request: number
  /** The speed of one request as its client sees it: output tokens by the time that requests took from their start to their end, all added up. Null where they took none. */
  output_tokens_per_second: number | null
}

/** A request and its tokens count where it ended. */
export interface Throughput {
  start: string
  end: string
  step_seconds: number
  /** Of all models; oldest first, zeros where there was nothing; the last one is under way. */
  series: ThroughputPoint[]
  /** Of each model with a request, the one with the most first. */
  by_model: {
    model: string
    requests: number
    series: ThroughputPoint[]
  }[]
}

export interface ThroughputPoint {
  /** When the stretch begins; it ends where the next begins. */
  at: string
  requests: number
  requests_per_second: number
  tokens_per_second: number
  input_tokens_per_second: number
  output_tokens_per_second: number
}

/** Shares of the requests, from 0 to 1. What is neither success, failure nor abort was refused with a 4xx, by the node or since its key had come to its end. Null: all requests of the period are from before the gateway kept that count; if some are, the rate is of the others. */
export interface ModelPerformance {
  model: string
  requests: number
  success_rate: number | null
  /** The gateway's or a node's failures, timeouts included. */
  failure_rate: number
  /** No first token in time, or none after it; part of failure_rate. */
  timeout_rate: number | null
  /** The client left before the end. */
  abort_rate: number
  /** Asked of more than one node: again after a failure, beside a slow one, or to go on. */
  retry_rate: number | null
  /** The stream broke at a node and went on at another one; part of retry_rate. */
  resume_rate: number | null
}

export interface ServedRequest {
  request_id: string
  api_key_id: string
  /** That was asked for, by its own name. */
  model: string
  /** Another one by split or fallback. */
  served_model: string
  served_because: 'asked' | 'split' | 'fallback' | null
  endpoint: string
  stream: boolean
  status: number
  error_code: string | null
  started_at: string
  /** Of the whole request. */
  latency_ms: number
  /** Whether it was kept how it was served. If not, the rest comes from its usage record. */
  explained: boolean
  /** not_kept: nothing about it was unusual and it was not sampled, or it is too long ago. gateway_lost: the process that served it died. */
  unexplained_because: 'not_kept' | 'gateway_lost' | null
  /** The share of requests of its kind that were kept then; unusual ones are nearly all kept. */
  sampled_at: number | null
  /** That applied to it, with what was left when it had ended; empty where that is not known. */
  limits: {
    /** Requests or tokens per minute, requests at the same time, or dollars per calendar month in UTC. */
    limit: 'requests' | 'tokens' | 'concurrency' | 'spend'
    scope: 'key' | 'environment' | 'tenant'
    /** Of spend: dollars. */
    max: number
    /** What is left now. Tokens and dollars that running requests may use are not. */
    remaining: number
  }[]
  phases: RequestPhases | null
  seams: RequestSeam[]
  attempts: RequestAttempt[]
  /** What was billed; null for a request that was refused, or whose record is still on its way. */
  usage: {
    prompt_tokens: number
    completion_tokens: number
    cached_tokens: number
    total_tokens: number
    counted: 'reported' | 'estimated'
    cost_usd: number
    attempts: number
    /** How often its stream broke at a node and went on at another one. */
    resumed: number
    client_abort: boolean
    failed: boolean
    ttft_ms: number | null
    itl_ms: number | null
    overhead_ms: number
    ended_at: string
  } | null
}

/** Where the time went; they add up to latency_ms. */
export interface RequestPhases {
  /** The key looked up. */
  auth_ms: number
  /** Your body awaited. */
  body_ms: number
  /** Waited for what it needs of its limits. */
  limits_ms: number
  /** Head read, rights checked, the request recorded. */
  admit_ms: number
  /** Waited for a free node. */
  queue_ms: number
  /** Nodes chosen and requests built, between attempts as well. */
  route_ms: number
  /** Connections made, for attempts that failed too. */
  connect_ms: number
  /** From the request sent to the first token, the attempts that failed included. */
  first_token_ms: number
  /** From the first token to the last byte. */
  stream_ms: number
  /** What is left: the end recorded. */
  settle_ms: number
}

/** Where one node ended and another one went on with the answer. */
export interface RequestSeam {
  from_node_id: string | null
  to_node_id: string | null
  /** Completion tokens made before. */
  after_tokens: number
  /** Milliseconds since the request came. */
  at_ms: number
  /** From the failure to the next token. */
  gap_ms: number
  /** The error that ended the first node. */
  cause: string
}

export interface RequestAttempt {
  model: string
  /** As in x-gateway-node. */
  node_id: string
  /** The first, after a failure, beside a slow one, or to go on with an answer. */
  reason: 'first' | 'retry' | 'hedge' | 'resume'
  /** Nodes that could have been asked; null: not noted, since the request was not sampled. */
  candidates: number | null
  /** Milliseconds since the request came. */
  sent_ms: number
  /** Milliseconds since the request came; null: it did not come to that. */
  connected_ms: number | null
  /** Milliseconds since the request came; null: it did not come to that. */
  first_token_ms: number | null
  /** Milliseconds since the request came. */
  ended_ms: number
  /** ok; abandoned: the client left, or another attempt won; else the error code of why it failed. */
  outcome: string
}

export interface TenantApi {
  readonly endpoints: {
    /** Lists the models that this key can call now, with price, state and latency. `GET /v1/endpoints` */
    list(
      request?: {
        readonly query?:
          | {
              readonly type?: 'chat' | 'completion' | 'embedding' | undefined
            }
          | undefined
      } & CallOptions,
    ): Promise<
      ApiReply<{
        data: CallableModel[]
      }>
    >
    /** Shows one of them, also when it is unavailable. `GET /v1/endpoints/{model_id}` */
    get(
      request: {
        readonly params: {
          /** Id, name or alias of a model; slashes in a name may stand raw or encoded. */
          readonly model_id: string
        }
      } & CallOptions,
    ): Promise<ApiReply<CallableModel>>
  }
  readonly limits: {
    /** Every limit that applies to this key, with what is left. `GET /v1/limits` */
    get(request?: CallOptions): Promise<
      ApiReply<{
        data: LimitLeft[]
      }>
    >
  }
  readonly apiKeys: {
    /** Lists your account's API keys, newest first unless sorted. `GET /v1/api-keys` */
    list(
      request?: {
        readonly query?:
          | {
              readonly limit?: number | undefined
              readonly offset?: number | undefined
              /** A field, ascending; with a minus descending. */
              readonly sort?:
                | 'created_at'
                | '-created_at'
                | 'name'
                | '-name'
                | 'last_used_at'
                | '-last_used_at'
                | 'expires_at'
                | '-expires_at'
                | undefined
              /** Id or name. */
              readonly environment?: string | undefined
              readonly role?: 'admin' | 'developer' | 'read-only' | undefined
              readonly status?: 'active' | 'revoked' | 'expired' | undefined
              /** Part of the name, or of the prefix. */
              readonly search?: string | undefined
            }
          | undefined
      } & CallOptions,
    ): Promise<
      ApiReply<{
        data: ApiKey[]
        pagination: {
          total: number
          limit: number
          offset: number
          has_more: boolean
        }
      }>
    >
    /** Creates an API key, shown this once; clsk_live_ in the environment production, clsk_test_ in all others. `POST /v1/api-keys` */
    create(
      request: {
        readonly body: {
          readonly name: string
          readonly role?: 'admin' | 'developer' | 'read-only' | undefined
          /** Requests per minute; null: unlimited. */
          readonly rate_limit_per_minute?: number | null | undefined
          /** Prompt and completion tokens per minute; null: unlimited. */
          readonly tokens_per_minute?: number | null | undefined
          /** Requests at the same time; null: unlimited. */
          readonly max_concurrency?: number | null | undefined
          readonly expires_at?: string | null | undefined
          readonly allowed_models?: readonly string[] | null | undefined
          /** Id or name of one of your account's environments; default that of the key that calls. */
          readonly environment?: string | undefined
        }
      } & Repeatable &
        CallOptions,
    ): Promise<ApiReply<NewApiKey>>
    /** Makes a key like this one, shown this once, and ends this one at once or after an overlap. `POST /v1/api-keys/{key_id}/rotate` */
    rotate(
      request: {
        readonly params: {
          readonly key_id: string
        }
        readonly body?:
          | {
              /** How long the old key lives on, at most until its own expiry; 0: not at all. */
              readonly overlap_seconds?: number | undefined
            }
          | undefined
      } & Repeatable &
        CallOptions,
    ): Promise<ApiReply<NewApiKey>>
    /** Revokes an API key and ends the requests that it is used for, within a second; repeatable. `DELETE /v1/api-keys/{key_id}` */
    delete(
      request: {
        readonly params: {
          readonly key_id: string
        }
      } & Conditional &
        CallOptions,
    ): Promise<
      ApiReply<{
        id: string
        status: string
      }>
    >
  }
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
    /** The same by API key; keys without a request are left out. `GET /v1/usage/by-key` */
    byKey(
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
        data: KeyUsage[]
      }>
    >
    /** The same by hour, day, week or month, oldest first. `GET /v1/usage/by-date` */
    byDate(
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
              /** Of the dates: hours, days, weeks from Monday and months of the calendar in tz. */
              readonly granularity?: 'hour' | 'day' | 'week' | 'month' | undefined
            }
          | undefined
      } & CallOptions,
    ): Promise<
      ApiReply<{
        data: DateUsage[]
      }>
    >
    /** Your account's usage records, one a request, the latest first. `GET /v1/usage/detailed` */
    detailed(
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
              readonly limit?: number | undefined
              /** The next_cursor of the page before. */
              readonly cursor?: string | undefined
            }
          | undefined
      } & CallOptions,
    ): Promise<
      ApiReply<{
        data: OwnUsageRecord[]
        next_cursor: string | null
      }>
    >
    /** Exports your account's usage records, the latest first, as a stream. `GET /v1/usage/export` */
    export(
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
              readonly format?: 'csv' | 'ndjson' | 'parquet' | undefined
            }
          | undefined
      } & CallOptions,
    ): Promise<ApiReply<string>>
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
    /** Tokens by model, and how fast they come; models without a request are left out. `GET /v1/metrics/tokens` */
    tokens(
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
        data: ModelTokens[]
      }>
    >
    /** Requests and tokens per second over time, in all and by model. `GET /v1/metrics/throughput` */
    throughput(
      request?: {
        readonly query?:
          | {
              /** Name or alias of a model; a name that no model has any more finds what was used under it. */
              readonly model?: string | undefined
              readonly period?: '1h' | '24h' | '7d' | '30d' | undefined
            }
          | undefined
      } & CallOptions,
    ): Promise<ApiReply<Throughput>>
    /** How requests ended, by model; models without a request are left out. `GET /v1/metrics/performance` */
    performance(
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
        data: ModelPerformance[]
      }>
    >
  }
  readonly ownRequests: {
    /** How one of your requests was served: attempts, waits, where the time went, what was billed. `GET /v1/requests/{request_id}` */
    get(
      request: {
        readonly params: {
          /** As x-request-id said it. */
          readonly request_id: string
        }
      } & CallOptions,
    ): Promise<ApiReply<ServedRequest>>
  }
}

export const TENANT_OPERATIONS = {
  endpoints: {
    list: ['GET', '/v1/endpoints'],
    get: ['GET', '/v1/endpoints/{model_id}'],
  },
  limits: {
    get: ['GET', '/v1/limits'],
  },
  apiKeys: {
    list: ['GET', '/v1/api-keys'],
    create: ['POST', '/v1/api-keys'],
    rotate: ['POST', '/v1/api-keys/{key_id}/rotate'],
    delete: ['DELETE', '/v1/api-keys/{key_id}'],
  },
  usage: {
    get: ['GET', '/v1/usage'],
    byModel: ['GET', '/v1/usage/by-model'],
    byKey: ['GET', '/v1/usage/by-key'],
    byDate: ['GET', '/v1/usage/by-date'],
    detailed: ['GET', '/v1/usage/detailed'],
    export: ['GET', '/v1/usage/export'],
  },
  metrics: {
    latency: ['GET', '/v1/metrics/latency'],
    tokens: ['GET', '/v1/metrics/tokens'],
    throughput: ['GET', '/v1/metrics/throughput'],
    performance: ['GET', '/v1/metrics/performance'],
  },
  ownRequests: {
    get: ['GET', '/v1/requests/{request_id}'],
  },
} as const
