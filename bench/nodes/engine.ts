import type { Exchange } from './connection.js'
import { EngineError } from './engine-error.js'
import type { FaultBox, RequestFault } from './faults.js'
import type { Ledger, LedgerEntry } from './ledger.js'
import type { NodeMetrics } from './metrics.js'
import type { SimulatedNodeOptions } from './options.js'
import { after, type Pacer } from './pacer.js'
import type { PrefixCache } from './prefix-cache.js'
import type { Prompt } from './prompt.js'
import { sendError } from './reply.js'
import type { Scheduler, Work } from './scheduler.js'

export interface EngineWork extends Work {
  /** Tokens that it holds in the KV cache. */
  readonly kvTokens: number
}

/** What all requests of one node share. */
export interface Engine {
  readonly options: SimulatedNodeOptions
  readonly pacer: Pacer
  readonly scheduler: Scheduler<EngineWork>
  readonly metrics: NodeMetrics
  readonly ledger: Ledger
  readonly faults: FaultBox
  readonly prefixCache: PrefixCache | undefined
  /** For jitter and faults. */
  readonly random: () => number
}

const SLOW_FACTOR = 10

/** A wait of `ms` as the node takes it: drawn evenly from ± its jitter, longer while it is slowed. */
export function waitOf(engine: Engine, ms: number): number {
  if (ms === 0) return 0
  const { jitter } = engine.options
  const slow = engine.faults.rules.get('slow')
  const slowed = slow === undefined ? ms : ms * (slow.factor ?? SLOW_FACTOR)
  return jitter === 0 ? slowed : slowed * (1 + (engine.random() * 2 - 1) * jitter)
}

/** Share of the KV cache that running requests hold, 0 to 1. */
export function kvCacheUsage({ options, scheduler }: Engine): number {
  let held = 0
  for (const work of scheduler.running) held += work.kvTokens
  return Math.min(1, held / (options.kvCapacityTokens ?? options.maxRunning * 1024))
}

/** How many of the prompts' tokens need no prefill; counted in the metrics. */
export function lookUpCached(engine: Engine, prompts: readonly Prompt[]): number {
  const { options, prefixCache, metrics } = engine
  let cached = 0
  for (const prompt of prompts) {
    const known = prefixCache?.lookUp(prompt) ?? Math.floor(prompt.tokens * options.cachedFraction)
    cached += known
    metrics.promptTokens += prompt.tokens
    metrics.prefixQueries += prompt.tokens
    metrics.prefixHits += known
  }
  return cached
}

const STATUS_OF: Partial<
  Record<RequestFault['kind'], { readonly status: number; readonly message: string }>
> = {
  http_404: { status: 404, message: 'The model does not exist.' },
  http_429: { status: 429, message: 'Too many requests.' },
  http_500: { status: 500, message: 'EngineCore encountered an issue.' },
  http_503: { status: 503, message: 'The server is overloaded or not ready yet.' },
}

/**
 * Shows the faults that end a request before it reaches the engine, or delays it; calls `proceed` for all others.
 * Sets `exchange.onAbort` for the time of a delay.
 */
export function passOpeningFaults(
  engine: Engine,
  exchange: Exchange,
  entry: LedgerEntry,
  fault: RequestFault | undefined,
  proceed: () => void,
): void {
  const act = (): void => {
    exchange.onAbort = undefined
    if (fault === undefined) return proceed()
    const refusal = STATUS_OF[fault.kind]
    const opening = refusal !== undefined || fault.kind === 'die_before_headers' || fault.kind === 'garbage'
    if (!opening) return proceed()
    entry.endedAt = Date.now()
    if (refusal !== undefined) {
      entry.status = refusal.status
      sendError(exchange, engine.options.flavour, new EngineError(refusal.status, refusal.message))
    } else if (fault.kind === 'garbage') {
      exchange.socket.write('SSH-2.0-OpenSSH_9.6 \u0000\u0001\r\n')
      exchange.destroy(false)
    } else exchange.destroy(fault.reset ?? true)
  }

  const delayed = fault?.kind === 'slow_headers' || STATUS_OF[fault?.kind ?? 'stall'] !== undefined
  const delayMs = delayed ? (fault?.ms ?? (fault?.kind === 'slow_headers' ? 1000 : 0)) : 0
  if (delayMs === 0) return act()
  const job = after(engine.pacer, delayMs, act)
  exchange.onAbort = () => {
    engine.pacer.cancel(job)
    entry.aborted = true
    entry.endedAt = Date.now()
  }
}
