// Made from the contract by `npm run generate`: change that instead.

import type { ApiReply, CallOptions, Conditional, Repeatable } from './call.js'

export interface Tenant {
  id: string
  name: string
  email: string
  /** Brings the limits that were not set otherwise. A change of the tier moves each limit that is still the default of the old tier to that of the new one. free: 20 requests per minute, 40,000 tokens per minute, 2 at a time; starter: 300, 500,000, 20; pro: 3,000, 5,000,000, 200; enterprise: unlimited. */
  tier: 'free' | 'starter' | 'pro' | 'enterprise'
  status: 'active' | 'suspended'
  /** Requests per minute; null: unlimited. */
  rate_limit_per_minute: number | null
  /** Prompt and completion tokens per minute; null: unlimited. */
  tokens_per_minute: number | null
  /** Requests at the same time; null: unlimited. */
  max_concurrency: number | null
  /** Dollars per calendar month in UTC; null: unlimited. */
  max_monthly_spend_usd: number | null
  allowed_models: string[] | null
  created_at: string
  updated_at: string
}

export interface TenantDetail {
  id: string
  name: string
  email: string
  /** Brings the limits that were not set otherwise. A change of the tier moves each limit that is still the default of the old tier to that of the new one. free: 20 requests per minute, 40,000 tokens per minute, 2 at a time; starter: 300, 500,000, 20; pro: 3,000, 5,000,000, 200; enterprise: unlimited. */
  tier: 'free' | 'starter' | 'pro' | 'enterprise'
  status: 'active' | 'suspended'
  /** Requests per minute; null: unlimited. */
  rate_limit_per_minute: number | null
  /** Prompt and completion tokens per minute; null: unlimited. */
  tokens_per_minute: number | null
  /** Requests at the same time; null: unlimited. */
  max_concurrency: number | null
  /** Dollars per calendar month in UTC; null: unlimited. */
  max_monthly_spend_usd: number | null
  allowed_models: string[] | null
  created_at: string
  updated_at: string
  /** Keys that are not revoked. */
  api_keys_count: number
  /** Of all time. Null while the usage store does not answer. */
  total_spend_usd: number | null
  /** In the present calendar month in UTC, to which `max_monthly_spend_usd` applies. Null while the usage store does not answer. */
  month_spend_usd: number | null
  /** Prompt and completion tokens of all time. Null while the usage store does not answer. */
  total_tokens: number | null
  /** Of all time. Null while the usage store does not answer. */
  total_requests: number | null
  /** When the last request ended; null when there was none. Null while the usage store does not answer. */
  last_request_at: string | null
}

export interface Environment {
  id: string
  name: string
  /** Requests per minute; null: unlimited. */
  rate_limit_per_minute: number | null
  /** Prompt and completion tokens per minute; null: unlimited. */
  tokens_per_minute: number | null
  /** Requests at the same time; null: unlimited. */
  max_concurrency: number | null
  created_at: string
  updated_at: string
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

export interface Model {
  id: string
  name: string
  family: string
  size: string | null
  type: 'chat' | 'completion' | 'embedding'
  context_length: number
  vram_required_gb: number
  /** Dollars per million tokens. */
  price_input_per_million: number
  price_output_per_million: number
  /** Null: cached prompt tokens cost the input price. */
  price_cached_input_per_million: number | null
  tokens_per_second_capacity: number | null
  status: 'active' | 'deprecated' | 'beta'
  aliases: string[]
  metadata: Record<string, unknown>
  created_at: string
  updated_at: string
}

export interface NodeWithCost {
  id: string
  cluster_name: string
  model_id: string
  model_name: string
  deployment_id: string | null
  /** Null: it is being launched and has none yet. */
  endpoint_url: string | null
  upstream_model: string
  provider: string
  region: string | null
  engine: 'vllm' | 'sglang' | 'llama-cpp' | 'openai' | 'simulated'
  /** As the node's agent says. */
  engine_version: string | null
  weight: number
  max_concurrency: number | null
  has_api_key: boolean
  /** Dollars. */
  price_per_hour: number | null
  /** unhealthy: active, but its health check fails. */
  status: 'launching' | 'active' | 'draining' | 'unhealthy' | 'terminating' | 'terminated' | 'failed'
  status_changed_at: string
  /** When its machine is taken away, as the node's agent was warned. */
  terminates_at: string | null
  /** By the health check; null: not known, and taken for healthy. */
  healthy: boolean | null
  /** 100: healthy and idle; 0: the health check fails; between by its queue, its KV cache, requests that failed and breakers; null: not known. */
  health_score: number | null
  /** Whether proxies send it requests; the worst of what they say. Null: not known. */
  breaker: 'admitting' | 'rejecting' | 'probing' | null
  /** Proxies that reject it. */
  rejected_by: number | null
  /** Requests that proxies have at it, queued ones included; where none has told of any, those running, as the engine says. */
  in_flight: number | null
  /** Requests waiting, as the engine says. */
  queue_depth: number | null
  /** 0 to 1. */
  kv_cache_usage: number | null
  /** Time to the first token, lately, over all proxies; null: not known. */
  avg_ttft_ms: number | null
  /** Between tokens, in the same way. */
  avg_itl_ms: number | null
  observed_at: string | null
  /** Of the node's agent. */
  last_heartbeat_at: string | null
  created_at: string
  updated_at: string
  cost: Cost
}

/** Over the last 24 hours, from the begin of the whole hour in UTC in which they begin. */
export interface Cost {
  /** That it cost something: from its registration, or from when its machine was asked for, until that is gone. */
  hours: number
  /** Hours of which no price is known: missing from usd. */
  unpriced_hours: number
  /** At its prices of the time. */
  usd: number
  /** Prompt and completion tokens that it served, as usage has them; null: not known now. */
  tokens: number | null
  /** Dollars for a million tokens, prompt and completion: null without a token, and where a price or the tokens are not known. */
  usd_per_million_tokens: number | null
  /** Share, 0 to 1, of the hours in which no request was under way, by the second: one that took a part of a second, or waited for the node, counts for all of that time, one that has not ended yet does not count. Null: not known. */
  idle_share: number | null
}

export interface Node {
  id: string
  cluster_name: string
  model_id: string
  model_name: string
  deployment_id: string | null
  /** Null: it is being launched and has none yet. */
  endpoint_url: string | null
  upstream_model: string
  provider: string
  region: string | null
  engine: 'vllm' | 'sglang' | 'llama-cpp' | 'openai' | 'simulated'
  /** As the node's agent says. */
  engine_version: string | null
  weight: number
  max_concurrency: number | null
  has_api_key: boolean
  /** Dollars. */
  price_per_hour: number | null
  /** unhealthy: active, but its health check fails. */
  status: 'launching' | 'active' | 'draining' | 'unhealthy' | 'terminating' | 'terminated' | 'failed'
  status_changed_at: string
  /** When its machine is taken away, as the node's agent was warned. */
  terminates_at: string | null
  /** By the health check; null: not known, and taken for healthy. */
  healthy: boolean | null
  /** 100: healthy and idle; 0: the health check fails; between by its queue, its KV cache, requests that failed and breakers; null: not known. */
  health_score: number | null
  /** Whether proxies send it requests; the worst of what they say. Null: not known. */
  breaker: 'admitting' | 'rejecting' | 'probing' | null
  /** Proxies that reject it. */
  rejected_by: number | null
  /** Requests that proxies have at it, queued ones included; where none has told of any, those running, as the engine says. */
  in_flight: number | null
  /** Requests waiting, as the engine says. */
  queue_depth: number | null
  /** 0 to 1. */
  kv_cache_usage: number | null
  /** Time to the first token, lately, over all proxies; null: not known. */
  avg_ttft_ms: number | null
  /** Between tokens, in the same way. */
  avg_itl_ms: number | null
  observed_at: string | null
  /** Of the node's agent. */
  last_heartbeat_at: string | null
  created_at: string
  updated_at: string
}

export interface NodeState {
  id: string
  cluster_name: string
  status: 'launching' | 'active' | 'draining' | 'unhealthy' | 'terminating' | 'terminated' | 'failed'
  status_changed_at: string
  /** Null: not known, and taken for healthy. */
  healthy: boolean | null
  /** Since when it is what it is; null: it has never turned. */
  health_changed_at: string | null
  health_score: number | null
  /** Null: not known. */
  breaker: 'admitting' | 'rejecting' | 'probing' | null
  /** Proxies that reject it. */
  rejected_by: number | null
  in_flight: number | null
  queue_depth: number | null
  /** 0 to 1. */
  kv_cache_usage: number | null
  /** When the load was read from the engine. */
  observed_at: string | null
  /** What the node's agent last said. */
  heartbeat: {
    at: string
    running: number | null
    waiting: number | null
    /** 0 to 1. */
    kv_cache_usage: number | null
    /** 0 to 1. */
    gpu_utilization: number | null
    gpu_memory_used_gb: number | null
  } | null
  /** Null: it was registered, and not launched. */
  launch: {
    /** For /admin/nodes/launch-status. */
    job_id: string
    status: 'pending' | 'running' | 'succeeded' | 'failed' | 'cancelled'
    stage: string | null
    /** 0 to 100. */
    progress: number
    error: string | null
  } | null
  /** Of a node that is launching, draining or terminating. */
  waits_for: {
    /** registration: it does not serve yet; running_requests: they finish; undrain: nothing runs any more, and it stays like this until somebody acts; machine_end: its machine is being removed; launcher: that its launcher is configured again, or it never ends. */
    what: 'registration' | 'running_requests' | 'undrain' | 'machine_end' | 'launcher'
    /** Running and queued; null: not known. */
    requests: number | null
    /** It is not waited any longer; null: no bound. */
    until: string | null
  } | null
}

export interface NodeEvent {
  /** Grows from event to event of a node, not always by one. */
  sequence: number
  at: string
  /** registered: by an administrator, or by its agent with its address; changed: its settings; status; health: what the health check says; warning: its machine will be taken away. */
  event: 'registered' | 'changed' | 'status' | 'health' | 'warning'
  /** The node's status after it. */
  status: 'launching' | 'active' | 'draining' | 'unhealthy' | 'terminating' | 'terminated' | 'failed'
  /** Who: admin:<name of the token>, node:<id>, or leader, the process that watches the nodes. */
  actor: string
  /** Why, or what. */
  message: string | null
}

export interface DeploymentWithCost {
  id: string
  model_id: string
  model_name: string
  provider: string
  region: string | null
  instance_type: string | null
  gpu_type: string | null
  /** One that has a launch template: vllm, sglang, llama-cpp, simulated, or one of the operator's. */
  engine: string
  engine_args: string[]
  use_spot: boolean
  fallback_on_demand_after_seconds: number | null
  disk_size_gb: number | null
  /** Of the model's route. */
  load_balancing_strategy:
    'round-robin' | 'least-latency' | 'least-connections' | 'weighted' | 'prefix-affinity'
  auto_scaling: {
    enabled: boolean
    min_nodes: number
    max_nodes: number
    /** Running requests for each node. */
    target_concurrency: number | null
    target_ttft_ms: number | null
  } | null
  /** Nodes that are wanted. */
  node_count: number
  /** Nodes that are not terminated. */
  live_nodes: number
  /** paused: no nodes are wanted; failed: launches failed, and no more are tried until it is changed or scaled. */
  status: 'launching' | 'active' | 'scaling' | 'draining' | 'paused' | 'terminated' | 'failed'
  /** What is in the way, or was. */
  status_reason: string | null
  /** No nodes are wanted until a request for the model comes, which waits and wakes it. */
  asleep: boolean
  created_at: string
  updated_at: string
  /** Of its nodes, those that are gone as well. */
  cost: Cost
}

export interface Deployment {
  id: string
  model_id: string
  model_name: string
  provider: string
  region: string | null
  instance_type: string | null
  gpu_type: string | null
  /** One that has a launch template: vllm, sglang, llama-cpp, simulated, or one of the operator's. */
  engine: string
  engine_args: string[]
  use_spot: boolean
  fallback_on_demand_after_seconds: number | null
  disk_size_gb: number | null
  /** Of the model's route. */
  load_balancing_strategy:
    'round-robin' | 'least-latency' | 'least-connections' | 'weighted' | 'prefix-affinity'
  auto_scaling: {
    enabled: boolean
    min_nodes: number
    max_nodes: number
    /** Running requests for each node. */
    target_concurrency: number | null
    target_ttft_ms: number | null
  } | null
  /** Nodes that are wanted. */
  node_count: number
  /** Nodes that are not terminated. */
  live_nodes: number
  /** paused: no nodes are wanted; failed: launches failed, and no more are tried until it is changed or scaled. */
  status: 'launching' | 'active' | 'scaling' | 'draining' | 'paused' | 'terminated' | 'failed'
  /** What is in the way, or was. */
  status_reason: string | null
  /** No nodes are wanted until a request for the model comes, which waits and wakes it. */
  asleep: boolean
  created_at: string
  updated_at: string
}

export interface Route {
  model_id: string
  model_name: string
  strategy: 'round-robin' | 'least-latency' | 'least-connections' | 'weighted' | 'prefix-affinity'
  health_check: {
    interval_seconds: number
    timeout_seconds: number
    unhealthy_threshold: number
    healthy_threshold: number
  }
  connection_timeout_ms: number
  first_token_timeout_ms: number
  idle_timeout_ms: number
  /** By cluster_name; overrides the node's own. */
  node_weights: Record<string, number>
  allowed_body_fields: ('priority' | 'cache_salt' | 'kv_transfer_params' | 'chat_template')[]
  sticky_sessions: boolean
  retry: {
    attempts: number
    budget_percent: number
    hedge_after_ms: number | null
  }
  resume_streams: boolean
  queue: {
    max_depth: number
    max_wait_ms: number
    cold_start_max_wait_ms: number
  }
  fallback_models: string[]
  mirror: {
    model: string
    percent: number
  } | null
  split: {
    model: string
    percent: number
  }[]
  /** Null: never set, all defaults. */
  updated_at: string | null
}

export interface Region {
  id: string
  provider: string
  code: string
  name: string
  price_multiplier: number
  created_at: string
  updated_at: string
}

export interface RegionAvailability {
  region_id: string
  provider: string
  code: string
  /** What the provider offers there, with its prices there. */
  instance_types: {
    id: string
    name: string
    vcpus: number
    memory_gb: number
    gpu_model: string | null
    gpu_count: number
    /** Of each GPU. */
    gpu_memory_gb: number | null
    /** Dollars; null: not known. */
    price_on_demand_per_hour: number | null
    /** Dollars; null: not known. */
    price_spot_per_hour: number | null
    /** The day that the prices are of. */
    price_as_of: string | null
  }[]
  /** Nodes there that are not terminated. */
  nodes: {
    id: string
    cluster_name: string
    model_name: string
    instance_type: string | null
    status: 'launching' | 'active' | 'draining' | 'unhealthy' | 'terminating' | 'terminated' | 'failed'
  }[]
  /** Deployments there that are not terminated. */
  deployments: {
    id: string
    model_name: string
    instance_type: string | null
    target_node_count: number
    status: string
  }[]
}

export interface InstanceType {
  id: string
  provider: string
  name: string
  vcpus: number
  memory_gb: number
  gpu_model: string | null
  gpu_count: number
  /** Of each GPU. */
  gpu_memory_gb: number | null
  /** Codes of the regions that offer it; null: all of the provider's. */
  regions: string[] | null
  /** Dollars; null: not known. */
  price_on_demand_per_hour: number | null
  /** Dollars; null: not known. */
  price_spot_per_hour: number | null
  /** The day that the prices are of. */
  price_as_of: string | null
  created_at: string
  updated_at: string
}

export interface InstanceTypePricing {
  instance_type_id: string
  provider: string
  name: string
  /** The day that the prices are of. */
  price_as_of: string | null
  /** The regions that offer it, by code; prices are in dollars. */
  data: {
    region_id: string
    region: string
    region_name: string
    price_multiplier: number
    /** Dollars; null: not known. */
    price_on_demand_per_hour: number | null
    /** Dollars; null: not known. */
    price_spot_per_hour: number | null
  }[]
}

export interface AdminServedRequest {
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
  tenant_id: string
  /** The route's. */
  strategy: string | null
  /** Its place in the queue when it came there, 1 the next; null: it did not wait. */
  queue_position: number | null
  attempts: AdminRequestAttempt[]
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
    environment_id: string
    /** Of the node that served it in the end, as in x-gateway-node. */
    node_id: string
    /** That node's cluster_name. */
    node: string
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

export interface AdminRequestAttempt {
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
  /** Its cluster_name. */
  node: string
  /** The route's strategy, or sticky. */
  chosen_by: string
  /** The nodes as they were at that time, 64 at most; empty where not sampled. */
  considered: {
    node_id: string
    node: string
    /** Why it was no candidate. */
    unavailable: string | null
    /** Requests at the node, other proxies' included. */
    load: number
    predicted_ttft_ms: number | null
    weight: number
    warmth: number
  }[]
}

export interface AdminToken {
  id: string
  name: string
  /** The token's first 11 characters. */
  prefix: string
  /** read: every GET; operate: nodes, deployments and routes as well; admin: everything. */
  scope: 'read' | 'operate' | 'admin'
  status: 'active' | 'revoked' | 'expired'
  created_at: string
  /** To the minute. */
  last_used_at: string | null
  expires_at: string | null
}

export interface NewAdminToken {
  id: string
  name: string
  /** The token's first 11 characters. */
  prefix: string
  /** read: every GET; operate: nodes, deployments and routes as well; admin: everything. */
  scope: 'read' | 'operate' | 'admin'
  status: 'active' | 'revoked' | 'expired'
  created_at: string
  /** To the minute. */
  last_used_at: string | null
  expires_at: string | null
  token: string
}

export interface AuditEntry {
  id: string
  created_at: string
  /** admin:<name of the token>, or key:<id of the API key>. */
  actor: string
  /** <resource>.<verb> */
  action: string
  target_type: string
  target_id: string
  tenant_id: string | null
  /** null: it did not exist. */
  before: Record<string, unknown> | null
  /** null: it exists no more. */
  after: Record<string, unknown> | null
  request_id: string
  address: string
}

export interface TenantUsage {
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
  tenant_id: string
  /** Every bucket of the range, zeros where nothing was used. */
  by_date: DateUsage[]
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

export interface UsageRecord {
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
  /** That node's cluster_name. */
  node: string
}

/** Percentiles are within 2%. */
export interface PlatformMetrics {
  period: '1h' | '24h' | '7d' | '30d'
  /** The begin of the whole minute (1h), hour (24h, 7d) or day in UTC (30d) in which the period begins: all figures are of the time from here to the end. */
  start: string
  end: string
  total_requests: number
  /** The gateway's or a node's failures; a client's abort is none. */
  failed_requests: number
  prompt_tokens: number
  completion_tokens: number
  /** Prompt tokens that came from a cache; part of prompt_tokens. */
  cached_tokens: number
  total_tokens: number
  requests_per_second: number
  /** What the requests cost their tenants. */
  total_revenue_usd: number
  /** Each node's price_per_hour of the time, from its registration or from when its machine was asked for until it was terminated, had failed or its machine was gone. See unpriced_nodes. */
  node_cost_usd: number
  /** Revenue less node cost; may be negative. */
  margin_usd: number
  /** Nodes that had no price_per_hour for some of that time: this is missing from the node cost. */
  unpriced_nodes: number
  /** Of whole requests; null without a request. */
  avg_latency_ms: number | null
  p50_latency_ms: number | null
  p95_latency_ms: number | null
  p99_latency_ms: number | null
  /** To the first token; null where none came. */
  avg_ttft_ms: number | null
  p50_ttft_ms: number | null
  p95_ttft_ms: number | null
  p99_ttft_ms: number | null
  /** Now. */
  total_tenants: number
  /** Tenants with a request in the period, deleted ones as well. */
  active_tenants: number
  /** Now, without those that are terminated or failed. */
  total_nodes: number
  /** Now, without those that are terminated. */
  total_deployments: number
  /** The ten with the highest revenue, highest first. */
  by_model: ModelRank[]
  /** The ten with the highest revenue, highest first. */
  by_tenant: TenantRank[]
  /** Copies of mirrored requests, at the prices of their models. No tenant pays for them: no other figure here counts them, but for the cost of the nodes that served them. */
  mirrored: {
    requests: number
    /** The gateway's or a node's failures; a client's abort is none. */
    failed_requests: number
    prompt_tokens: number
    completion_tokens: number
    /** Prompt tokens that came from a cache; part of prompt_tokens. */
    cached_tokens: number
    total_tokens: number
    cost_usd: number
  }
  /** By the minute (1h), hour (24h, 7d) or day in UTC (30d), oldest first, zeros where there was nothing; the last one is under way. */
  series: PlatformPoint[]
}

export interface ModelRank {
  model: string
  requests: number
  /** The gateway's or a node's failures; a client's abort is none. */
  failed_requests: number
  prompt_tokens: number
  completion_tokens: number
  /** Prompt tokens that came from a cache; part of prompt_tokens. */
  cached_tokens: number
  total_tokens: number
  /** Mean of the whole requests. */
  avg_latency_ms: number
  revenue_usd: number
  /** Of the nodes that serve the model. */
  node_cost_usd: number
  /** Dollars for a million tokens, prompt and completion: null without a token, and where a price or the tokens are not known. */
  usd_per_million_tokens: number | null
  /** Share, 0 to 1, of the hours in which no request was under way, by the second: one that took a part of a second, or waited for the node, counts for all of that time, one that has not ended yet does not count. Null: not known. */
  idle_share: number | null
}

export interface TenantRank {
  tenant_id: string
  /** Also of a deleted tenant. */
  tenant_name: string | null
  requests: number
  /** The gateway's or a node's failures; a client's abort is none. */
  failed_requests: number
  prompt_tokens: number
  completion_tokens: number
  /** Prompt tokens that came from a cache; part of prompt_tokens. */
  cached_tokens: number
  total_tokens: number
  revenue_usd: number
  avg_latency_ms: number
}

export interface PlatformPoint {
  /** When the stretch begins; it ends where the next begins. */
  time: string
  requests: number
  /** The gateway's or a node's failures; a client's abort is none. */
  failed_requests: number
  prompt_tokens: number
  completion_tokens: number
  /** Prompt tokens that came from a cache; part of prompt_tokens. */
  cached_tokens: number
  total_tokens: number
  revenue_usd: number
  requests_per_second: number
  /** Of whole requests; null without a request. */
  avg_latency_ms: number | null
  p50_latency_ms: number | null
  p95_latency_ms: number | null
  p99_latency_ms: number | null
  /** To the first token; null where none came. */
  avg_ttft_ms: number | null
  p50_ttft_ms: number | null
  p95_ttft_ms: number | null
  p99_ttft_ms: number | null
}

export interface PlatformHealth {
  /** unhealthy: control_plane, database, usage_pipeline or gpu_nodes is; degraded: anything else is not healthy. */
  status: 'healthy' | 'degraded' | 'unhealthy'
  components: {
    control_plane: ComponentHealth
    database: ComponentHealth
    cache: ComponentHealth
    analytics: ComponentHealth
    usage_pipeline: ComponentHealth
    gpu_nodes: ComponentHealth
  }
  /** null: not known at the moment. */
  metrics: {
    total_nodes: number | null
    healthy_nodes: number | null
    unhealthy_nodes: number | null
    /** Of healthy nodes whose model has one. */
    total_capacity_tps: number | null
    /** Over the last five minutes. */
    current_rps: number | null
    /** Of whole requests, over the last five minutes. */
    avg_latency_ms: number | null
  }
  timestamp: string
}

export interface ComponentHealth {
  status: 'healthy' | 'degraded' | 'unhealthy'
  latency_ms: number | null
  detail: string | null
}

export interface ConfigDocument {
  version: 1
  models?: {
    name: string
    family?: string
    size?: string | null
    type?: 'chat' | 'completion' | 'embedding'
    context_length?: number
    vram_required_gb?: number
    price_input_per_million?: number
    price_output_per_million?: number
    price_cached_input_per_million?: number | null
    tokens_per_second_capacity?: number | null
    status?: 'active' | 'deprecated' | 'beta'
    aliases?: string[]
    metadata?: Record<string, unknown>
  }[]
  routes?: {
    model: string
    strategy?: 'round-robin' | 'least-latency' | 'least-connections' | 'weighted' | 'prefix-affinity'
    /** What is not sent stays. */
    health_check?: {
      interval_seconds?: number
      timeout_seconds?: number
      unhealthy_threshold?: number
      healthy_threshold?: number
    }
    connection_timeout_ms?: number
    first_token_timeout_ms?: number
    idle_timeout_ms?: number
    /** By cluster_name; overrides the node's own. 0: takes nothing under the strategy weighted. */
    node_weights?: Record<string, number>
    allowed_body_fields?: ('priority' | 'cache_salt' | 'kv_transfer_params' | 'chat_template')[]
    /** Requests of one session go to one node for as long as it can be asked. */
    sticky_sessions?: boolean
    /** What is not sent stays. */
    retry?: {
      /** Nodes that a request is sent to at most; 1: never to a second one. */
      attempts?: number
      /** Retries under way, in percent of the model's requests under way; a few are always allowed. */
      budget_percent?: number
      /** A small prompt that has no first token after this is sent to a second node too; null: never. */
      hedge_after_ms?: number | null
    }
    /** A stream whose node fails is continued by another node. */
    resume_streams?: boolean
    /** What is not sent stays. */
    queue?: {
      /** Requests that wait at once in one proxy; 0: none waits, and no deployment sleeps. */
      max_depth?: number
      max_wait_ms?: number
      /** How long one waits at most while no node serves and one is being launched; 0: none waits for that. */
      cold_start_max_wait_ms?: number
    }
    /** By name or alias, of the same type; asked in turn when no node of the model can serve. */
    fallback_models?: string[]
    /** A model of the same type that gets copies of so many requests; its answers are dropped. */
    mirror?: {
      model: string
      percent: number
    } | null
    /** Models of the same type that get a share of the requests; what is left of 100 stays. */
    split?: {
      model: string
      percent: number
    }[]
  }[]
  tenants?: {
    email: string
    /** Brings the limits that were not set otherwise. A change of the tier moves each limit that is still the default of the old tier to that of the new one. free: 20 requests per minute, 40,000 tokens per minute, 2 at a time; starter: 300, 500,000, 20; pro: 3,000, 5,000,000, 200; enterprise: unlimited. */
    tier?: 'free' | 'starter' | 'pro' | 'enterprise'
    /** Requests per minute; null: unlimited. */
    rate_limit_per_minute?: number | null
    /** Prompt and completion tokens per minute; null: unlimited. */
    tokens_per_minute?: number | null
    /** Requests at the same time; null: unlimited. */
    max_concurrency?: number | null
    /** Dollars per calendar month in UTC; null: unlimited. */
    max_monthly_spend_usd?: number | null
    allowed_models?: string[] | null
  }[]
  regions?: {
    provider: string
    code: string
    name?: string
    /** What list prices of the provider's instance types are multiplied by in this region. */
    price_multiplier?: number
  }[]
  instance_types?: {
    provider: string
    name: string
    vcpus?: number
    memory_gb?: number
    /** Null where it has no GPU. */
    gpu_model?: string | null
    gpu_count?: number
    /** Of each GPU; null where it has none. */
    gpu_memory_gb?: number | null
    /** Codes of the provider's regions that offer it; null: all of them. */
    regions?: string[] | null
    /** Dollars where the region's multiplier is 1; null: not known. */
    price_on_demand_per_hour?: number | null
    /** The same for spot; null: not known. */
    price_spot_per_hour?: number | null
    /** The day that the prices are of. */
    price_as_of?: string | null
  }[]
}

export interface ConfigDiff {
  dry_run: boolean
  prune: boolean
  models: ConfigSectionDiff
  routes: ConfigSectionDiff
  tenants: ConfigSectionDiff
  regions: ConfigSectionDiff
  instance_types: ConfigSectionDiff
}

export interface ConfigSectionDiff {
  created: {
    /** Of the row in the document: `llama-3.1-8b`, `aws/us-east-1`. */
    name: string
    /** Those that differ. Of a new row every before is null, of a deleted one every after. */
    fields: Record<
      string,
      {
        before: unknown
        after: unknown
      }
    >
  }[]
  updated: {
    /** Of the row in the document: `llama-3.1-8b`, `aws/us-east-1`. */
    name: string
    /** Those that differ. Of a new row every before is null, of a deleted one every after. */
    fields: Record<
      string,
      {
        before: unknown
        after: unknown
      }
    >
  }[]
  unchanged: string[]
  /** Of routes: back to the defaults. */
  deleted: {
    /** Of the row in the document: `llama-3.1-8b`, `aws/us-east-1`. */
    name: string
    /** Those that differ. Of a new row every before is null, of a deleted one every after. */
    fields: Record<
      string,
      {
        before: unknown
        after: unknown
      }
    >
  }[]
}

export interface AdminApi {
  readonly tenants: {
    /** Lists tenants, newest first unless sorted. `GET /admin/tenants` */
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
                | 'email'
                | '-email'
                | 'updated_at'
                | '-updated_at'
                | undefined
              /** Brings the limits that were not set otherwise. A change of the tier moves each limit that is still the default of the old tier to that of the new one. free: 20 requests per minute, 40,000 tokens per minute, 2 at a time; starter: 300, 500,000, 20; pro: 3,000, 5,000,000, 200; enterprise: unlimited. */
              readonly tier?: 'free' | 'starter' | 'pro' | 'enterprise' | undefined
              readonly status?: 'active' | 'suspended' | undefined
              readonly search?: string | undefined
            }
          | undefined
      } & CallOptions,
    ): Promise<
      ApiReply<{
        data: Tenant[]
        pagination: {
          total: number
          limit: number
          offset: number
          has_more: boolean
        }
      }>
    >
    /** Creates a tenant with a production environment and a first API key, shown this once. `POST /admin/tenants` */
    create(
      request: {
        readonly body: {
          readonly name: string
          readonly email: string
          /** Brings the limits that were not set otherwise. A change of the tier moves each limit that is still the default of the old tier to that of the new one. free: 20 requests per minute, 40,000 tokens per minute, 2 at a time; starter: 300, 500,000, 20; pro: 3,000, 5,000,000, 200; enterprise: unlimited. */
          readonly tier?: 'free' | 'starter' | 'pro' | 'enterprise' | undefined
          /** Requests per minute; null: unlimited. */
          readonly rate_limit_per_minute?: number | null | undefined
          /** Prompt and completion tokens per minute; null: unlimited. */
          readonly tokens_per_minute?: number | null | undefined
          /** Requests at the same time; null: unlimited. */
          readonly max_concurrency?: number | null | undefined
          /** Dollars per calendar month in UTC; null: unlimited. */
          readonly max_monthly_spend_usd?: number | null | undefined
          readonly allowed_models?: readonly string[] | null | undefined
        }
      } & Repeatable &
        CallOptions,
    ): Promise<
      ApiReply<{
        tenant: Tenant
        api_key: string
      }>
    >
    /** Shows a tenant with what it has used in all. `GET /admin/tenants/{id}` */
    get(
      request: {
        readonly params: {
          readonly id: string
        }
      } & CallOptions,
    ): Promise<ApiReply<TenantDetail>>
    /** Sets the fields that are sent. `PUT /admin/tenants/{id}` */
    put(
      request: {
        readonly params: {
          readonly id: string
        }
        readonly body: {
          readonly name?: string | undefined
          readonly email?: string | undefined
          /** Brings the limits that were not set otherwise. A change of the tier moves each limit that is still the default of the old tier to that of the new one. free: 20 requests per minute, 40,000 tokens per minute, 2 at a time; starter: 300, 500,000, 20; pro: 3,000, 5,000,000, 200; enterprise: unlimited. */
          readonly tier?: 'free' | 'starter' | 'pro' | 'enterprise' | undefined
          /** Requests per minute; null: unlimited. */
          readonly rate_limit_per_minute?: number | null | undefined
          /** Prompt and completion tokens per minute; null: unlimited. */
          readonly tokens_per_minute?: number | null | undefined
          /** Requests at the same time; null: unlimited. */
          readonly max_concurrency?: number | null | undefined
          /** Dollars per calendar month in UTC; null: unlimited. */
          readonly max_monthly_spend_usd?: number | null | undefined
          readonly allowed_models?: readonly string[] | null | undefined
        }
      } & Conditional &
        CallOptions,
    ): Promise<ApiReply<Tenant>>
    /** Sets the fields that are sent. `PATCH /admin/tenants/{id}` */
    patch(
      request: {
        readonly params: {
          readonly id: string
        }
        readonly body: {
          readonly name?: string | undefined
          readonly email?: string | undefined
          /** Brings the limits that were not set otherwise. A change of the tier moves each limit that is still the default of the old tier to that of the new one. free: 20 requests per minute, 40,000 tokens per minute, 2 at a time; starter: 300, 500,000, 20; pro: 3,000, 5,000,000, 200; enterprise: unlimited. */
          readonly tier?: 'free' | 'starter' | 'pro' | 'enterprise' | undefined
          /** Requests per minute; null: unlimited. */
          readonly rate_limit_per_minute?: number | null | undefined
          /** Prompt and completion tokens per minute; null: unlimited. */
          readonly tokens_per_minute?: number | null | undefined
          /** Requests at the same time; null: unlimited. */
          readonly max_concurrency?: number | null | undefined
          /** Dollars per calendar month in UTC; null: unlimited. */
          readonly max_monthly_spend_usd?: number | null | undefined
          readonly allowed_models?: readonly string[] | null | undefined
        }
      } & Conditional &
        CallOptions,
    ): Promise<ApiReply<Tenant>>
    /** Deletes a tenant: its keys stop working, its usage stays. `DELETE /admin/tenants/{id}` */
    delete(
      request: {
        readonly params: {
          readonly id: string
        }
      } & Conditional &
        CallOptions,
    ): Promise<
      ApiReply<{
        id: string
        status: string
      }>
    >
    /** Suspends a tenant: within a second its keys are refused, until it is activated. `POST /admin/tenants/{id}/suspend` */
    suspend(
      request: {
        readonly params: {
          readonly id: string
        }
      } & Conditional &
        Repeatable &
        CallOptions,
    ): Promise<ApiReply<Tenant>>
    /** Ends a suspension, within a second. `POST /admin/tenants/{id}/activate` */
    activate(
      request: {
        readonly params: {
          readonly id: string
        }
      } & Conditional &
        Repeatable &
        CallOptions,
    ): Promise<ApiReply<Tenant>>
  }
  readonly environments: {
    /** Lists a tenant's environments, newest first unless sorted. `GET /admin/tenants/{id}/environments` */
    list(
      request: {
        readonly params: {
          readonly id: string
        }
        readonly query?:
          | {
              readonly limit?: number | undefined
              readonly offset?: number | undefined
              /** A field, ascending; with a minus descending. */
              readonly sort?: 'created_at' | '-created_at' | 'name' | '-name' | undefined
            }
          | undefined
      } & CallOptions,
    ): Promise<
      ApiReply<{
        data: Environment[]
        pagination: {
          total: number
          limit: number
          offset: number
          has_more: boolean
        }
      }>
    >
    /** Creates an environment; the one named production has clsk_live_ keys, all others clsk_test_ keys. `POST /admin/tenants/{id}/environments` */
    create(
      request: {
        readonly params: {
          readonly id: string
        }
        readonly body: {
          readonly name: string
          /** Requests per minute; null: unlimited. */
          readonly rate_limit_per_minute?: number | null | undefined
          /** Prompt and completion tokens per minute; null: unlimited. */
          readonly tokens_per_minute?: number | null | undefined
          /** Requests at the same time; null: unlimited. */
          readonly max_concurrency?: number | null | undefined
        }
      } & Repeatable &
        CallOptions,
    ): Promise<ApiReply<Environment>>
    /** Shows an environment. `GET /admin/tenants/{id}/environments/{env_id}` */
    get(
      request: {
        readonly params: {
          readonly id: string
          readonly env_id: string
        }
      } & CallOptions,
    ): Promise<ApiReply<Environment>>
    /** Sets the fields that are sent; production keeps its name. `PATCH /admin/tenants/{id}/environments/{env_id}` */
    patch(
      request: {
        readonly params: {
          readonly id: string
          readonly env_id: string
        }
        readonly body: {
          readonly name?: string | undefined
          /** Requests per minute; null: unlimited. */
          readonly rate_limit_per_minute?: number | null | undefined
          /** Prompt and completion tokens per minute; null: unlimited. */
          readonly tokens_per_minute?: number | null | undefined
          /** Requests at the same time; null: unlimited. */
          readonly max_concurrency?: number | null | undefined
        }
      } & Conditional &
        CallOptions,
    ): Promise<ApiReply<Environment>>
    /** Removes an environment that has no active key left; production stays. `DELETE /admin/tenants/{id}/environments/{env_id}` */
    delete(
      request: {
        readonly params: {
          readonly id: string
          readonly env_id: string
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
  readonly tenantApiKeys: {
    /** Lists a tenant's API keys, newest first unless sorted. `GET /admin/tenants/{id}/api-keys` */
    list(
      request: {
        readonly params: {
          readonly id: string
        }
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
    /** Creates an API key, shown this once; clsk_live_ in the environment production, clsk_test_ in all others. `POST /admin/tenants/{id}/api-keys` */
    create(
      request: {
        readonly params: {
          readonly id: string
        }
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
          /** Id or name of one of the tenant's environments. */
          readonly environment?: string | undefined
        }
      } & Repeatable &
        CallOptions,
    ): Promise<ApiReply<NewApiKey>>
    /** Shows an API key, never the key itself. `GET /admin/tenants/{id}/api-keys/{key_id}` */
    get(
      request: {
        readonly params: {
          readonly id: string
          readonly key_id: string
        }
      } & CallOptions,
    ): Promise<ApiReply<ApiKey>>
    /** Sets the fields that are sent, within a second; a revoked key stays as it is. `PATCH /admin/tenants/{id}/api-keys/{key_id}` */
    patch(
      request: {
        readonly params: {
          readonly id: string
          readonly key_id: string
        }
        readonly body: {
          readonly name?: string | undefined
          /** Requests per minute; null: unlimited. */
          readonly rate_limit_per_minute?: number | null | undefined
          /** Prompt and completion tokens per minute; null: unlimited. */
          readonly tokens_per_minute?: number | null | undefined
          /** Requests at the same time; null: unlimited. */
          readonly max_concurrency?: number | null | undefined
          readonly expires_at?: string | null | undefined
          readonly allowed_models?: readonly string[] | null | undefined
        }
      } & Conditional &
        CallOptions,
    ): Promise<ApiReply<ApiKey>>
    /** Makes a key like this one, shown this once, and ends this one at once or after an overlap. `POST /admin/tenants/{id}/api-keys/{key_id}/rotate` */
    rotate(
      request: {
        readonly params: {
          readonly id: string
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
    /** Revokes an API key and ends the requests that it is used for, within a second; repeatable. `DELETE /admin/tenants/{id}/api-keys/{key_id}` */
    delete(
      request: {
        readonly params: {
          readonly id: string
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
  readonly models: {
    /** Lists models, newest first unless sorted. `GET /admin/models` */
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
                | 'family'
                | '-family'
                | 'context_length'
                | '-context_length'
                | 'vram_required_gb'
                | '-vram_required_gb'
                | 'updated_at'
                | '-updated_at'
                | undefined
              readonly family?: string | undefined
              readonly type?: 'chat' | 'completion' | 'embedding' | undefined
              readonly status?: 'active' | 'deprecated' | 'beta' | undefined
              readonly min_vram?: number | undefined
              readonly max_vram?: number | undefined
              /** Part of a name, alias or family, in any case. */
              readonly search?: string | undefined
            }
          | undefined
      } & CallOptions,
    ): Promise<
      ApiReply<{
        data: Model[]
        pagination: {
          total: number
          limit: number
          offset: number
          has_more: boolean
        }
      }>
    >
    /** Adds a model to the catalogue. `POST /admin/models` */
    create(
      request: {
        readonly body: {
          readonly name: string
          readonly family: string
          readonly size?: string | null | undefined
          readonly type: 'chat' | 'completion' | 'embedding'
          readonly context_length: number
          readonly vram_required_gb: number
          readonly price_input_per_million: number
          readonly price_output_per_million: number
          readonly price_cached_input_per_million?: number | null | undefined
          readonly tokens_per_second_capacity?: number | null | undefined
          readonly status?: 'active' | 'deprecated' | 'beta' | undefined
          readonly aliases?: readonly string[] | undefined
          readonly metadata?: Readonly<Record<string, unknown>> | undefined
        }
      } & Repeatable &
        CallOptions,
    ): Promise<ApiReply<Model>>
    /** Shows a model. `GET /admin/models/{id}` */
    get(
      request: {
        readonly params: {
          readonly id: string
        }
      } & CallOptions,
    ): Promise<ApiReply<Model>>
    /** Sets the fields that are sent; running requests keep the prices of their start. `PUT /admin/models/{id}` */
    put(
      request: {
        readonly params: {
          readonly id: string
        }
        readonly body: {
          readonly name?: string | undefined
          readonly family?: string | undefined
          readonly size?: string | null | undefined
          readonly type?: 'chat' | 'completion' | 'embedding' | undefined
          readonly context_length?: number | undefined
          readonly vram_required_gb?: number | undefined
          readonly price_input_per_million?: number | undefined
          readonly price_output_per_million?: number | undefined
          readonly price_cached_input_per_million?: number | null | undefined
          readonly tokens_per_second_capacity?: number | null | undefined
          readonly status?: 'active' | 'deprecated' | 'beta' | undefined
          readonly aliases?: readonly string[] | undefined
          readonly metadata?: Readonly<Record<string, unknown>> | undefined
        }
      } & Conditional &
        CallOptions,
    ): Promise<ApiReply<Model>>
    /** Sets the fields that are sent; running requests keep the prices of their start. `PATCH /admin/models/{id}` */
    patch(
      request: {
        readonly params: {
          readonly id: string
        }
        readonly body: {
          readonly name?: string | undefined
          readonly family?: string | undefined
          readonly size?: string | null | undefined
          readonly type?: 'chat' | 'completion' | 'embedding' | undefined
          readonly context_length?: number | undefined
          readonly vram_required_gb?: number | undefined
          readonly price_input_per_million?: number | undefined
          readonly price_output_per_million?: number | undefined
          readonly price_cached_input_per_million?: number | null | undefined
          readonly tokens_per_second_capacity?: number | null | undefined
          readonly status?: 'active' | 'deprecated' | 'beta' | undefined
          readonly aliases?: readonly string[] | undefined
          readonly metadata?: Readonly<Record<string, unknown>> | undefined
        }
      } & Conditional &
        CallOptions,
    ): Promise<ApiReply<Model>>
    /** Removes a model that has no node left and that no other one names in its route. `DELETE /admin/models/{id}` */
    delete(
      request: {
        readonly params: {
          readonly id: string
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
  readonly nodes: {
    /** Lists nodes with their live state and what they cost, newest first unless sorted. `GET /admin/nodes` */
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
                | 'cluster_name'
                | '-cluster_name'
                | 'model_name'
                | '-model_name'
                | 'provider'
                | '-provider'
                | 'status'
                | '-status'
                | 'weight'
                | '-weight'
                | 'updated_at'
                | '-updated_at'
                | undefined
              readonly provider?: string | undefined
              readonly region?: string | undefined
              /** Name or alias of a model. */
              readonly model?: string | undefined
              readonly status?:
                | 'launching'
                | 'active'
                | 'draining'
                | 'unhealthy'
                | 'terminating'
                | 'terminated'
                | 'failed'
                | undefined
              readonly deployment_id?: string | undefined
              /** Part of its name, address or model, in any case. */
              readonly search?: string | undefined
            }
          | undefined
      } & CallOptions,
    ): Promise<
      ApiReply<{
        data: NodeWithCost[]
        pagination: {
          total: number
          limit: number
          offset: number
          has_more: boolean
        }
      }>
    >
    /** Registers an inference server that already runs; it takes traffic within a second. `POST /admin/nodes` */
    register(
      request: {
        readonly body: {
          readonly cluster_name: string
          /** Name or alias of a model. */
          readonly model_name: string
          /** http(s)://host:port; the API is expected under /v1. */
          readonly endpoint_url: string
          /** The model's name on that server; default the model's own name. */
          readonly upstream_model?: string | undefined
          /** A label. */
          readonly provider?: string | undefined
          /** A label. */
          readonly region?: string | null | undefined
          readonly weight?: number | undefined
          readonly max_concurrency?: number | null | undefined
          /** Sent to the node as a bearer token; never shown again. */
          readonly api_key?: string | null | undefined
          /** What the node runs. vllm, sglang and simulated are asked for usage in every frame, so that streams which end early are billed to the token; openai is any other server of that API. */
          readonly engine?: 'vllm' | 'sglang' | 'llama-cpp' | 'openai' | 'simulated' | undefined
          readonly price_per_hour?: number | null | undefined
        }
      } & Repeatable &
        CallOptions,
    ): Promise<ApiReply<Node>>
    /** Shows a node with its live state and what it costs. `GET /admin/nodes/{cluster_name}` */
    get(
      request: {
        readonly params: {
          readonly cluster_name: string
        }
      } & CallOptions,
    ): Promise<ApiReply<NodeWithCost>>
    /** Sets the fields that are sent; live within a second, running streams untouched. `PATCH /admin/nodes/{cluster_name}` */
    patch(
      request: {
        readonly params: {
          readonly cluster_name: string
        }
        readonly body: {
          /** Its model's route may override it: see node_weights there. */
          readonly weight?: number | undefined
          /** Null: no bound. */
          readonly max_concurrency?: number | null | undefined
        }
      } & Conditional &
        CallOptions,
    ): Promise<ApiReply<Node>>
    /** Gives a node no more requests; running streams finish. `POST /admin/nodes/{cluster_name}/drain` */
    drain(
      request: {
        readonly params: {
          readonly cluster_name: string
        }
      } & Conditional &
        Repeatable &
        CallOptions,
    ): Promise<ApiReply<Node>>
    /** Lets a drained node take requests again. `POST /admin/nodes/{cluster_name}/undrain` */
    undrain(
      request: {
        readonly params: {
          readonly cluster_name: string
        }
      } & Conditional &
        Repeatable &
        CallOptions,
    ): Promise<ApiReply<Node>>
    /** Takes a node out for good: drained first (terminating), at once with force; repeatable. `POST /admin/nodes/{cluster_name}/terminate` */
    terminate(
      request: {
        readonly params: {
          readonly cluster_name: string
        }
        readonly body?:
          | {
              /** Do not wait for running requests. */
              readonly force?: boolean | undefined
            }
          | undefined
      } & Conditional &
        Repeatable &
        CallOptions,
    ): Promise<ApiReply<Node>>
    /** Shows in which state a node is, since when, and what it waits for. `GET /admin/nodes/{cluster_name}/status` */
    status(
      request: {
        readonly params: {
          readonly cluster_name: string
        }
      } & CallOptions,
    ): Promise<ApiReply<NodeState>>
    /** Lists what happened to a node, newest first; the last 500 events are kept. `GET /admin/nodes/{cluster_name}/logs` */
    logs(
      request: {
        readonly params: {
          readonly cluster_name: string
        }
        readonly query?:
          | {
              readonly limit?: number | undefined
              readonly offset?: number | undefined
              readonly event?: 'registered' | 'changed' | 'status' | 'health' | 'warning' | undefined
            }
          | undefined
      } & CallOptions,
    ): Promise<
      ApiReply<{
        data: NodeEvent[]
        pagination: {
          total: number
          limit: number
          offset: number
          has_more: boolean
        }
      }>
    >
    /** Streams what happened and happens to a node, oldest first, as server-sent events. `GET /admin/nodes/{cluster_name}/logs/stream` */
    logsStream(
      request: {
        readonly params: {
          readonly cluster_name: string
        }
        readonly query?:
          | {
              /** Only events after this `sequence`. */
              readonly after?: number | undefined
              /** false: ends after what there is. */
              readonly follow?: 'true' | 'false' | undefined
            }
          | undefined
      } & CallOptions,
    ): Promise<ApiReply<string>>
    /** Launches a machine that serves a model; the work goes on in the background. `POST /admin/nodes/launch` */
    launch(
      request: {
        readonly body: {
          /** Name or alias of a model. */
          readonly model_name: string
          /** One that has a region in the catalogue; skypilot: the cheapest cloud that has it. */
          readonly provider: string
          /** Code of one of its regions; null: any. */
          readonly region?: string | null | undefined
          /** Name of one of its instance types; null: the cheapest that the model fits. */
          readonly instance_type?: string | null | undefined
          /** GPU model of one of its instance types; null: that of the instance type, or by the model's size. */
          readonly gpu_type?: string | null | undefined
          /** One that has a launch template: vllm, sglang, llama-cpp, simulated, or one of the operator's. */
          readonly engine?: string | undefined
          /** Arguments of the engine's command, one each: no shell reads them. */
          readonly engine_args?: readonly string[] | undefined
          /** Cheaper machines that may be taken away. Not of the provider local. */
          readonly use_spot?: boolean | undefined
          /** Null: the default. */
          readonly disk_size_gb?: number | null | undefined
        }
      } & Repeatable &
        CallOptions,
    ): Promise<
      ApiReply<{
        job_id: string
        node_id: string
        cluster_name: string
        status: 'launching' | 'active' | 'draining' | 'unhealthy' | 'terminating' | 'terminated' | 'failed'
      }>
    >
    /** Shows how far a launch has come. `GET /admin/nodes/launch-status` */
    launchStatus(
      request: {
        readonly query: {
          readonly job_id: string
        }
      } & CallOptions,
    ): Promise<
      ApiReply<{
        job_id: string
        status: 'pending' | 'running' | 'succeeded' | 'failed' | 'cancelled'
        stage: string | null
        /** 0 to 100. */
        progress: number
        /** Those that were entered, in order. */
        stages: {
          stage: string
          at: string
        }[]
        /** Until now, or until its end. */
        elapsed_seconds: number
        error: string | null
      }>
    >
  }
  readonly nodeAgents: {
    /** Says where the node answers; one that was launching takes traffic within a second. `POST /admin/nodes/{id}/register` */
    register(
      request: {
        readonly params: {
          readonly id: string
        }
        readonly body: {
          /** http(s)://host:port; the API is expected under /v1. */
          readonly endpoint_url: string
          readonly engine_version?: string | null | undefined
        }
      } & Repeatable &
        CallOptions,
    ): Promise<
      ApiReply<{
        id: string
        cluster_name: string
        /** terminating: the machine may be stopped when nothing runs any more. */
        status: 'launching' | 'active' | 'draining' | 'unhealthy' | 'terminating' | 'terminated' | 'failed'
      }>
    >
    /** Says that the node lives, and how busy it is; not in the audit log. `POST /admin/nodes/{id}/heartbeat` */
    heartbeat(
      request: {
        readonly params: {
          readonly id: string
        }
        readonly body?:
          | {
              readonly running?: number | null | undefined
              readonly waiting?: number | null | undefined
              /** 0 to 1. */
              readonly kv_cache_usage?: number | null | undefined
              /** 0 to 1. */
              readonly gpu_utilization?: number | null | undefined
              readonly gpu_memory_used_gb?: number | null | undefined
            }
          | undefined
      } & Repeatable &
        CallOptions,
    ): Promise<
      ApiReply<{
        id: string
        cluster_name: string
        /** terminating: the machine may be stopped when nothing runs any more. */
        status: 'launching' | 'active' | 'draining' | 'unhealthy' | 'terminating' | 'terminated' | 'failed'
      }>
    >
    /** Says that the machine will be taken away: the node gets no more requests. `POST /admin/nodes/{id}/termination-warning` */
    terminationWarning(
      request: {
        readonly params: {
          readonly id: string
        }
        readonly body: {
          readonly reason: string
          /** How long the machine still runs; null: not known. */
          readonly deadline_seconds?: number | null | undefined
        }
      } & Repeatable &
        CallOptions,
    ): Promise<
      ApiReply<{
        id: string
        cluster_name: string
        /** terminating: the machine may be stopped when nothing runs any more. */
        status: 'launching' | 'active' | 'draining' | 'unhealthy' | 'terminating' | 'terminated' | 'failed'
      }>
    >
  }
  readonly deployments: {
    /** Lists deployments, newest first unless sorted. `GET /admin/deployments` */
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
                | 'model_name'
                | '-model_name'
                | 'provider'
                | '-provider'
                | 'status'
                | '-status'
                | 'node_count'
                | '-node_count'
                | 'updated_at'
                | '-updated_at'
                | undefined
              /** Name or alias of a model. */
              readonly model?: string | undefined
              readonly provider?: string | undefined
              readonly status?:
                | 'launching'
                | 'active'
                | 'scaling'
                | 'draining'
                | 'paused'
                | 'terminated'
                | 'failed'
                | undefined
              /** Part of its model, provider, region or instance type, in any case. */
              readonly search?: string | undefined
            }
          | undefined
      } & CallOptions,
    ): Promise<
      ApiReply<{
        data: DeploymentWithCost[]
        pagination: {
          total: number
          limit: number
          offset: number
          has_more: boolean
        }
      }>
    >
    /** Keeps a number of nodes of a model; the work goes on in the background. `POST /admin/deployments` */
    create(
      request: {
        readonly body: {
          /** Name or alias of a model. */
          readonly model_name: string
          /** Nodes that are wanted; 0: paused, or asleep where automatic scaling has min_nodes 0. */
          readonly node_count?: number | undefined
          /** One that has a region in the catalogue; skypilot: the cheapest cloud that has it. */
          readonly provider: string
          /** Code of one of its regions; null: any. */
          readonly region?: string | null | undefined
          /** Name of one of its instance types; null: the cheapest that the model fits. */
          readonly instance_type?: string | null | undefined
          /** GPU model of one of its instance types; null: that of the instance type, or by the model's size. */
          readonly gpu_type?: string | null | undefined
          /** One that has a launch template: vllm, sglang, llama-cpp, simulated, or one of the operator's. */
          readonly engine?: string | undefined
          /** Arguments of the engine's command, one each: no shell reads them. */
          readonly engine_args?: readonly string[] | undefined
          /** Cheaper machines that may be taken away. Not of the provider local. */
          readonly use_spot?: boolean | undefined
          /** Null: the default. */
          readonly disk_size_gb?: number | null | undefined
          /** With use_spot: wait this long for a spot machine; null: for ever. */
          readonly fallback_on_demand_after_seconds?: number | null | undefined
          /** Sets the strategy of the model's route. */
          readonly load_balancing_strategy?:
            'round-robin' | 'least-latency' | 'least-connections' | 'weighted' | 'prefix-affinity' | undefined
          /** A deployment that is not paused has min_nodes to max_nodes nodes then; null: as many as are set. */
          readonly auto_scaling?:
            | {
                readonly enabled: boolean
                readonly min_nodes?: number | undefined
                readonly max_nodes: number
                /** Running requests for each node. */
                readonly target_concurrency?: number | null | undefined
                readonly target_ttft_ms?: number | null | undefined
              }
            | null
            | undefined
        }
      } & Repeatable &
        CallOptions,
    ): Promise<ApiReply<Deployment>>
    /** Shows a deployment. `GET /admin/deployments/{id}` */
    get(
      request: {
        readonly params: {
          readonly id: string
        }
      } & CallOptions,
    ): Promise<ApiReply<DeploymentWithCost>>
    /** Sets the fields that are sent; nodes of other machines or engines than before are replaced one by one. `PATCH /admin/deployments/{id}` */
    patch(
      request: {
        readonly params: {
          readonly id: string
        }
        readonly body: {
          /** Code of one of its regions; null: any. */
          readonly region?: string | null | undefined
          /** Name of one of its instance types; null: the cheapest that the model fits. */
          readonly instance_type?: string | null | undefined
          /** GPU model of one of its instance types; null: that of the instance type, or by the model's size. */
          readonly gpu_type?: string | null | undefined
          /** One that has a launch template: vllm, sglang, llama-cpp, simulated, or one of the operator's. */
          readonly engine?: string | undefined
          /** Arguments of the engine's command, one each: no shell reads them. */
          readonly engine_args?: readonly string[] | undefined
          /** Cheaper machines that may be taken away. Not of the provider local. */
          readonly use_spot?: boolean | undefined
          /** Null: the default. */
          readonly disk_size_gb?: number | null | undefined
          /** With use_spot: wait this long for a spot machine; null: for ever. */
          readonly fallback_on_demand_after_seconds?: number | null | undefined
          /** Sets the strategy of the model's route. */
          readonly load_balancing_strategy?:
            'round-robin' | 'least-latency' | 'least-connections' | 'weighted' | 'prefix-affinity' | undefined
          /** A deployment that is not paused has min_nodes to max_nodes nodes then; null: as many as are set. */
          readonly auto_scaling?:
            | {
                readonly enabled: boolean
                readonly min_nodes?: number | undefined
                readonly max_nodes: number
                /** Running requests for each node. */
                readonly target_concurrency?: number | null | undefined
                readonly target_ttft_ms?: number | null | undefined
              }
            | null
            | undefined
        }
      } & Conditional &
        CallOptions,
    ): Promise<ApiReply<Deployment>>
    /** Sets how many nodes are wanted; those that are too many go, the newest first. `PUT /admin/deployments/{id}/scale` */
    scale(
      request: {
        readonly params: {
          readonly id: string
        }
        readonly body: {
          readonly target_node_count: number
          /** gradual: running requests finish; immediate: they are not waited for. */
          readonly strategy?: 'gradual' | 'immediate' | undefined
        }
      } & Conditional &
        CallOptions,
    ): Promise<ApiReply<Deployment>>
    /** Drains its nodes and ends with the last one; repeatable. `DELETE /admin/deployments/{id}` */
    delete(
      request: {
        readonly params: {
          readonly id: string
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
  readonly routes: {
    /** Lists the route of every model; each has one, with defaults; newest models first unless sorted. `GET /admin/routes` */
    list(
      request?: {
        readonly query?:
          | {
              readonly limit?: number | undefined
              readonly offset?: number | undefined
              /** A field, ascending; with a minus descending. */
              readonly sort?: 'created_at' | '-created_at' | 'model_name' | '-model_name' | undefined
            }
          | undefined
      } & CallOptions,
    ): Promise<
      ApiReply<{
        data: Route[]
        pagination: {
          total: number
          limit: number
          offset: number
          has_more: boolean
        }
      }>
    >
    /** Shows a model's route. `GET /admin/routes/{model_id}` */
    get(
      request: {
        readonly params: {
          readonly model_id: string
        }
      } & CallOptions,
    ): Promise<ApiReply<Route>>
    /** Sets the fields that are sent; live within a second, running streams untouched. `PUT /admin/routes/{model_id}` */
    put(
      request: {
        readonly params: {
          readonly model_id: string
        }
        readonly body: {
          readonly strategy?:
            'round-robin' | 'least-latency' | 'least-connections' | 'weighted' | 'prefix-affinity' | undefined
          /** What is not sent stays. */
          readonly health_check?:
            | {
                readonly interval_seconds?: number | undefined
                readonly timeout_seconds?: number | undefined
                readonly unhealthy_threshold?: number | undefined
                readonly healthy_threshold?: number | undefined
              }
            | undefined
          readonly connection_timeout_ms?: number | undefined
          readonly first_token_timeout_ms?: number | undefined
          readonly idle_timeout_ms?: number | undefined
          /** By cluster_name; overrides the node's own. 0: takes nothing under the strategy weighted. */
          readonly node_weights?: Readonly<Record<string, number>> | undefined
          readonly allowed_body_fields?:
            readonly ('priority' | 'cache_salt' | 'kv_transfer_params' | 'chat_template')[] | undefined
          /** Requests of one session go to one node for as long as it can be asked. */
          readonly sticky_sessions?: boolean | undefined
          /** What is not sent stays. */
          readonly retry?:
            | {
                /** Nodes that a request is sent to at most; 1: never to a second one. */
                readonly attempts?: number | undefined
                /** Retries under way, in percent of the model's requests under way; a few are always allowed. */
                readonly budget_percent?: number | undefined
                /** A small prompt that has no first token after this is sent to a second node too; null: never. */
                readonly hedge_after_ms?: number | null | undefined
              }
            | undefined
          /** A stream whose node fails is continued by another node. */
          readonly resume_streams?: boolean | undefined
          /** What is not sent stays. */
          readonly queue?:
            | {
                /** Requests that wait at once in one proxy; 0: none waits, and no deployment sleeps. */
                readonly max_depth?: number | undefined
                readonly max_wait_ms?: number | undefined
                /** How long one waits at most while no node serves and one is being launched; 0: none waits for that. */
                readonly cold_start_max_wait_ms?: number | undefined
              }
            | undefined
          /** By name or alias, of the same type; asked in turn when no node of the model can serve. */
          readonly fallback_models?: readonly string[] | undefined
          /** A model of the same type that gets copies of so many requests; its answers are dropped. */
          readonly mirror?:
            | {
                readonly model: string
                readonly percent: number
              }
            | null
            | undefined
          /** Models of the same type that get a share of the requests; what is left of 100 stays. */
          readonly split?:
            | readonly {
                readonly model: string
                readonly percent: number
              }[]
            | undefined
        }
      } & Conditional &
        CallOptions,
    ): Promise<ApiReply<Route>>
  }
  readonly regions: {
    /** Lists regions, newest first unless sorted. `GET /admin/regions` */
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
                | 'provider'
                | '-provider'
                | 'code'
                | '-code'
                | 'name'
                | '-name'
                | 'price_multiplier'
                | '-price_multiplier'
                | 'updated_at'
                | '-updated_at'
                | undefined
              readonly provider?: string | undefined
              /** Part of a code or name, in any case. */
              readonly search?: string | undefined
            }
          | undefined
      } & CallOptions,
    ): Promise<
      ApiReply<{
        data: Region[]
        pagination: {
          total: number
          limit: number
          offset: number
          has_more: boolean
        }
      }>
    >
    /** Adds a region of a provider. `POST /admin/regions` */
    create(
      request: {
        readonly body: {
          readonly provider: string
          readonly code: string
          readonly name: string
          /** What list prices of the provider's instance types are multiplied by in this region. */
          readonly price_multiplier?: number | undefined
        }
      } & Repeatable &
        CallOptions,
    ): Promise<ApiReply<Region>>
    /** Shows a region. `GET /admin/regions/{id}` */
    get(
      request: {
        readonly params: {
          readonly id: string
        }
      } & CallOptions,
    ): Promise<ApiReply<Region>>
    /** Sets the fields that are sent; provider and code only while nothing uses the region. `PUT /admin/regions/{id}` */
    put(
      request: {
        readonly params: {
          readonly id: string
        }
        readonly body: {
          readonly provider?: string | undefined
          readonly code?: string | undefined
          readonly name?: string | undefined
          /** What list prices of the provider's instance types are multiplied by in this region. */
          readonly price_multiplier?: number | undefined
        }
      } & Conditional &
        CallOptions,
    ): Promise<ApiReply<Region>>
    /** Sets the fields that are sent; provider and code only while nothing uses the region. `PATCH /admin/regions/{id}` */
    patch(
      request: {
        readonly params: {
          readonly id: string
        }
        readonly body: {
          readonly provider?: string | undefined
          readonly code?: string | undefined
          readonly name?: string | undefined
          /** What list prices of the provider's instance types are multiplied by in this region. */
          readonly price_multiplier?: number | undefined
        }
      } & Conditional &
        CallOptions,
    ): Promise<ApiReply<Region>>
    /** Removes a region that no node, deployment or instance type refers to. `DELETE /admin/regions/{id}` */
    delete(
      request: {
        readonly params: {
          readonly id: string
        }
      } & Conditional &
        CallOptions,
    ): Promise<
      ApiReply<{
        id: string
        status: string
      }>
    >
    /** Shows which instance types the provider offers in a region, and what runs there. `GET /admin/regions/{id}/availability` */
    availability(
      request: {
        readonly params: {
          readonly id: string
        }
      } & CallOptions,
    ): Promise<ApiReply<RegionAvailability>>
  }
  readonly instanceTypes: {
    /** Lists instance types, newest first unless sorted. `GET /admin/instance-types` */
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
                | 'provider'
                | '-provider'
                | 'name'
                | '-name'
                | 'vcpus'
                | '-vcpus'
                | 'memory_gb'
                | '-memory_gb'
                | 'gpu_model'
                | '-gpu_model'
                | 'gpu_count'
                | '-gpu_count'
                | 'gpu_memory_gb'
                | '-gpu_memory_gb'
                | 'price_on_demand_per_hour'
                | '-price_on_demand_per_hour'
                | 'price_spot_per_hour'
                | '-price_spot_per_hour'
                | 'updated_at'
                | '-updated_at'
                | undefined
              readonly provider?: string | undefined
              /** In any case. */
              readonly gpu_model?: string | undefined
              readonly min_gpu_count?: number | undefined
              /** GB on each GPU. */
              readonly min_gpu_memory?: number | undefined
              readonly min_vcpus?: number | undefined
              /** GB. */
              readonly min_memory?: number | undefined
              /** Dollars on demand, where the multiplier is 1. */
              readonly max_price_per_hour?: number | undefined
              /** Code of a region that offers it. */
              readonly region?: string | undefined
              /** Part of a name or GPU model, in any case. */
              readonly search?: string | undefined
            }
          | undefined
      } & CallOptions,
    ): Promise<
      ApiReply<{
        data: InstanceType[]
        pagination: {
          total: number
          limit: number
          offset: number
          has_more: boolean
        }
      }>
    >
    /** Adds an instance type of a provider. `POST /admin/instance-types` */
    create(
      request: {
        readonly body: {
          readonly provider: string
          readonly name: string
          readonly vcpus: number
          readonly memory_gb: number
          /** Null where it has no GPU. */
          readonly gpu_model?: string | null | undefined
          readonly gpu_count?: number | undefined
          /** Of each GPU; null where it has none. */
          readonly gpu_memory_gb?: number | null | undefined
          /** Codes of the provider's regions that offer it; null: all of them. */
          readonly regions?: readonly string[] | null | undefined
          /** Dollars where the region's multiplier is 1; null: not known. */
          readonly price_on_demand_per_hour?: number | null | undefined
          /** The same for spot; null: not known. */
          readonly price_spot_per_hour?: number | null | undefined
          /** The day that the prices are of. */
          readonly price_as_of?: string | null | undefined
        }
      } & Repeatable &
        CallOptions,
    ): Promise<ApiReply<InstanceType>>
    /** Shows an instance type. `GET /admin/instance-types/{id}` */
    get(
      request: {
        readonly params: {
          readonly id: string
        }
      } & CallOptions,
    ): Promise<ApiReply<InstanceType>>
    /** Sets the fields that are sent; provider and name only while nothing uses the instance type. `PUT /admin/instance-types/{id}` */
    put(
      request: {
        readonly params: {
          readonly id: string
        }
        readonly body: {
          readonly provider?: string | undefined
          readonly name?: string | undefined
          readonly vcpus?: number | undefined
          readonly memory_gb?: number | undefined
          /** Null where it has no GPU. */
          readonly gpu_model?: string | null | undefined
          readonly gpu_count?: number | undefined
          /** Of each GPU; null where it has none. */
          readonly gpu_memory_gb?: number | null | undefined
          /** Codes of the provider's regions that offer it; null: all of them. */
          readonly regions?: readonly string[] | null | undefined
          /** Dollars where the region's multiplier is 1; null: not known. */
          readonly price_on_demand_per_hour?: number | null | undefined
          /** The same for spot; null: not known. */
          readonly price_spot_per_hour?: number | null | undefined
          /** The day that the prices are of. */
          readonly price_as_of?: string | null | undefined
        }
      } & Conditional &
        CallOptions,
    ): Promise<ApiReply<InstanceType>>
    /** Sets the fields that are sent; provider and name only while nothing uses the instance type. `PATCH /admin/instance-types/{id}` */
    patch(
      request: {
        readonly params: {
          readonly id: string
        }
        readonly body: {
          readonly provider?: string | undefined
          readonly name?: string | undefined
          readonly vcpus?: number | undefined
          readonly memory_gb?: number | undefined
          /** Null where it has no GPU. */
          readonly gpu_model?: string | null | undefined
          readonly gpu_count?: number | undefined
          /** Of each GPU; null where it has none. */
          readonly gpu_memory_gb?: number | null | undefined
          /** Codes of the provider's regions that offer it; null: all of them. */
          readonly regions?: readonly string[] | null | undefined
          /** Dollars where the region's multiplier is 1; null: not known. */
          readonly price_on_demand_per_hour?: number | null | undefined
          /** The same for spot; null: not known. */
          readonly price_spot_per_hour?: number | null | undefined
          /** The day that the prices are of. */
          readonly price_as_of?: string | null | undefined
        }
      } & Conditional &
        CallOptions,
    ): Promise<ApiReply<InstanceType>>
    /** Removes an instance type that no node or deployment refers to. `DELETE /admin/instance-types/{id}` */
    delete(
      request: {
        readonly params: {
          readonly id: string
        }
      } & Conditional &
        CallOptions,
    ): Promise<
      ApiReply<{
        id: string
        status: string
      }>
    >
    /** Shows what an instance type costs in each region that offers it. `GET /admin/instance-types/{id}/pricing` */
    pricing(
      request: {
        readonly params: {
          readonly id: string
        }
      } & CallOptions,
    ): Promise<ApiReply<InstanceTypePricing>>
  }
  readonly requests: {
    /** How a request was served: nodes considered, attempts, waits, where the time went, what was billed. `GET /admin/requests/{request_id}` */
    get(
      request: {
        readonly params: {
          /** As x-request-id said it. */
          readonly request_id: string
        }
      } & CallOptions,
    ): Promise<ApiReply<AdminServedRequest>>
  }
  readonly adminTokens: {
    /** Lists named admin tokens, revoked ones too, newest first unless sorted. `GET /admin/tokens` */
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
            }
          | undefined
      } & CallOptions,
    ): Promise<
      ApiReply<{
        data: AdminToken[]
        pagination: {
          total: number
          limit: number
          offset: number
          has_more: boolean
        }
      }>
    >
    /** Makes a named admin token, shown this once; the audit log calls it admin:<name>. `POST /admin/tokens` */
    create(
      request: {
        readonly body: {
          /** Free again when its token is revoked. */
          readonly name: string
          /** read: every GET; operate: nodes, deployments and routes as well; admin: everything. */
          readonly scope: 'read' | 'operate' | 'admin'
          readonly expires_at?: string | null | undefined
        }
      } & Repeatable &
        CallOptions,
    ): Promise<ApiReply<NewAdminToken>>
    /** Revokes a named admin token: its next call is refused; repeatable. `DELETE /admin/tokens/{id}` */
    delete(
      request: {
        readonly params: {
          readonly id: string
        }
      } & CallOptions,
    ): Promise<
      ApiReply<{
        id: string
        status: string
      }>
    >
  }
  readonly auditLogs: {
    /** Lists who changed what, newest first. `GET /admin/audit-logs` */
    list(
      request?: {
        readonly query?:
          | {
              readonly limit?: number | undefined
              readonly offset?: number | undefined
              readonly actor?: string | undefined
              readonly action?: string | undefined
              readonly target_type?: string | undefined
              readonly target_id?: string | undefined
              readonly tenant_id?: string | undefined
              /** A whole day in tz, or an RFC 3339 time. Default: the first entry. */
              readonly start_date?: string | undefined
              /** A whole day in tz, inclusive, or an RFC 3339 time, exclusive. Default: the last entry. */
              readonly end_date?: string | undefined
              /** Time zone of whole days. */
              readonly tz?: string | undefined
              /** Stands anywhere in the entry, in any case. */
              readonly search?: string | undefined
            }
          | undefined
      } & CallOptions,
    ): Promise<
      ApiReply<{
        data: AuditEntry[]
        pagination: {
          total: number
          limit: number
          offset: number
          has_more: boolean
        }
      }>
    >
    /** Exports all entries that match, newest first, as a stream. `GET /admin/audit-logs/export` */
    export(
      request?: {
        readonly query?:
          | {
              readonly format?: 'csv' | 'ndjson' | undefined
              readonly actor?: string | undefined
              readonly action?: string | undefined
              readonly target_type?: string | undefined
              readonly target_id?: string | undefined
              readonly tenant_id?: string | undefined
              /** A whole day in tz, or an RFC 3339 time. Default: the first entry. */
              readonly start_date?: string | undefined
              /** A whole day in tz, inclusive, or an RFC 3339 time, exclusive. Default: the last entry. */
              readonly end_date?: string | undefined
              /** Time zone of whole days. */
              readonly tz?: string | undefined
              /** Stands anywhere in the entry, in any case. */
              readonly search?: string | undefined
            }
          | undefined
      } & CallOptions,
    ): Promise<ApiReply<string>>
  }
  readonly tenantUsage: {
    /** A tenant's requests, tokens and cost in a range of time, in all, by model and by date. `GET /admin/tenants/{id}/usage` */
    get(
      request: {
        readonly params: {
          readonly id: string
        }
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
    ): Promise<ApiReply<TenantUsage>>
    /** A tenant's usage records, one a request, the latest first. `GET /admin/tenants/{id}/usage/detailed` */
    detailed(
      request: {
        readonly params: {
          readonly id: string
        }
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
              /** HTTP status. */
              readonly status?: number | undefined
              readonly limit?: number | undefined
              /** The next_cursor of the page before. */
              readonly cursor?: string | undefined
            }
          | undefined
      } & CallOptions,
    ): Promise<
      ApiReply<{
        data: UsageRecord[]
        next_cursor: string | null
      }>
    >
    /** A tenant's requests, tokens and cost in a range of time, in all, by model and by date. `GET /admin/usage/{tenant_id}` */
    byTenant(
      request: {
        readonly params: {
          readonly tenant_id: string
        }
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
    ): Promise<ApiReply<TenantUsage>>
  }
  readonly platform: {
    /** Requests, tokens, revenue, node cost, margin and latency of a period, with series for charts. `GET /admin/platform/metrics` */
    metrics(
      request?: {
        readonly query?:
          | {
              readonly period?: '1h' | '24h' | '7d' | '30d' | undefined
            }
          | undefined
      } & CallOptions,
    ): Promise<ApiReply<PlatformMetrics>>
    /** Asks every part of the platform how it is; answers within seconds, whatever hangs. `GET /admin/platform/health` */
    health(request?: CallOptions): Promise<ApiReply<PlatformHealth>>
  }
  readonly config: {
    /** Shows models, routes, tenants' limits, regions and instance types as one YAML document. `GET /admin/config/export` */
    export(request?: CallOptions): Promise<ApiReply<string>>
    /** Applies a document as a difference, all of it or nothing, and answers that difference. `POST /admin/config/import` */
    import(
      request: {
        readonly query?:
          | {
              readonly dry_run?: 'true' | 'false' | undefined
              readonly prune?: 'true' | 'false' | undefined
            }
          | undefined
        readonly body: ConfigDocument | string
      } & Repeatable &
        CallOptions,
    ): Promise<ApiReply<ConfigDiff>>
  }
}

export const ADMIN_OPERATIONS = {
  tenants: {
    list: ['GET', '/admin/tenants'],
    create: ['POST', '/admin/tenants'],
    get: ['GET', '/admin/tenants/{id}'],
    put: ['PUT', '/admin/tenants/{id}'],
    patch: ['PATCH', '/admin/tenants/{id}'],
    delete: ['DELETE', '/admin/tenants/{id}'],
    suspend: ['POST', '/admin/tenants/{id}/suspend'],
    activate: ['POST', '/admin/tenants/{id}/activate'],
  },
  environments: {
    list: ['GET', '/admin/tenants/{id}/environments'],
    create: ['POST', '/admin/tenants/{id}/environments'],
    get: ['GET', '/admin/tenants/{id}/environments/{env_id}'],
    patch: ['PATCH', '/admin/tenants/{id}/environments/{env_id}'],
    delete: ['DELETE', '/admin/tenants/{id}/environments/{env_id}'],
  },
  tenantApiKeys: {
    list: ['GET', '/admin/tenants/{id}/api-keys'],
    create: ['POST', '/admin/tenants/{id}/api-keys'],
    get: ['GET', '/admin/tenants/{id}/api-keys/{key_id}'],
    patch: ['PATCH', '/admin/tenants/{id}/api-keys/{key_id}'],
    rotate: ['POST', '/admin/tenants/{id}/api-keys/{key_id}/rotate'],
    delete: ['DELETE', '/admin/tenants/{id}/api-keys/{key_id}'],
  },
  models: {
    list: ['GET', '/admin/models'],
    create: ['POST', '/admin/models'],
    get: ['GET', '/admin/models/{id}'],
    put: ['PUT', '/admin/models/{id}'],
    patch: ['PATCH', '/admin/models/{id}'],
    delete: ['DELETE', '/admin/models/{id}'],
  },
  nodes: {
    list: ['GET', '/admin/nodes'],
    register: ['POST', '/admin/nodes'],
    get: ['GET', '/admin/nodes/{cluster_name}'],
    patch: ['PATCH', '/admin/nodes/{cluster_name}'],
    drain: ['POST', '/admin/nodes/{cluster_name}/drain'],
    undrain: ['POST', '/admin/nodes/{cluster_name}/undrain'],
    terminate: ['POST', '/admin/nodes/{cluster_name}/terminate'],
    status: ['GET', '/admin/nodes/{cluster_name}/status'],
    logs: ['GET', '/admin/nodes/{cluster_name}/logs'],
    logsStream: ['GET', '/admin/nodes/{cluster_name}/logs/stream'],
    launch: ['POST', '/admin/nodes/launch'],
    launchStatus: ['GET', '/admin/nodes/launch-status'],
  },
  nodeAgents: {
    register: ['POST', '/admin/nodes/{id}/register'],
    heartbeat: ['POST', '/admin/nodes/{id}/heartbeat'],
    terminationWarning: ['POST', '/admin/nodes/{id}/termination-warning'],
  },
  deployments: {
    list: ['GET', '/admin/deployments'],
    create: ['POST', '/admin/deployments'],
    get: ['GET', '/admin/deployments/{id}'],
    patch: ['PATCH', '/admin/deployments/{id}'],
    scale: ['PUT', '/admin/deployments/{id}/scale'],
    delete: ['DELETE', '/admin/deployments/{id}'],
  },
  routes: {
    list: ['GET', '/admin/routes'],
    get: ['GET', '/admin/routes/{model_id}'],
    put: ['PUT', '/admin/routes/{model_id}'],
  },
  regions: {
    list: ['GET', '/admin/regions'],
    create: ['POST', '/admin/regions'],
    get: ['GET', '/admin/regions/{id}'],
    put: ['PUT', '/admin/regions/{id}'],
    patch: ['PATCH', '/admin/regions/{id}'],
    delete: ['DELETE', '/admin/regions/{id}'],
    availability: ['GET', '/admin/regions/{id}/availability'],
  },
  instanceTypes: {
    list: ['GET', '/admin/instance-types'],
    create: ['POST', '/admin/instance-types'],
    get: ['GET', '/admin/instance-types/{id}'],
    put: ['PUT', '/admin/instance-types/{id}'],
    patch: ['PATCH', '/admin/instance-types/{id}'],
    delete: ['DELETE', '/admin/instance-types/{id}'],
    pricing: ['GET', '/admin/instance-types/{id}/pricing'],
  },
  requests: {
    get: ['GET', '/admin/requests/{request_id}'],
  },
  adminTokens: {
    list: ['GET', '/admin/tokens'],
    create: ['POST', '/admin/tokens'],
    delete: ['DELETE', '/admin/tokens/{id}'],
  },
  auditLogs: {
    list: ['GET', '/admin/audit-logs'],
    export: ['GET', '/admin/audit-logs/export'],
  },
  tenantUsage: {
    get: ['GET', '/admin/tenants/{id}/usage'],
    detailed: ['GET', '/admin/tenants/{id}/usage/detailed'],
    byTenant: ['GET', '/admin/usage/{tenant_id}'],
  },
  platform: {
    metrics: ['GET', '/admin/platform/metrics'],
    health: ['GET', '/admin/platform/health'],
  },
  config: {
    export: ['GET', '/admin/config/export'],
    import: ['POST', '/admin/config/import'],
  },
} as const
