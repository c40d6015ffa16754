/**
 * The snapshot: the immutable routing table that a proxy serves from. Loaded from Postgres as one consistent
 * read, replaced whole when its version moves, written to DATA_DIR so that a proxy can start alone.
 */
export type ModelType = 'chat' | 'completion' | 'embedding'
export type Engine = 'vllm' | 'sglang' | 'llama-cpp' | 'openai' | 'simulated'
export type Strategy = 'round-robin' | 'least-latency' | 'least-connections' | 'weighted'

export interface Prices {
  /** Integer micro-dollars per million tokens. */
  readonly inputMicros: number
  /** Null: cached prompt tokens cost the input price. */
  readonly cachedInputMicros: number | null
  readonly outputMicros: number
}

export interface SnapshotModel {
  readonly id: string
  readonly name: string
  readonly aliases: readonly string[]
  readonly family: string
  readonly type: ModelType
  readonly contextLength: number
  readonly prices: Prices
  /** Unix seconds, as `/v1/models` shows it. */
  readonly createdAt: number
}

/** A node that is not terminated. Only `active` ones take traffic. */
export interface SnapshotNode {
  readonly id: string
  readonly clusterName: string
  readonly modelId: string
  /** `http(s)://host:port`, the API under `/v1`. */
  readonly endpointUrl: string
  /** The model's name on that node. */
  readonly upstreamModel: string
  /** Relative share under the `weighted` strategy; > 0. */
  readonly weight: number
  /** Most requests at once from all proxies of this process; null: no bound. */
  readonly maxConcurrency: number | null
  /** Sent to the node as a bearer token. */
  readonly apiKey: string | null
  readonly engine: Engine
  readonly status: 'launching' | 'active' | 'draining' | 'unhealthy' | 'terminating' | 'failed'
}

export interface HealthCheck {
  readonly intervalSeconds: number
  readonly timeoutSeconds: number
  /** Consecutive failures until a node is unhealthy. */
  readonly unhealthyThreshold: number
  /** Consecutive successes until it is healthy again. */
  readonly healthyThreshold: number
}

export interface SnapshotRoute {
  readonly modelId: string
  readonly strategy: Strategy
  readonly healthCheck: HealthCheck
  readonly connectionTimeoutMs: number
  readonly firstTokenTimeoutMs: number
  /** Longest silence of a node in mid-stream. */
  readonly idleTimeoutMs: number
  /** By cluster name; overrides the nodes' own weights. */
  readonly nodeWeights: Readonly<Record<string, number>>
  /** Body fields that are forwarded although they are dropped by default. */
  readonly allowedBodyFields: readonly string[]
}

export interface Snapshot {
  /** The change counter's value at the time of the read. */
  readonly version: number
  readonly models: readonly SnapshotModel[]
  readonly nodes: readonly SnapshotNode[]
  readonly routes: readonly SnapshotRoute[]
}

export const DEFAULT_ROUTE: Omit<SnapshotRoute, 'modelId'> = {
  strategy: 'least-latency',
  healthCheck: { intervalSeconds: 5, timeoutSeconds: 3, unhealthyThreshold: 3, healthyThreshold: 2 },
  connectionTimeoutMs: 2_000,
  firstTokenTimeoutMs: 120_000,
  idleTimeoutMs: 60_000,
  nodeWeights: {},
  allowedBodyFields: [],
}

/** What the leader last saw of a node; `observedAt` is Unix milliseconds, older than 5 s counts as unknown. */
export interface NodeLive {
  readonly nodeId: string
  readonly healthy: boolean
  readonly running: number | null
  readonly waiting: number | null
  /** 0..1 */
  readonly kvCacheUsage: number | null
  readonly observedAt: number
}
