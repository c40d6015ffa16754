import { REQUEST_FAULTS } from '../../bench/nodes.js'
import { seededRandom } from '../../bench/nodes/random.js'
import type { ClientView, Leave, PlannedRequest } from '../../bench/resilience/load-client.js'

export { LoadClient, type ClientView, type PlannedRequest } from '../../bench/resilience/load-client.js'

export interface RequestMix {
  /** Shares of all requests that show a fault, and whose client leaves. */
  readonly faults: number
  readonly leaves: number
  /** Milliseconds between tokens, drawn for each request. */
  readonly paces: readonly number[]
  readonly mostTokens: number
}

/** About 4,000 bytes: the chat template's marks, which the gateway cannot see, are less than one percent of it. */
function prompt(random: () => number): string {
  const words = 500 + Math.floor(random() * 500)
  return Array.from({ length: words }, () => Math.floor(random() * 1e6).toString(36)).join(' ')
}

/**
 * A fault, drawn evenly. A plain reply that stalls for ever would wait as long as the official clients do: it is
 * given a time. Extra bytes come at once: a response that comes unasked after the connection was used again cannot
 * be told from the answer.
 */
function faultOf(random: () => number, stream: boolean): Record<string, unknown> {
  const kind = REQUEST_FAULTS[Math.floor(random() * REQUEST_FAULTS.length)] ?? 'no_usage'
  const bounded = kind === 'slow_headers' || (kind === 'stall' && !(stream && random() < 0.5))
  return bounded ? { kind, ms: 50 } : { kind }
}

const STREAM_OPTIONS = [
  undefined,
  undefined,
  { include_usage: true },
  { include_usage: true, continuous_usage_stats: true },
]

/** Requests of every kind, reproducible by their seed. */
export function* planRequests(model: string, seed: number, mix: RequestMix): Generator<PlannedRequest> {
  const random = seededRandom(seed)
  const pick = <T>(from: readonly T[]): T | undefined => from[Math.floor(random() * from.length)]
  for (;;) {
    const kind = random()
    const common: Record<string, unknown> = { model, sim_itl_ms: pick(mix.paces), sim_ttft_ms: random() * 10 }
    if (kind < 0.12) {
      const input = Array.from({ length: 1 + Math.floor(random() * 3) }, () => prompt(random))
      if (random() < mix.faults) common['sim_fault'] = faultOf(random, false)
      const leave = random() < mix.leaves ? { afterMs: random() * 20 } : null
      yield { path: '/v1/embeddings', body: { ...common, input }, leave }
      continue
    }
    const stream = random() < 0.7
    const tokens = 1 + Math.floor(random() * mix.mostTokens)
    Object.assign(common, {
      stream,
      max_tokens: tokens,
      n: random() < 0.8 ? 1 : 2 + Math.floor(random() * 2),
    })
    if (stream) common['stream_options'] = pick(STREAM_OPTIONS)
    if (random() < mix.faults) common['sim_fault'] = faultOf(random, stream)
    let leave: Leave | null = null
    if (random() < mix.leaves) {
      // A frame has some 250 bytes; one in ten leaves before the first.
      const bytes = random() < 0.1 ? 0 : Math.floor(random() * tokens * 250)
      leave = stream ? { afterBytes: bytes } : { afterMs: random() * 40 }
    }
    if (kind < 0.7) {
      const messages = [{ role: 'user', content: prompt(random) }]
      yield { path: '/v1/chat/completions', body: { ...common, messages }, leave }
    } else yield { path: '/v1/completions', body: { ...common, prompt: prompt(random) }, leave }
  }
}

/** When a client had more generated tokens of a stream than that; null: never. A frame holds one token. */
export function receivedMoreAt({ text, arrivals }: ClientView, tokens: number): number | null {
  let seen = 0
  for (let start = 0; ;) {
    const end = text.indexOf('\n\n', start)
    if (end < 0) return null
    const frame = text.slice(start, end)
    if (/^data: \{.*"choices":\[\{/.test(frame) && !frame.includes('"role":"assistant"')) seen++
    start = end + 2
    if (seen > tokens) return arrivals.find(({ bytes }) => bytes >= start)?.atMs ?? null
  }
}
