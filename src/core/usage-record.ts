import type { Prices } from './snapshot.js'
import type { ErrorCode } from './errors.js'

export type UsageEndpoint = 'chat.completions' | 'completions' | 'embeddings'

/**
 * The tenant of requests that the platform makes for itself (the copies of mirrored ones): the nil UUID, which no tenant
 * has. Their records reach no bill; their environment and key have this id too.
 */
export const PLATFORM_TENANT_ID = '00000000-0000-0000-0000-000000000000'

/** What is known of a request before the node is asked; written to the spool as its `begin`. */
export interface UsageIdentity {
  readonly requestId: string
  readonly tenantId: string
  readonly environmentId: string
  readonly apiKeyId: string
  readonly modelId: string
  /** The model's own name, also when an alias was asked for. */
  readonly model: string
  /** The node that was asked first. */
  readonly nodeId: string
  /** That node's cluster name. */
  readonly node: string
  readonly endpoint: UsageEndpoint
  readonly stream: boolean
  /** Unix microseconds. */
  readonly startedAtMicros: number
  readonly prices: Prices
  /** Bytes of the prompt ÷ 4. */
  readonly promptEstimate: number
}

export interface TokenCounts {
  promptTokens: number
  cachedTokens: number
  completionTokens: number
}

/** `reported`: the engine's own usage. `estimated`: bytes ÷ 4 and deltas seen, or the last progress. */
export type Counted = 'reported' | 'estimated'

/** How a request ended; with its identity it makes one usage record. */
export interface UsageOutcome extends TokenCounts {
  /** The node that served it in the end. */
  readonly nodeId: string
  readonly node: string
  readonly status: number
  readonly errorCode: ErrorCode | 'gateway_lost' | ''
  readonly clientAbort: boolean
  readonly counted: Counted
  readonly endedAtMicros: number
  /** Microseconds; null when no token came. */
  readonly ttftMicros: number | null
  /** Mean microseconds between tokens; null with fewer than two. */
  readonly itlMicros: number | null
  readonly e2eMicros: number
  /** E2E less the time spent waiting for the node and the client. */
  readonly overheadMicros: number
  readonly attempts: number
  /** How often its stream broke at a node and went on at another one: the number of its seams. */
  readonly resumed: number
}
