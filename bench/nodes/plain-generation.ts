import type { Exchange } from './connection.js'
import { waitOf, type Engine } from './engine.js'
import type { RequestFault } from './faults.js'
import type { FinishReason, Piece } from './frames.js'
import { Generation, type Choice } from './generation.js'
import type { LedgerEntry } from './ledger.js'
import type { GenerationRequest } from './prompt.js'
import { sendPlainReply } from './reply.js'

/** An answer in one reply, written when its last token would have been made. */
export class PlainGeneration extends Generation {
  private readonly answers: { readonly piece: Piece; readonly finish: FinishReason }[] = []
  /** When work began; undefined while waiting for a slot. */
  private workSince: number | undefined
  private firstTokenAt = 0
  private stepMs = 0
  private replyAt = 0

  constructor(
    engine: Engine,
    exchange: Exchange,
    entry: LedgerEntry,
    request: GenerationRequest,
    fault: RequestFault | undefined,
  ) {
    super(engine, exchange, entry, request, fault)
    exchange.onAbort = () => this.abort()
  }

  override start(): void {
    this.workSince = this.engine.pacer.now()
    this.firstTokenAt = this.workSince + this.prefillMs()
    for (const choice of this.choices) this.answers.push(this.answer(choice))
    const steps = Math.max(...this.choices.map((choice) => choice.produced))
    this.stepMs = waitOf(this.engine, this.request.itlMs)
    this.replyAt = this.firstTokenAt + this.stepMs * (steps - 1)
    this.wake(this.cuts ? this.timeOfCut() : this.replyAt)
  }

  override due(nowMs: number): void {
    if (this.ended) return
    if (this.cuts) this.cut()
    else this.reply(nowMs)
  }

  override abort(): void {
    if (!this.ended) this.entry.completionTokens = this.generatedBy(this.engine.pacer.now())
    super.abort()
  }

  /** A fault strikes before the reply; a malformed chunk is a matter of the reply itself. */
  private get cuts(): boolean {
    return this.cutAt >= 0 && this.cutAt <= this.generated && this.fault?.kind !== 'malformed_chunk'
  }

  private wake(atMs: number): void {
    const nowMs = this.engine.pacer.now()
    if (atMs <= nowMs) this.due(nowMs)
    else this.engine.pacer.schedule(this, atMs)
  }

  private answer(choice: Choice): { piece: Piece; finish: FinishReason } {
    let text = ''
    let extraBytes = 0
    while (choice.finish === null) {
      const token = this.produce(choice)
      text += token.json
      extraBytes += token.extraBytes
    }
    return { piece: { text, extraBytes }, finish: choice.finish }
  }

  private timeOfCut(): number {
    const steps = Math.ceil(this.cutAt / this.choices.length)
    return this.firstTokenAt + this.stepMs * Math.max(0, steps - 1)
  }

  /** Tokens that the engine had made by then. */
  private generatedBy(nowMs: number): number {
    if (this.workSince === undefined || nowMs < this.firstTokenAt) return 0
    const { stepMs } = this
    const steps = stepMs === 0 ? Infinity : Math.floor((nowMs - this.firstTokenAt) / stepMs) + 1
    return this.choices.reduce((sum, choice) => sum + Math.min(choice.produced, steps), 0)
  }

  private cut(): void {
    const { fault, exchange, engine, entry } = this
    const made = this.cutAt
    this.cutAt = -1
    if (fault?.kind === 'stall') {
      if (fault.ms !== undefined) engine.pacer.schedule(this, engine.pacer.now() + fault.ms)
      return
    }
    entry.completionTokens = made
    this.end()
    exchange.destroy(fault?.reset ?? false)
  }

  private reply(nowMs: number): void {
    const { engine, entry } = this
    this.observe(nowMs)
    entry.completionTokens = this.generated
    const { text, extraBytes } = this.frames.reply(this.answers, this.totalUsage())
    const body = { text, bytes: text.length + extraBytes, tokens: this.generated }
    sendPlainReply(this.exchange, entry, body, this.fault, {
      pacer: engine.pacer,
      random: engine.random,
      ended: () => this.end(),
    })
  }

  private observe(nowMs: number): void {
    const { metrics } = this.engine
    const since = this.workSince ?? nowMs
    const steps = Math.max(...this.choices.map((choice) => choice.produced))
    const itlSeconds = steps > 1 ? (this.replyAt - this.firstTokenAt) / (steps - 1) / 1000 : 0
    metrics.ttft.observe((this.firstTokenAt - since) / 1000)
    for (const choice of this.choices)
      for (let at = 1; at < choice.produced; at += 1) metrics.itl.observe(itlSeconds)
    metrics.generationTokens += this.generated
  }
}
