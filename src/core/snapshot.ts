import type { DeploymentStatus } from './deployment-state.js'
import type { ProxiesView } from './load-book.js'
import type { Launch } from './scaling/launch-estimate.js'

/**
 * The snapshot: the immutable routing table that a proxy serves from. Loaded from Postgres as one consistent
 * read, replaced whole when its version moves, written to DATA_DIR so that a proxy can start alone.
 */
export type ModelType = 'chat' | 'completion' | 'embedding'
export type Engine = 'vllm' | 'sglang' | 'llama-cpp' | 'openai' | 'simulated'
export type Strategy = 'round-robin' | 'least-latency' | 'least-connections' | 'weighted' | 'prefix-affinity'

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
  /** What one node of it makes, all requests together; null: not known. */
  readonly tokensPerSecond: number | null
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

/** A share of a model's requests that another model gets. */
export interface ModelShare {
  readonly modelId: string
  /** 0 to 100. */
  readonly percent: number
}

export interface RetrySettings {
  /** Nodes that a request is sent to at most, the first included; 1: never retried. */
  readonly attempts: number
  /** Retries under way, in percent of the model's requests under way; three are always allowed. */
  readonly budgetPercent: number
  /** A small prompt without a first token after this is sent to a second node as well; null: never. */
  readonly hedgeAfterMs: number | null
}

export interface QueueSettings {
  /** Requests of a model that wait at once in one proxy; 0: a full model refuses at once. */
  readonly maxDepth: number
  readonly maxWaitMs: number
  /** How long one waits at most while no node serves and one is on its way; 0: none waits for that. */
  readonly coldStartMaxWaitMs: number
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
  /** Requests of one session go to one node for as long as it may be asked. */
  readonly stickySessions: boolean
  readonly retry: RetrySettings
  /** A stream whose node fails is continued by another one. */
  readonly resumeStreams: boolean
  readonly queue: QueueSettings
  /** Models asked in turn when none of this one's nodes can serve. */
  readonly fallbackModelIds: readonly string[]
  /** Gets copies of requests; its answers are dropped. */
  readonly mirror: ModelShare | null
  /** Who gets a share of the requests instead; what is left of 100 stays. */
  readonly split: readonly ModelShare[]
}

/** A deployment that is not over, as far as those see it who wait for its nodes. */
export interface SnapshotDeployment {
  readonly id: string
  readonly modelId: string
  readonly status: DeploymentStatus
  /** It has no nodes until a request comes. */
  readonly asleep: boolean
  /** Nodes that it is to have. */
  readonly wanted: number
  /** Nodes of it that take requests, or would if an administrator did not drain them. */
  readonly serving: number
  /** Unix milliseconds at which the oldest of its launches under way was planned; null: none is. */
  readonly launchingSinceMs: number | null
  /** Launches for nodes that it lacks have failed in a row; null: none has. Unix milliseconds. */
  readonly failing: {
    readonly sinceMs: number
    /** None is launched before. */
    readonly retryAtMs: number
  } | null
  /** Of the past, for an estimate. */
  readonly launches: readonly Launch[]
}

export interface Snapshot {
  /** The change counter's value at the time of the read. */
  readonly version: number
  readonly models: readonly SnapshotModel[]
  readonly nodes: readonly SnapshotNode[]
  readonly routes: readonly SnapshotRoute[]
  readonly deployments: readonly SnapshotDeployment[]
}

export const DEFAULT_ROUTE: Omit<SnapshotRoute, 'modelId'> = {
  strategy: 'least-latency',
  healthCheck: { intervalSeconds: 5, timeoutSeconds: 3, unhealthyThreshold: 3, healthyThreshold: 2 },
  connectionTimeoutMs: 2_000,
  firstTokenTimeoutMs: 120_000,
  idleTimeoutMs: 60_000,
  nodeWeights: {},
  allowedBodyFields: [],
  stickySessions: false,
  retry: { attempts: 3, budgetPercent: 20, hedgeAfterMs: null },
  resumeStreams: true,
  queue: { maxDepth: 1_000, maxWaitMs: 10_000, coldStartMaxWaitMs: 600_000 },
  fallbackModelIds: [],
  mirror: null,
  split: [],
}

/** What the leader last saw of a node; `observedAt` is Unix milliseconds, older than 5 s counts as unknown. */
export interface NodeLive {
  readonly nodeId: string
  readonly healthy: boolean
  readonly running: number | null
  readonly waiting: number | null
  /** 0..1 */
  readonly kvCacheUsage: number | null
  /** Its engine has told its load before: where that is null now, it is not known. */
  readonly tellsLoad: boolean
  /** What the proxies told of it lately; null: nothing. */
  readonly proxies: ProxiesView | null
  readonly observedAt: number
}
