import { nextKind, type NextNode, nextNode } from '../core/cold-start.js'
import { GatewayError } from '../core/errors.js'
import { countTrusted } from './candidates.js'
import type { ModelRoute } from './routing.js'

/** When it is worth to ask again where somebody has to see to it first. */
const STUCK_RETRY_MS = 60_000

/**
 * Whether a request can only wait for another node: none serves that it could be sent to. What has been sent already fails
 * with its node, unless that is gone for good.
 */
export function isCold({ targets }: ModelRoute, again: boolean, nowMs: number): boolean {
  const { serving, trusted } = countTrusted(targets, nowMs)
  return again ? serving === 0 : trusted === 0
}

/** Why a request that waits for a launch waits in vain; null: the node has come, or still comes. */
export function inVain({ targets, deployments }: ModelRoute, nowMs: number): GatewayError | null {
  const { serving, trusted } = countTrusted(targets, nowMs)
  if (trusted > 0) return null
  const kind = nextKind(deployments)
  if (kind === 'coming') return null
  // The node that was waited for may have come and be doubted for a moment.
  return kind === 'none' && serving > 0 ? null : noNodeError({ kind })
}

/** Why there is no node for a request that does not wait. */
export function noNodeNow({ targets, deployments }: ModelRoute, nowMs: number): GatewayError {
  // Nodes that are doubted for a moment are nobody's to see to.
  if (countTrusted(targets, nowMs).serving > 0) return new GatewayError('no_healthy_node')
  return noNodeError(nextNode(deployments, nowMs))
}

/** What a client is told where no node serves: what there is to wait for, and for how long. */
export function noNodeError(next: NextNode): GatewayError {
  switch (next.kind) {
    case 'coming': {
      const seconds = Math.ceil(next.ms / 1_000)
      const message = `No node serves this model at the moment. One is being launched: retry in about ${seconds} s.`
      return new GatewayError('no_healthy_node', { message, retryAfterMs: next.ms })
    }
    case 'failed': {
      const message = 'No node serves this model: launching one has failed. The operator has to see to it.'
      return new GatewayError('no_healthy_node', { message, retryAfterMs: STUCK_RETRY_MS })
    }
    case 'paused': {
      const message = 'No node serves this model: the operator has paused it.'
      return new GatewayError('no_healthy_node', { message, retryAfterMs: STUCK_RETRY_MS })
    }
    case 'none':
      return new GatewayError('no_healthy_node')
  }
}
