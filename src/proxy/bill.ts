import { ERRORS } from '../core/errors.js'
import { promptEstimate } from '../core/token-estimate.js'
import type { TokenCounts, UsageIdentity } from '../core/usage-record.js'
import type { Admission } from './admission.js'
import type { Attempt } from './attempt.js'
import type { Continuation } from './continuation.js'

/** What is known of a request before a node is asked. @param first the attempt that is about to be made */
export function identityOf(admission: Admission, first: Attempt): UsageIdentity {
  const { call, key, asked, endpoint, head } = admission
  return {
    requestId: call.requestId,
    tenantId: key.tenantId,
    environmentId: key.environmentId,
    apiKeyId: key.keyId,
    modelId: asked.model.id,
    model: asked.model.name,
    nodeId: first.target.id,
    node: first.target.node.clusterName,
    endpoint,
    stream: head.stream,
    startedAtMicros: Math.floor((Date.now() - (performance.now() - call.startedAt)) * 1000),
    prices: asked.model.prices,
    promptEstimate: promptEstimate(head, asked.model),
  }
}

export interface Answered {
  /** The last one; null: there was none. */
  readonly attempt: Pick<Attempt, 'tap' | 'plain' | 'call' | 'endedAt'> | null
  readonly continuation: Continuation | null
  readonly promptEstimate: number
  /** With which the request ended. */
  readonly status: number
}

/** What is billed of a request, and whether the engines themselves said so. */
export function billOf(answered: Answered): { counts: TokenCounts; reported: boolean } {
  const { attempt, continuation, promptEstimate, status } = answered
  const { tap, plain } = attempt ?? { tap: null, plain: null }
  if (continuation?.resumed === true && continuation.reported(tap)) {
    return { counts: continuation.total(tap), reported: continuation.exact(tap) }
  }
  const counts: TokenCounts = { promptTokens: 0, cachedTokens: 0, completionTokens: 0 }
  if (tap?.reported === true) {
    counts.promptTokens = tap.promptTokens
    counts.cachedTokens = tap.cachedTokens
    counts.completionTokens = tap.completionTokens
    return { counts, reported: true }
  }
  if (plain?.usage(counts) === true) return { counts, reported: true }
  // What a node refused, or failed at before it made anything, is not the tenant's to pay.
  // Nor is it when the client leaves before another node was asked.
  const atWork = attempt?.endedAt === 0 && attempt.call?.sent === true
  const left = status === ERRORS.client_closed.status && atWork
  const estimated = status === 200 || left ? plain?.estimate() : undefined
  const generated = continuation?.resumed === true ? continuation.total(tap).completionTokens : tap?.generated
  counts.completionTokens = generated ?? estimated ?? 0
  const billed = status === 200 || left || counts.completionTokens > 0
  if (billed) counts.promptTokens = promptEstimate
  return { counts, reported: !billed }
}
