import type { Exchange } from './connection.js'
import { lookUpCached, waitOf, type Engine, type EngineWork } from './engine.js'
import { EngineError, errorBody } from './engine-error.js'
import type { RequestFault } from './faults.js'
import { createFrameWriter, type FinishReason, type FrameWriter } from './frames.js'
import { appendToken, EMPTY_TOKEN, hashText, tokenAfter, type Token } from './language.js'
import type { LedgerEntry } from './ledger.js'
import type { SimulatedNodeOptions } from './options.js'
import type { Timed } from './pacer.js'
import type { GenerationRequest } from './prompt.js'

/** One of the answers that a request makes: `n` for each of its prompts. */
export interface Choice {
  readonly index: number
  /** Tells the answers of one prompt apart. */
  readonly variant: number
  readonly promptTokens: number
  textHash: number
  produced: number
  finish: FinishReason | null
}

/** What decides the text of an answer, beside its prompt. */
export function modelOf(
  { modelSeed, eosProbability }: Pick<SimulatedNodeOptions, 'modelSeed' | 'eosProbability'>,
  { ignoreEos }: Pick<GenerationRequest, 'ignoreEos'>,
) {
  return { modelSeed, eosProbability: ignoreEos ? 0 : eosProbability }
}

/** Faults that strike after a number of tokens. */
const CUTS: ReadonlySet<string> = new Set([
  'die_after_tokens',
  'stall',
  'malformed_chunk',
  'error_frame_then_done',
])

/**
 * What streams and plain replies have in common: choices, their tokens, their place in the engine, and an end
 * that happens exactly once.
 */
export abstract class Generation implements EngineWork, Timed {
  tick = -1
  protected readonly engine: Engine
  protected readonly exchange: Exchange
  protected readonly entry: LedgerEntry
  protected readonly request: GenerationRequest
  protected readonly fault: RequestFault | undefined
  protected readonly frames: FrameWriter
  protected readonly choices: readonly Choice[]
  /** Tokens over all choices, made so far. */
  protected generated = 0
  protected openChoices: number
  /** The fault strikes once `generated` is this; -1: never. */
  protected cutAt: number
  protected ended = false
  protected cachedTokens = 0
  private readonly model: ReturnType<typeof modelOf>
  private readonly createdMs: number

  constructor(
    engine: Engine,
    exchange: Exchange,
    entry: LedgerEntry,
    request: GenerationRequest,
    fault: RequestFault | undefined,
  ) {
    this.engine = engine
    this.exchange = exchange
    this.entry = entry
    this.request = request
    this.fault = fault
    this.createdMs = engine.pacer.now()
    this.model = modelOf(engine.options, request)
    this.frames = createFrameWriter(engine.options.flavour, request.endpoint, {
      id: entry.requestId,
      model: request.model,
      createdAt: Math.floor(entry.startedAt / 1000),
    })
    this.choices = request.prompts.flatMap((prompt, at) => {
      const textHash = hashText(0, prompt.text)
      return Array.from({ length: request.n }, (_, variant) => ({
        index: at * request.n + variant,
        variant,
        promptTokens: prompt.tokens,
        textHash,
        produced: 0,
        finish: null,
      }))
    })
    this.openChoices = this.choices.length
    const total = request.maxTokens * this.choices.length
    this.cutAt =
      fault === undefined || !CUTS.has(fault.kind)
        ? -1
        : (fault.after_tokens ?? Math.floor(engine.random() * total))
  }

  get kvTokens(): number {
    return this.request.promptTokens + this.generated
  }

  abstract start(): void
  abstract due(nowMs: number): void

  /** The client left: nothing more is made or counted. */
  abort(): void {
    if (this.ended) return
    this.entry.aborted = true
    this.engine.metrics.succeeded.abort += 1
    this.end()
  }

  /** Time until the first token, from the start of work: waits and looks up the cache. */
  protected prefillMs(): number {
    const { request, engine } = this
    this.cachedTokens = lookUpCached(engine, request.prompts)
    this.entry.cachedTokens = this.cachedTokens
    const uncached = request.promptTokens - this.cachedTokens
    return waitOf(engine, request.ttftMs + (engine.options.prefillMsPer1k * uncached) / 1000)
  }

  /** Makes the next token of a choice; an end by itself is a token without text, as engines count it. */
  protected produce(choice: Choice): Token {
    const token = tokenAfter(choice.textHash, this.model, choice.variant)
    choice.textHash = appendToken(choice.textHash, token)
    choice.produced += 1
    this.generated += 1
    if (token === EMPTY_TOKEN) choice.finish = 'stop'
    else if (choice.produced === this.request.maxTokens) choice.finish = 'length'
    if (choice.finish !== null) this.openChoices -= 1
    return token
  }

  /** The usage member of the whole request, unless the fault is to have none. */
  protected totalUsage(): string {
    if (this.fault?.kind === 'no_usage') return ''
    return this.frames.usage(this.request.promptTokens, this.generated, this.cachedTokens)
  }

  protected errorText(): string {
    return errorBody(this.engine.options.flavour, new EngineError(500, 'EngineCore encountered an issue.'))
  }

  /** Gives the slot back. Repeatable; the first call counts. */
  protected end(): void {
    if (this.ended) return
    this.ended = true
    const { engine, entry } = this
    engine.pacer.cancel(this)
    entry.endedAt = Date.now()
    if (entry.finished) {
      engine.metrics.e2e.observe((engine.pacer.now() - this.createdMs) / 1000)
      for (const choice of this.choices) engine.metrics.succeeded[choice.finish ?? 'stop'] += 1
    }
    engine.scheduler.leave(this)
  }
}
