import type { Exchange } from './connection.js'
import { lookUpCached, waitOf, type Engine, type EngineWork } from './engine.js'
import type { RequestFault } from './faults.js'
import { hashText } from './language.js'
import type { LedgerEntry } from './ledger.js'
import type { Timed } from './pacer.js'
import type { EmbeddingRequest, Prompt } from './prompt.js'
import { seededRandom } from './random.js'
import { sendPlainReply } from './reply.js'

/** A unit vector that is a pure function of text and model seed. */
function embed(prompt: Prompt, dimensions: number, modelSeed: number): Float32Array {
  const random = seededRandom(hashText(modelSeed, prompt.text))
  const vector = Float32Array.from({ length: dimensions }, () => random() * 2 - 1)
  const norm = Math.hypot(...vector)
  return vector.map((value) => value / norm)
}

/** The JSON body of an embeddings reply; `encoding_format: base64` is little-endian float32, as OpenAI has it. */
function embeddingsBody(request: EmbeddingRequest, id: string, modelSeed: number, usage: boolean): string {
  const data = request.prompts.map((prompt, index) => {
    const vector = embed(prompt, request.dimensions, modelSeed)
    const embedding = request.base64
      ? Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString('base64')
      : Array.from(vector)
    return { index, object: 'embedding', embedding }
  })
  return JSON.stringify({
    id: `embd-${id}`,
    object: 'list',
    created: Math.floor(Date.now() / 1000),
    model: request.model,
    data,
    ...(usage && {
      usage: {
        prompt_tokens: request.promptTokens,
        total_tokens: request.promptTokens,
        completion_tokens: 0,
        prompt_tokens_details: null,
      },
    }),
  })
}

/** An embeddings request in the engine: one wait, one reply. */
export class EmbeddingWork implements EngineWork, Timed {
  tick = -1
  private readonly engine: Engine
  private readonly exchange: Exchange
  private readonly entry: LedgerEntry
  private readonly request: EmbeddingRequest
  private readonly fault: RequestFault | undefined
  private stalled = false
  private ended = false

  constructor(
    engine: Engine,
    exchange: Exchange,
    entry: LedgerEntry,
    request: EmbeddingRequest,
    fault: RequestFault | undefined,
  ) {
    this.engine = engine
    this.exchange = exchange
    this.entry = entry
    this.request = request
    this.fault = fault
    exchange.onAbort = () => {
      if (!this.ended) entry.aborted = true
      this.end()
    }
  }

  get kvTokens(): number {
    return this.request.promptTokens
  }

  start(): void {
    const { engine, request } = this
    this.entry.cachedTokens = lookUpCached(engine, request.prompts)
    const { ttftMs, prefillMsPer1k } = engine.options
    const uncached = request.promptTokens - this.entry.cachedTokens
    const waitMs = waitOf(engine, ttftMs + (prefillMsPer1k * uncached) / 1000)
    if (waitMs === 0) this.due()
    else engine.pacer.schedule(this, engine.pacer.now() + waitMs)
  }

  due(): void {
    const { engine, exchange, entry, request, fault } = this
    if (this.ended) return
    if (fault?.kind === 'die_after_tokens') {
      this.end()
      exchange.destroy(fault.reset ?? false)
      return
    }
    if (fault?.kind === 'stall' && !this.stalled) {
      this.stalled = true
      if (fault.ms !== undefined) engine.pacer.schedule(this, engine.pacer.now() + fault.ms)
      return
    }
    const usage = fault?.kind !== 'no_usage'
    const text = embeddingsBody(request, entry.requestId, engine.options.modelSeed, usage)
    const body = { text, bytes: Buffer.byteLength(text), tokens: 0 }
    sendPlainReply(exchange, entry, body, fault, {
      pacer: engine.pacer,
      random: engine.random,
      ended: () => this.end(),
    })
  }

  private end(): void {
    if (this.ended) return
    this.ended = true
    this.engine.pacer.cancel(this)
    this.entry.endedAt = Date.now()
    this.engine.scheduler.leave(this)
  }
}
