import { chatRequest } from './chat.js'
import type { Scenario } from './scenario.js'

export interface StreamsOptions {
  readonly count: number
  /** Pace of each stream. */
  readonly tokensPerSecond: number
  readonly goal: number | null
}

const RAMP_MS = 1_000
/** How much longer than its pace asks for a stream may take. */
const PATIENCE = 3

/** Many streams at once from nodes that pace each one, so that the machine is not the limit. */
export function streams({ count, tokensPerSecond, goal }: StreamsOptions): Scenario {
  return {
    name: `streams-${count}`,
    title: `CPU per streamed token: ${count} streams at once, ${tokensPerSecond} tokens/s each`,
    unit: 'token',
    goal,
    connections: count,
    order: (headers, seconds) => {
      const tokens = Math.round(seconds * tokensPerSecond)
      const fields = { stream: true, max_tokens: tokens, sim_itl_ms: 1000 / tokensPerSecond }
      return {
        kind: 'streams',
        request: chatRequest(headers, fields),
        tokens,
        rampMs: RAMP_MS,
        limitMs: seconds * 1000 * PATIENCE + 10_000,
      }
    },
  }
}
