import type { SpoolProgress } from './spool-format.js'
import { recordLine } from './usage-line.js'
import type { UsageIdentity } from './usage-record.js'

/**
 * The row of a request whose gateway died: billed by its last progress, or by the prompt estimate when there is
 * none. A pure function of the two, so that it can be made again with the same bytes.
 */
export function lostRequestLine(identity: UsageIdentity, progress: SpoolProgress | undefined): Buffer {
  const startedAt = identity.startedAtMicros
  const endedAt = Math.max(startedAt, progress?.atMicros ?? startedAt)
  const firstTokenAt = progress?.firstTokenAtMicros ?? 0
  const completionTokens = progress?.completionTokens ?? 0
  const counted = progress !== undefined && progress.promptTokens > 0
  return recordLine(identity, {
    nodeId: identity.nodeId,
    node: identity.node,
    status: 502,
    errorCode: 'gateway_lost',
    clientAbort: false,
    counted: 'estimated',
    promptTokens: counted ? progress.promptTokens : Math.ceil(identity.promptEstimate),
    cachedTokens: counted ? progress.cachedTokens : 0,
    completionTokens,
    endedAtMicros: endedAt,
    ttftMicros: firstTokenAt > 0 ? firstTokenAt - startedAt : null,
    itlMicros:
      firstTokenAt > 0 && completionTokens > 1 ? (endedAt - firstTokenAt) / (completionTokens - 1) : null,
    e2eMicros: endedAt - startedAt,
    overheadMicros: 0,
    attempts: 1,
    resumed: 0,
  })
}
