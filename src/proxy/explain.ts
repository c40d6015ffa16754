import type { ErrorCode } from '../core/errors.js'
import type { ExplainedLimit, ExplainedPhases, Explanation, Seam } from '../core/explanation.js'
import type { ResolvedKey } from '../core/resolved-key.js'
import type { UsageEndpoint } from '../core/usage-record.js'
import type { LimitsWait } from './admission.js'
import type { Attempt } from './attempt.js'
import type { ModelRoute } from './routing.js'

/** What an exchange knows of itself. Times are `performance.now()` milliseconds. */
export interface ExchangeFacts {
  readonly call: { readonly requestId: string; readonly startedAt: number }
  readonly key: Pick<ResolvedKey, 'tenantId' | 'keyId'>
  readonly asked: ModelRoute
  /** Chosen by the split. */
  readonly chosen: ModelRoute
  readonly endpoint: UsageEndpoint
  readonly stream: boolean
  readonly admittedAt: number
  readonly limitsWait: LimitsWait | null
  readonly limits: readonly ExplainedLimit[]
  readonly bodyWaitMs: number
  readonly endedAt: number
  readonly status: number
  readonly errorCode: ErrorCode | ''
  readonly position: number | null
  readonly attempts: readonly Attempt[]
  readonly seams: readonly Seam[]
}

const micros = (ms: number): number => Math.round(ms * 1000)

/** How a request was served. */
export function explain(facts: ExchangeFacts): Omit<Explanation, 'sampledAt'> {
  const { call, key, asked, chosen, attempts, endedAt } = facts
  const since = (at: number) => micros(at - call.startedAt)
  const sinceOrNull = (at: number) => (at === 0 ? null : since(at))
  const served = attempts[attempts.length - 1]?.route ?? chosen
  return {
    requestId: call.requestId,
    tenantId: key.tenantId,
    apiKeyId: key.keyId,
    model: asked.model.name,
    servedModel: served.model.name,
    servedBecause: served.model.id !== chosen.model.id ? 'fallback' : chosen !== asked ? 'split' : 'asked',
    endpoint: facts.endpoint,
    stream: facts.stream,
    strategy: chosen.route.strategy,
    startedAtMicros: Math.floor((Date.now() - (performance.now() - call.startedAt)) * 1000),
    e2eMicros: since(endedAt),
    status: facts.status,
    errorCode: facts.errorCode,
    queuePosition: facts.position,
    limits: facts.limits,
    phases: phasesOf(facts),
    attempts: attempts.map((attempt) => ({
      model: attempt.route.model.name,
      nodeId: attempt.target.id,
      node: attempt.target.node.clusterName,
      reason: attempt.reason,
      chosenBy: attempt.chosenBy,
      sentAtMicros: since(attempt.sentAt === 0 ? attempt.pickedAt : attempt.sentAt),
      connectedAtMicros: sinceOrNull(attempt.connectedAt),
      firstTokenAtMicros: sinceOrNull(attempt.firstTokenAt),
      endedAtMicros: since(attempt.endedAt === 0 ? endedAt : attempt.endedAt),
      outcome: attempt.outcome,
      considered: attempt.considered,
    })),
    seams: facts.seams,
  }
}

type Phase = keyof ExplainedPhases

/** Each moment of the request belongs to one phase, so that they add up. */
function phasesOf(facts: ExchangeFacts): ExplainedPhases {
  const spent = {
    authMicros: 0,
    bodyMicros: 0,
    limitsMicros: 0,
    admitMicros: 0,
    queueMicros: 0,
    routeMicros: 0,
    connectMicros: 0,
    firstTokenMicros: 0,
    streamMicros: 0,
    settleMicros: 0,
  } satisfies Record<Phase, number>
  let at = 0
  const end = micros(facts.endedAt - facts.call.startedAt)
  const since = (ms: number) => micros(ms - facts.call.startedAt)
  /** What is behind `at`, up to this moment, belongs to a phase. */
  const upTo = (moment: number, phase: Phase) => {
    const next = Math.min(Math.max(moment, at), end)
    spent[phase] += next - at
    at = next
  }
  const admitted = since(facts.admittedAt)
  upTo(admitted - micros(facts.bodyWaitMs), 'authMicros')
  upTo(admitted, 'bodyMicros')
  if (facts.limitsWait !== null) {
    upTo(since(facts.limitsWait.from), 'admitMicros')
    upTo(since(facts.limitsWait.until), 'limitsMicros')
  }
  for (const [index, attempt] of facts.attempts.entries()) {
    const picked = since(attempt.pickedAt)
    upTo(picked - micros(attempt.queuedMs), index === 0 ? 'admitMicros' : 'routeMicros')
    upTo(picked, 'queueMicros')
    if (attempt.sentAt > 0) upTo(since(attempt.sentAt), 'routeMicros')
    if (attempt.connectedAt > 0) upTo(since(attempt.connectedAt), 'connectMicros')
    const ended = attempt.endedAt === 0 ? end : since(attempt.endedAt)
    if (attempt.firstTokenAt === 0) {
      // A whole answer has no first token of its own.
      upTo(ended, attempt.connectedAt === 0 ? 'connectMicros' : 'firstTokenMicros')
    } else {
      upTo(since(attempt.firstTokenAt), 'firstTokenMicros')
      upTo(ended, 'streamMicros')
    }
  }
  // Refused, or left, while it waited.
  if (facts.attempts.length === 0 && facts.position !== null) upTo(end, 'queueMicros')
  upTo(end, facts.attempts.length === 0 ? 'admitMicros' : 'settleMicros')
  return spent
}
