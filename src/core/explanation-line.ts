import type { ConsideredNode, ExplainedAttempt, ExplainedPhases, ServedRequest } from './explanation.js'
import { timestamp } from './usage-line.js'

/** Of one choice among more nodes than this, the one that was chosen and the first others are kept. */
const MOST_CONSIDERED = 64

/**
 * The ClickHouse row (JSONEachRow, without the newline) of how a request was served: what it is found by as columns, the
 * rest as the JSON that `explanation` holds. Times are whole microseconds, and the phases still add up to the E2E.
 */
export function explanationLine(request: ServedRequest, sampledAt: number): string {
  return JSON.stringify({
    request_id: request.requestId,
    tenant_id: request.tenantId,
    api_key_id: request.apiKeyId,
    model: request.model,
    served_model: request.servedModel,
    status: request.status,
    error_code: request.errorCode,
    started_at: timestamp(request.startedAtMicros),
    e2e_micros: Math.max(0, Math.round(request.e2eMicros)),
    explanation: {
      servedBecause: request.servedBecause,
      endpoint: request.endpoint,
      stream: request.stream,
      strategy: request.strategy,
      queuePosition: request.queuePosition,
      limits: request.limits,
      phases: wholePhases(request.phases),
      attempts: request.attempts.map(attempt),
      seams: request.seams.map((seam) => ({
        ...seam,
        atMicros: Math.round(seam.atMicros),
        gapMicros: Math.round(seam.gapMicros),
      })),
      sampledAt,
    },
  })
}

function attempt(made: ExplainedAttempt) {
  return {
    ...made,
    sentAtMicros: Math.round(made.sentAtMicros),
    connectedAtMicros: wholeOrNull(made.connectedAtMicros),
    firstTokenAtMicros: wholeOrNull(made.firstTokenAtMicros),
    endedAtMicros: Math.round(made.endedAtMicros),
    candidates: made.considered.filter(({ unavailable }) => unavailable === null).length,
    considered: shortened(made.considered, made.nodeId),
  }
}

function wholeOrNull(micros: number | null): number | null {
  return micros === null ? null : Math.round(micros)
}

function shortened(considered: readonly ConsideredNode[], chosen: string): readonly ConsideredNode[] {
  if (considered.length <= MOST_CONSIDERED) return considered
  const others = considered.filter(({ nodeId }) => nodeId !== chosen)
  return [...considered.filter(({ nodeId }) => nodeId === chosen), ...others.slice(0, MOST_CONSIDERED - 1)]
}

/** Rounded where each ends, not by itself, so that the sum is that of before, rounded. */
function wholePhases(phases: ExplainedPhases): ExplainedPhases {
  let end = 0
  const next = (micros: number) => {
    const start = Math.round(end)
    end += micros
    return Math.round(end) - start
  }
  return {
    authMicros: next(phases.authMicros),
    bodyMicros: next(phases.bodyMicros),
    limitsMicros: next(phases.limitsMicros),
    admitMicros: next(phases.admitMicros),
    queueMicros: next(phases.queueMicros),
    routeMicros: next(phases.routeMicros),
    connectMicros: next(phases.connectMicros),
    firstTokenMicros: next(phases.firstTokenMicros),
    streamMicros: next(phases.streamMicros),
    settleMicros: next(phases.settleMicros),
  }
}
