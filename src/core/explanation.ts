import type { ErrorCode } from './errors.js'
import type { LimitKind } from './limit-refusal.js'
import type { LimitScope } from './resolved-key.js'
import type { Strategy } from './snapshot.js'
import type { UsageEndpoint } from './usage-record.js'

/** A node as it was when a target was picked. */
export interface ConsideredNode {
  readonly nodeId: string
  readonly node: string
  /** Null: it was a candidate. */
  readonly unavailable: string | null
  /** Requests at the node, others' included. */
  readonly load: number
  readonly predictedTtftMs: number | null
  readonly weight: number
  readonly warmth: number
}

/** Why an attempt was made: the first, after a failure, beside a slow one, or to go on with an answer. */
export type AttemptReason = 'first' | 'retry' | 'hedge' | 'resume'

/** How a node was chosen: by the route's policy, or because the session is bound to it. */
export type ChosenBy = Strategy | 'sticky'

/** One request to one node. Times are microseconds since the request came; null: it did not come to that. */
export interface ExplainedAttempt {
  readonly model: string
  readonly nodeId: string
  readonly node: string
  readonly reason: AttemptReason
  readonly chosenBy: ChosenBy
  readonly sentAtMicros: number
  readonly connectedAtMicros: number | null
  readonly firstTokenAtMicros: number | null
  readonly endedAtMicros: number
  /** `ok`, `abandoned` (the client left, or another attempt won), or why it failed. */
  readonly outcome: ErrorCode | 'ok' | 'abandoned'
  /** Empty where the request was not sampled. */
  readonly considered: readonly ConsideredNode[]
}

/** Where one node's answer ends and the next one's begins. */
export interface Seam {
  /** Ids of the two nodes, as their attempts have them. */
  readonly fromNode: string
  readonly toNode: string
  /** Completion tokens made before. */
  readonly afterTokens: number
  readonly atMicros: number
  /** From the failure that was seen to the next token. */
  readonly gapMicros: number
  readonly cause: ErrorCode
}

/** A limit that applied to a request, and what was left of it when that had ended. */
export interface ExplainedLimit {
  readonly limit: LimitKind
  readonly scope: LimitScope
  /** Of spend: nano-dollars. */
  readonly max: number
  readonly remaining: number
}

/** Where the time of a request went, in microseconds; they add up to its E2E. */
export interface ExplainedPhases {
  /** The key looked up. */
  readonly authMicros: number
  /** The client's body awaited. */
  readonly bodyMicros: number
  /** The ledger of limits asked. */
  readonly limitsMicros: number
  /** Head read, rights checked, the request recorded. */
  readonly admitMicros: number
  /** Waited for a free node. */
  readonly queueMicros: number
  /** Nodes chosen, requests built; between attempts as well. */
  readonly routeMicros: number
  /** Connections made, for all attempts that failed too. */
  readonly connectMicros: number
  /** From the request sent to the first token, the failed attempts included. */
  readonly firstTokenMicros: number
  /** From the first token to the last byte. */
  readonly streamMicros: number
  /** What is left: the end recorded. */
  readonly settleMicros: number
}

/** How a request was served, kept for those who ask about it. Best effort: nothing is billed from it. */
export interface Explanation {
  readonly requestId: string
  readonly tenantId: string
  readonly apiKeyId: string
  /** The model that was asked for, by its own name. */
  readonly model: string
  /** The one that served it: another by split or fallback. */
  readonly servedModel: string
  readonly servedBecause: 'asked' | 'split' | 'fallback'
  readonly endpoint: UsageEndpoint
  readonly stream: boolean
  readonly strategy: Strategy
  /** Unix microseconds. */
  readonly startedAtMicros: number
  readonly e2eMicros: number
  readonly status: number
  readonly errorCode: ErrorCode | ''
  /** Place in the queue when it was entered, 1 the next; null: it did not wait. */
  readonly queuePosition: number | null
  readonly limits: readonly ExplainedLimit[]
  readonly phases: ExplainedPhases
  readonly attempts: readonly ExplainedAttempt[]
  readonly seams: readonly Seam[]
  /** The share of such requests that is kept, 1 for those that were retried, queued, resumed, refused or failed. */
  readonly sampledAt: number
}

/** Whether a request is one of those that people ask about: retried, hedged, queued, resumed, refused or failed. */
export function isUnusual({
  attempts,
  queuePosition,
  seams,
  errorCode,
}: Pick<Explanation, 'queuePosition' | 'seams' | 'errorCode'> & {
  readonly attempts: readonly unknown[]
}): boolean {
  const failed = errorCode !== '' && errorCode !== 'client_closed'
  return failed || queuePosition !== null || attempts.length > 1 || seams.length > 0
}

/** What is told of a request that has ended; which share of its kind is kept is the sink's to say. */
export type ServedRequest = Omit<Explanation, 'sampledAt'>

/** What became of rows: `refused` ones are never taken, `failed` ones perhaps later. */
export type StoreOutcome = 'stored' | 'refused' | 'failed'

/** Takes explanations; never throws, never blocks, drops what cannot be stored in time. */
export interface ExplanationSink {
  /**
   * Asked once of each request when it is admitted: whether it is explained however plainly it goes. Of one that is
   * not, nodes that were considered need not be noted; it is to be recorded only if it {@link isUnusual}.
   */
  sample(): boolean
  /** Keeps it, unless too many unusual ones came at once. */
  record(request: ServedRequest): void
}
