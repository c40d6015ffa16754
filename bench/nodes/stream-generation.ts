import type { Exchange } from './connection.js'
import { waitOf, type Engine } from './engine.js'
import type { RequestFault } from './faults.js'
import { Generation, type Choice } from './generation.js'
import type { LedgerEntry } from './ledger.js'
import type { GenerationRequest } from './prompt.js'
import { replyHead, sendStrayLater, STRAY_RESPONSE } from './reply.js'
import { createDirectSink, createSplitSink, type Sink } from './sink.js'

/** Steps that a stream without pace takes in one go before others get their turn. */
const STEPS_IN_A_ROW = 256

const DONE = 'e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n'

/** A streamed answer: one write for each token, the last one together with usage, `[DONE]` and the terminator. */
export class StreamGeneration extends Generation {
  private readonly sink: Sink
  private readonly includeUsage: boolean
  private readonly continuousUsage: boolean
  private headSent = false
  private rolesSent = false
  /** Nothing is to be written until the fault's time is over, or ever. */
  private halted = false
  private workSince = 0
  private lastStepAt = 0
  private nextAt = 0

  constructor(
    engine: Engine,
    exchange: Exchange,
    entry: LedgerEntry,
    request: GenerationRequest,
    fault: RequestFault | undefined,
  ) {
    super(engine, exchange, entry, request, fault)
    const resume = (): void => this.resume()
    this.sink =
      fault?.kind === 'split_writes'
        ? createSplitSink(exchange.socket, entry, engine.random, resume)
        : createDirectSink(exchange.socket, entry)
    this.includeUsage = request.includeUsage && fault?.kind !== 'no_usage'
    this.continuousUsage = request.continuousUsage && fault?.kind !== 'no_usage'
    exchange.onAbort = () => this.abort()
    exchange.onDrain = resume
  }

  /** The reply's headers; repeatable. */
  sendHead(): void {
    if (this.headSent) return
    this.headSent = true
    this.entry.status = 200
    const head = replyHead(
      this.exchange,
      200,
      'text/event-stream; charset=utf-8',
      'transfer-encoding: chunked',
    )
    this.sink.write(head, 0)
  }

  override start(): void {
    this.workSince = this.engine.pacer.now()
    const waitMs = this.prefillMs()
    this.nextAt = this.workSince + waitMs
    if (waitMs === 0) this.due(this.workSince)
    else this.engine.pacer.schedule(this, this.nextAt)
  }

  override due(nowMs: number): void {
    if (this.ended) return
    // A stall whose time is over is due as well.
    this.halted = false
    this.sendHead()
    if (!this.rolesSent) this.sendRoles()
    for (let steps = 0; steps < STEPS_IN_A_ROW; steps += 1) {
      this.step(nowMs)
      this.nextAt += waitOf(this.engine, this.request.itlMs)
      if (this.ended || this.halted || this.sink.blocked) return
      if (this.request.itlMs > 0) break
    }
    this.engine.pacer.schedule(this, this.nextAt)
  }

  override abort(): void {
    this.sink.drop()
    super.abort()
  }

  /** The socket takes more again. */
  private resume(): void {
    if (this.ended || this.halted || this.tick !== -1 || !this.rolesSent) return
    this.engine.pacer.schedule(this, this.nextAt)
  }

  private sendRoles(): void {
    this.rolesSent = true
    if (!this.frames.hasRole) return
    for (const choice of this.choices) {
      const json = this.frames.role(choice.index, this.frameUsage(choice))
      this.sink.write(this.chunk(json, this.frames.extraBytes), 0)
    }
  }

  /** One token for each open choice. */
  private step(nowMs: number): void {
    for (const choice of this.choices) {
      if (choice.finish !== null) continue
      if (this.generated === this.cutAt) return this.cut()
      const text = this.tokenText(choice)
      this.observe(choice, nowMs)
      if (this.openChoices === 0 && this.generated !== this.cutAt) return this.finish(text)
      if (!this.sink.write(text, 1)) return this.halt()
    }
    if (this.generated === this.cutAt) return this.cut()
    // Only after a stall at the very end.
    if (this.openChoices === 0) this.finish('')
  }

  private tokenText(choice: Choice): string {
    const { frames } = this
    const token = this.produce(choice)
    const usage = this.frameUsage(choice)
    if (choice.finish === null || frames.finishInline) {
      const json = frames.token(choice.index, token, choice.finish, usage)
      return this.chunk(json, frames.extraBytes + token.extraBytes)
    }
    const finish = this.chunk(frames.finish(choice.index, choice.finish, usage), frames.extraBytes)
    if (choice.finish === 'stop') return finish
    const json = frames.token(choice.index, token, null, usage)
    return this.chunk(json, frames.extraBytes + token.extraBytes) + finish
  }

  /** Continuous stats count per choice, as vLLM has it. */
  private frameUsage(choice: Choice): string {
    if (!this.continuousUsage) return this.frames.noUsage
    return this.frames.usage(choice.promptTokens, choice.produced, 0)
  }

  private chunk(json: string, extraBytes: number): string {
    return `${(json.length + extraBytes + 8).toString(16)}\r\ndata: ${json}\n\n\r\n`
  }

  private observe(choice: Choice, nowMs: number): void {
    const { metrics } = this.engine
    metrics.generationTokens += 1
    if (choice.produced > 1) metrics.itl.observe((nowMs - this.lastStepAt) / 1000)
    else if (choice.index === 0) metrics.ttft.observe((nowMs - this.workSince) / 1000)
    if (this.openChoices === 0 || choice.index === this.choices.length - 1) this.lastStepAt = nowMs
  }

  private finish(lastToken: string): void {
    const { fault, exchange } = this
    const usage = this.includeUsage
      ? this.chunk(this.frames.usageFrame(this.totalUsage()), this.frames.extraBytes)
      : ''
    const strays = fault?.kind === 'extra_bytes'
    const stray = strays && fault.ms === undefined ? STRAY_RESPONSE : ''
    this.halt()
    if (!this.sink.write(lastToken + usage + DONE + stray, lastToken === '' ? 0 : 1)) return
    // Now, not when it is flushed: whoever has read the end may send the next request before that is known.
    this.engine.scheduler.leave(this)
    this.sink.flushed(() => {
      this.entry.finished = true
      this.end()
      exchange.finish()
      if (strays && fault.ms !== undefined) sendStrayLater(exchange, this.engine.pacer, fault.ms)
    })
  }

  private halt(): void {
    this.halted = true
  }

  /** The fault strikes: `cutAt` tokens are written. */
  private cut(): void {
    const { fault, exchange, engine } = this
    this.cutAt = -1
    this.halt()
    const kind: string = fault?.kind ?? 'none'
    switch (kind) {
      case 'stall':
        if (fault?.ms === undefined) return
        this.nextAt = engine.pacer.now() + fault.ms
        engine.pacer.schedule(this, this.nextAt)
        return
      case 'error_frame_then_done':
        this.sink.write(this.chunk(this.errorText(), 0) + DONE, 0)
        this.end()
        exchange.finish()
        return
      case 'malformed_chunk':
        this.sink.write('xyz\r\ndata: {"choices":[]}\n\n\r\n', 0)
        this.end()
        exchange.destroy(false)
        return
      default:
        this.end()
        exchange.destroy(fault?.reset ?? false)
    }
  }
}
