import { chatRequest } from './chat.js'
import type { LoadOrder, Scenario } from './scenario.js'

export interface StreamsScenario {
  readonly streams: number
  /** Pace of each stream. */
  readonly tokensPerSecond: number
  readonly seconds: number
  readonly goal: number | null
}

const RAMP_MS = 1_000
const WARM_UP_SECONDS = 1.5
/** How much longer than its pace asks for a stream may take. */
const PATIENCE = 3

/** Many streams at once from nodes that pace each one, so that the machine is not the limit. */
export function streams({ streams: count, tokensPerSecond, seconds, goal }: StreamsScenario): Scenario {
  const order = (headers: Readonly<Record<string, string>>, forSeconds: number): LoadOrder => {
    const tokens = Math.round(forSeconds * tokensPerSecond)
    const fields = { stream: true, max_tokens: tokens, sim_itl_ms: 1000 / tokensPerSecond }
    return {
      kind: 'streams',
      request: chatRequest(headers, fields),
      tokens,
      rampMs: RAMP_MS,
      limitMs: forSeconds * 1000 * PATIENCE + 10_000,
    }
  }
  return {
    name: `streams-${count}`,
    title: `CPU per streamed token: ${count} streams at once, ${tokensPerSecond} tokens/s each`,
    unit: 'token',
    goal,
    connections: count,
    warmUp: (headers) => order(headers, WARM_UP_SECONDS),
    load: (headers) => order(headers, seconds),
  }
}
