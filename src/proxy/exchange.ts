import { ERRORS, GatewayError, type ErrorCode } from '../core/errors.js'
import { type ExplanationSink, isUnusual } from '../core/explanation.js'
import { mapNodeErrorFrame, type PassedError } from '../core/node-error.js'
import { costNumber } from '../core/pricing.js'
import type { SseTap } from '../core/sse-tap.js'
import type { ResolvedKey } from '../core/resolved-key.js'
import { identityLine } from '../core/usage-line.js'
import type { UsageIdentity } from '../core/usage-record.js'
import type { Admission } from './admission.js'
import type { Attempt } from './attempt.js'
import { ClientReply } from './client-reply.js'
import { billOf, identityOf } from './bill.js'
import { type Continuation, continuationFor, isContinuable } from './continuation.js'
import { explain } from './explain.js'
import type { PlainReply } from './plain-reply.js'
import { Pursuit, type PursuitDeps, type PursuitOwner, type Question } from './pursuit.js'
import type { Settle } from './settle.js'
import type { OpenEntry, Spool, SpoolEntry } from './spool.js'
import type { Placed, SwapList } from './swap-list.js'
import type { AttemptFailure } from './target.js'
import { TokenClock } from './token-clock.js'
import type { UpstreamFailure } from './upstream.js'

/**
 * One request from the moment that its head was found good to its settlement: waits for a node that has room, asks
 * it, relays its answer, asks another one where that is possible, survives the client's leaving, and settles exactly
 * once. Hot path: no promise, no closure and no JSON parse for each token (bench: stream, small).
 */
export interface ExchangeDeps extends PursuitDeps {
  readonly spool: Spool
  readonly settle: Settle
  readonly explanations: ExplanationSink
  /** Requests under way; the sweep looks through them. */
  readonly open: SwapList<Exchange>
}

const PING_MS = 15_000
const DONE_FRAME = Buffer.from('data: [DONE]\n\n')
/** A plain reply takes as long as its generation: the official clients' own default. */
const PLAIN_TIMEOUT_MS = 600_000
/** How long the end of a response may lag behind `[DONE]`. */
const TAIL_MS = 1_000
/** After back-pressure ends, what uWebSockets.js holds is pushed out by a comment when nothing else comes. */
const PUSH_MS = 100

type Phase =
  /** No node has room. */
  | 'queued'
  /** The spool has not confirmed the begin. */
  | 'beginning'
  /** A node was asked; nothing of its answer has been passed on. */
  | 'waiting'
  /** The answer is being passed on; also while another node is asked to go on with it. */
  | 'relaying'
  /** The client has had everything; the node's response has not formally ended. */
  | 'tail'
  /** The client left; what the node had already written is being counted. */
  | 'leaving'
  | 'settled'

export class Exchange implements SpoolEntry, PursuitOwner, Placed {
  place = -1
  spoolId = 0
  spoolMoved = false
  spoolOpen: OpenEntry | null = null
  promptTokens = 0
  cachedTokens = 0
  completionTokens = 0
  firstTokenAtMicros = 0

  /** When its key expires, in Unix milliseconds, as far as is known by now; null: never. */
  expiresAt: number | null

  readonly #deps: ExchangeDeps
  readonly #admission: Admission
  readonly #reply: ClientReply
  readonly #clock = new TokenClock()
  readonly #pursuit: Pursuit
  #identity: UsageIdentity | null = null
  #body: Buffer | null
  #phase: Phase = 'queued'
  #continuation: Continuation | null = null
  /** What the next node is to be sent, where that is not the client's own request. */
  #next: Question | null = null

  // performance.now() milliseconds; 0: not yet.
  #firstSentAt = 0
  #lastByteAt = 0
  /** When the client had everything, or left: what we still read of the node is not its time. */
  #clientDoneAt = 0
  /** Whether we are handling bytes of the node: what follows them is our own time. */
  #handling = false
  /** When something has to happen if nothing else does; looked at by {@link sweep}. */
  #deadline = Infinity
  #pingAt = Infinity

  /** @param body kept until it cannot be needed again, and not with the admission, which lives as long as the stream */
  constructor(deps: ExchangeDeps, admission: Admission, body: Buffer) {
    const { call } = admission
    this.#deps = deps
    this.#admission = admission
    this.expiresAt = admission.isCopy ? null : admission.key.expiresAt
    this.#body = body
    this.#pursuit = new Pursuit(deps, admission, this)
    this.#reply = new ClientReply({
      call,
      facts: () => ({
        overheadMicros: Math.round(this.#overheadMs() * 1000),
        attempts: this.#pursuit.attempts.length,
        nodeId: this.#pursuit.attempt?.target.id ?? '',
      }),
      limits: () => this.#admission.reservation.headers(),
      onSlow: () => {
        this.#holdNode()
      },
      onReady: () => {
        this.#releaseNode()
      },
    })
  }

  /** Finds a node, puts the request into the spool, and sends it when the kernel has it; or waits, or refuses. */
  begin(): void {
    this.#deps.open.add(this)
    this.#deps.metrics.openRequests.inc()
    this.#admission.call.onAbort(() => {
      this.#clientLeft()
    })
    if (this.#admission.head.stream) this.#pingAt = performance.now() + PING_MS
    const refusal = this.#pursuit.begin()
    if (refusal !== null) this.#refuse(refusal)
    else if (this.#pursuit.waiting) this.#deadline = this.#pursuit.waitsUntil()
  }

  /** As it was when the request was admitted. */
  get key(): ResolvedKey {
    return this.#admission.key
  }

  get streamBegun(): boolean {
    return this.#reply.started
  }

  // --- spool ---------------------------------------------------------------------------------------------

  beginLine(): Buffer {
    return identityLine(this.#known())
  }

  begun(): void {
    try {
      const { attempt } = this.#pursuit
      if (this.#phase === 'beginning' && attempt !== null) this.#send(attempt)
      else this.#settleAbort()
    } catch (error) {
      // The spool would log it and leave the request open for ever.
      this.#fail(new GatewayError('internal_error', { cause: error }))
    }
  }

  /** Nothing was recorded and no node was asked: a refusal, not a usage record. */
  beginFailed(error: unknown): void {
    if (this.#phase === 'settled') return
    this.#refuse(new GatewayError('storage_full', { cause: error }))
  }

  #known(): UsageIdentity {
    if (this.#identity === null) throw new Error('A request without a node has no identity.')
    return this.#identity
  }

  // --- towards a node ------------------------------------------------------------------------------------

  onPlaced(attempt: Attempt): void {
    this.#deadline = Infinity
    if (this.#identity !== null) {
      this.#send(attempt)
      return
    }
    this.#identity = identityOf(this.#admission, attempt)
    this.#phase = 'beginning'
    this.#deps.spool.begin(this)
  }

  #send(attempt: Attempt): void {
    const question = this.#question()
    if (this.#phase === 'beginning') this.#phase = 'waiting'
    this.#continuation ??= continuationFor(this.#admission, attempt, question.body)
    this.#pursuit.ask(attempt, question, this.#continuation?.answer ?? null)
    if (this.#firstSentAt === 0) this.#firstSentAt = attempt.sentAt
    this.#deadline = this.#firstTokenBy(attempt)
  }

  #question(): Question {
    if (this.#next !== null) return this.#next
    if (this.#body === null) throw new Error('The body of a request that is to be sent is gone.')
    return { body: this.#body, head: this.#admission.head }
  }

  #firstTokenBy(attempt: Attempt): number {
    const streamMs = attempt.route.route.firstTokenTimeoutMs
    return attempt.sentAt + (this.#admission.head.stream ? streamMs : Math.max(streamMs, PLAIN_TIMEOUT_MS))
  }

  /** Until when the node may stay silent, `since` its last byte: the first token has a deadline of its own. */
  #nextTokenBy(attempt: Attempt, since: number): number {
    return attempt.firstTokenAt > 0 ? since + attempt.route.route.idleTimeoutMs : this.#firstTokenBy(attempt)
  }

  onAttemptFailure(attempt: Attempt, failure: UpstreamFailure): void {
    const fault: AttemptFailure =
      failure.code === 'upstream_connection_failed'
        ? 'refused'
        : failure.code === 'upstream_connection_lost'
          ? 'lost'
          : 'invalid'
    const error = new GatewayError(failure.code, { cause: failure.cause })
    this.#attemptFailed(attempt, error, failure.code === 'internal_error' ? null : fault, failure.untouched)
  }

  /**
   * A node has failed this request: another one may be asked, if that is without harm.
   * @param fault what the node is to be blamed for; null: nothing
   * @param untouched no byte of the request reached it
   */
  #attemptFailed(
    attempt: Attempt,
    error: GatewayError,
    fault: AttemptFailure | null,
    untouched = false,
  ): void {
    if (this.#phase === 'settled' || attempt.endedAt !== 0) return
    if (this.#phase === 'tail') {
      this.#settle(200, '')
      return
    }
    if (this.#phase === 'leaving') {
      this.#settleAbort()
      return
    }
    if (!this.#pursuit.failed(attempt, error, fault)) {
      const { attempt: other } = this.#pursuit
      if (other !== null) this.#deadline = this.#firstTokenBy(other)
    } else if (this.#phase === 'relaying') this.#goOnElsewhere(attempt, error)
    else if (this.#phase === 'waiting' && this.#body !== null && this.#pursuit.mayRetry(attempt, untouched)) {
      this.#sought(this.#pursuit.again(error), error)
    } else this.#fail(error)
  }

  /** @param refusal why there is no other node; then `error` is the client's to hear */
  #sought(refusal: GatewayError | null, error: GatewayError): void {
    if (refusal !== null) this.#fail(error)
    else if (this.#pursuit.waiting) this.#deadline = this.#pursuit.waitsUntil()
  }

  /** The node of a stream has failed in the middle of it. */
  #goOnElsewhere(attempt: Attempt, error: GatewayError): void {
    const continuation = this.#continuation
    const next = continuation?.breakOff(attempt.tap, attempt.target.id, error.code) ?? null
    if (continuation === null || next === null) {
      this.#fail(error)
      return
    }
    this.#countTokens(null)
    if ('finish' in next) {
      this.#endStream(continuation.lastFrames(next.finish), true)
      return
    }
    this.#next = next
    this.#sought(this.#pursuit.goOn(attempt, next, error), error)
  }

  // --- the answer ----------------------------------------------------------------------------------------

  onAnswer(attempt: Attempt, bytes: Buffer, ended: boolean): void {
    if (this.#phase === 'settled') return
    this.#lastByteAt = performance.now()
    this.#handling = true
    if (attempt.succeeding) this.#pursuit.decide(attempt)
    if (this.#phase === 'tail') {
      if (ended) this.#settle(200, '')
    } else if (attempt.tap !== null) this.#onStream(attempt, attempt.tap, bytes, ended)
    else if (attempt.plain !== null) this.#onPlain(attempt, attempt.plain, bytes, ended)
    else this.#onError(attempt, bytes, ended)
    this.#handling = false
  }

  /** An answer has begun: the request cannot be sent again as it was. */
  #answerBegan(attempt: Attempt): void {
    this.#pursuit.answerBegan()
    // It may be that of a retry or a rival, at a node that does not count as it goes, though the first one does.
    if (this.#continuation !== null && !isContinuable(attempt)) this.#continuation = null
    if (this.#body !== null && this.#continuation === null) this.#releaseBody()
  }

  #onStream(attempt: Attempt, tap: SseTap, bytes: Buffer, ended: boolean): void {
    const before = tap.generated
    let forward = tap.read(bytes)
    if (ended) {
      const last = tap.end()
      if (last.length > 0) forward = Buffer.concat([forward, last])
    }
    if (tap.generated > before) this.#onTokens(attempt, tap)
    if (this.#continuation?.resumed === true) forward = this.#continuation.rewrite(forward)
    if (this.#phase === 'leaving') {
      if (ended) this.#settleAbort()
    } else if (tap.complete) this.#endStream(forward, ended)
    else if (ended && tap.finished && !tap.over) {
      // An engine that leaves [DONE] out: every choice has finished, so the client gets its proper end.
      this.#endStream(Buffer.concat([forward, DONE_FRAME]), ended)
    } else {
      this.#deadline = this.#nextTokenBy(attempt, this.#lastByteAt)
      this.#pass(attempt, forward)
      this.#checkStream(attempt, tap, ended)
    }
  }

  #checkStream(attempt: Attempt, tap: SseTap, ended: boolean): void {
    if (tap.errorFrame !== null) {
      const mapped = mapNodeErrorFrame(tap.errorFrame)
      if (mapped instanceof GatewayError) this.#nodeFailed(attempt, mapped)
      else this.#judged(attempt, mapped)
    } else if (tap.broken) {
      const cause = new Error('The stream said [DONE] before it had finished, or a frame was not valid.')
      this.#attemptFailed(attempt, new GatewayError('upstream_invalid_response', { cause }), 'invalid')
    } else if (ended) {
      const cause = new Error('The stream ended without an end.')
      this.#attemptFailed(attempt, new GatewayError('upstream_connection_lost', { cause }), 'lost')
    }
  }

  #onTokens(attempt: Attempt, tap: SseTap): void {
    if (attempt.firstTokenAt === 0) {
      attempt.began(this.#lastByteAt)
      this.#onFirstToken(attempt)
    }
    this.#clock.tick(this.#lastByteAt)
    this.#countTokens(tap)
  }

  #onFirstToken(attempt: Attempt): void {
    const now = Date.now()
    if (this.firstTokenAtMicros === 0) {
      this.firstTokenAtMicros = now * 1000
      this.#tellTtft(attempt, now)
    }
    attempt.target.observeTtft(this.#lastByteAt - attempt.sentAt, now)
    this.#continuation?.goOn(attempt.target.id, this.#lastByteAt)
  }

  /** What the client has had to wait for, in queues as well. */
  #tellTtft({ route }: Attempt, nowMs: number): void {
    const { call, bodyWaitMs, isCopy } = this.#admission
    if (!isCopy) route.traffic.demand.firstToken(this.#lastByteAt - call.startedAt - bodyWaitMs, nowMs)
  }

  #countTokens(tap: SseTap | null): void {
    const continuation = this.#continuation
    if (continuation?.resumed === true) {
      const counts = continuation.total(tap)
      this.promptTokens = continuation.reported(tap) ? counts.promptTokens : this.#known().promptEstimate
      this.cachedTokens = counts.cachedTokens
      this.completionTokens = counts.completionTokens
    } else if (tap !== null) {
      this.promptTokens = tap.reported ? tap.promptTokens : this.#known().promptEstimate
      this.cachedTokens = tap.cachedTokens
      this.completionTokens = tap.generated
    }
    this.#deps.spool.progress(this, this.#lastByteAt)
  }

  #pass(attempt: Attempt, bytes: Buffer): void {
    if (bytes.length === 0) return
    if (this.#phase !== 'relaying') {
      this.#phase = 'relaying'
      this.#answerBegan(attempt)
    }
    this.#pingAt = this.#lastByteAt + PING_MS
    this.#reply.pass('stream', bytes)
  }

  #endStream(last: Buffer, ended: boolean): void {
    this.#reply.end('stream', last)
    this.#clientDoneAt = performance.now()
    if (ended) {
      this.#settle(200, '')
      return
    }
    this.#phase = 'tail'
    this.#pingAt = Infinity
    this.#deadline = this.#lastByteAt + TAIL_MS
  }

  #onPlain(attempt: Attempt, plain: PlainReply, bytes: Buffer, ended: boolean): void {
    this.#answerBegan(attempt)
    const forward = plain.read(bytes)
    if (this.#phase === 'leaving') {
      if (ended) this.#settleAbort()
      return
    }
    if (forward !== null) {
      this.#phase = 'relaying'
      this.#deadline = this.#lastByteAt + attempt.route.route.idleTimeoutMs
      this.#reply.pass('plain', forward)
    }
    if (!ended) return
    if (!plain.passing && !plain.whole) {
      const cause = new Error('The reply is cut off.')
      this.#attemptFailed(attempt, new GatewayError('upstream_invalid_response', { cause }), 'invalid')
      return
    }
    // The time of a whole embedding says how fast the node is; that of a whole answer says how long it was.
    if (this.#admission.endpoint === 'embeddings') {
      const atMs = Date.now()
      attempt.target.observeTtft(this.#lastByteAt - attempt.sentAt, atMs)
      this.#tellTtft(attempt, atMs)
    }
    if (this.#reply.started) this.#reply.end('plain', '')
    else this.#reply.whole(200, plain.body())
    this.#settle(200, '')
  }

  #onError(attempt: Attempt, bytes: Buffer, ended: boolean): void {
    const found = attempt.readError(bytes, ended)
    if (found === null) return
    if (this.#phase === 'leaving') this.#settleAbort()
    else if (found instanceof GatewayError) this.#nodeFailed(attempt, found)
    else if (attempt !== this.#pursuit.attempt)
      this.#attemptFailed(attempt, new GatewayError('upstream_error'), null)
    else if (this.#reply.started) this.#judged(attempt, found)
    else {
      this.#reply.whole(found.status, found.body)
      this.#settle(found.status, 'invalid_parameter')
    }
  }

  /** A node refuses the request after the reply has begun. What it says of a part that we asked it for is not the client's. */
  #judged(attempt: Attempt, { body }: PassedError): void {
    const error = new GatewayError('upstream_error')
    if (attempt.reason === 'resume') this.#fail(this.#pursuit.lastError ?? error)
    else this.#fail(error, body)
  }

  /** The node says so itself. */
  #nodeFailed(attempt: Attempt, error: GatewayError): void {
    if (error.code === 'overloaded') {
      attempt.target.pushedBack(Date.now(), error.retryAfterMs ?? 0)
      this.#attemptFailed(attempt, error, null)
    } else
      this.#attemptFailed(attempt, error, error.code === 'upstream_invalid_response' ? 'invalid' : 'error')
  }

  // --- the client ----------------------------------------------------------------------------------------

  /** The client is slow: the node has to wait, since what is buffered here is our memory. */
  #holdNode(): void {
    this.#deadline = Infinity
    this.#pingAt = Infinity
    this.#pursuit.attempt?.call?.pause()
  }

  #releaseNode(): void {
    if (this.#phase !== 'relaying' && this.#phase !== 'waiting') return
    const now = performance.now()
    const { attempt, waiting } = this.#pursuit
    if (waiting || attempt === null) this.#deadline = this.#pursuit.waitsUntil()
    else if (attempt.plain === null) this.#deadline = this.#nextTokenBy(attempt, now)
    else this.#deadline = now + attempt.route.route.idleTimeoutMs
    if (attempt?.plain === null) this.#pingAt = now + PUSH_MS
    attempt?.call?.resume()
  }

  #clientLeft(): void {
    if (this.#clientDoneAt === 0) this.#clientDoneAt = performance.now()
    if (this.#phase === 'tail') this.#settle(200, '')
    else if (this.#phase === 'queued') this.#forget('client_closed', 499)
    else if (this.#phase === 'beginning') this.#phase = 'leaving'
    else if (this.#phase === 'waiting' || this.#phase === 'relaying') {
      this.#phase = 'leaving'
      this.#deadline = Infinity
      this.#pingAt = Infinity
      const { attempt, waiting } = this.#pursuit
      this.#pursuit.giveUpOthers()
      if (waiting || attempt === null) this.#settleAbort()
      else attempt.call?.finish()
    }
  }

  // --- time ----------------------------------------------------------------------------------------------

  /** Deadlines and pings; called for each open request several times a second. */
  sweep(now: number): void {
    if (now >= this.#pingAt) {
      this.#pingAt = now + PING_MS
      const { attempt } = this.#pursuit
      // A document whose head has come is no stream, and half a frame takes nothing behind it.
      if (attempt?.tap?.partial !== true && (attempt === null || attempt.plain === null)) this.#reply.ping()
    }
    if (this.#phase === 'waiting' || this.#phase === 'relaying') this.#checkAttempts(now)
    if (this.#pursuit.waiting && this.#isWaitOver(now)) return
    if (now < this.#deadline) return
    if (this.#phase === 'tail') {
      this.#pursuit.attempt?.call?.destroy()
      this.#settle(200, '')
    } else if (this.#phase === 'queued') this.#refuse(this.#pursuit.tooLong())
    else if (this.#phase === 'waiting' || this.#phase === 'relaying') this.#overdue()
  }

  /** Ends a wait for what does not come any more; one that has been long enough may go on. @returns whether it has ended */
  #isWaitOver(now: number): boolean {
    const refusal = this.#pursuit.inVain()
    if (refusal !== null) {
      this.#fail(refusal)
      return true
    }
    if (now >= this.#deadline) this.#deadline = this.#pursuit.waitsUntil()
    return false
  }

  #checkAttempts(now: number): void {
    const { attempt, rival } = this.#pursuit
    if (rival !== null) this.#checkConnection(rival, now)
    if (attempt !== null && attempt.endedAt === 0) this.#checkConnection(attempt, now)
    const continuation = this.#continuation
    if (this.#phase === 'waiting' && !this.#pursuit.waiting && this.#body !== null) {
      this.#pursuit.hedge(now, this.#question(), continuation?.answer ?? null)
    }
    if (continuation !== null && !continuation.resumed && !continuation.answer.faithful) {
      this.#continuation = null
      if (this.#phase === 'relaying') this.#releaseBody()
    }
  }

  /** Also that of a second connection, where the first one turned out to be closed. */
  #checkConnection(attempt: Attempt, now: number): void {
    const { call } = attempt
    if (call === null || call.connected) return
    if (now < call.connectingSince + attempt.route.route.connectionTimeoutMs) return
    const cause = new Error('The node did not accept the connection in time.')
    this.onAttemptFailure(attempt, { code: 'upstream_connection_failed', untouched: true, cause })
  }

  /** Nothing has come for too long: of the node, or of the queue. */
  #overdue(): void {
    const { attempt, waiting, lastError } = this.#pursuit
    if (attempt === null || waiting) {
      this.#fail(lastError ?? this.#pursuit.tooLong())
      return
    }
    const started = attempt.firstTokenAt > 0 || attempt.plain?.passing === true
    const error = new GatewayError(started ? 'idle_timeout' : 'first_token_timeout')
    // A whole answer that takes long may be nearly there; asked again it would take as long.
    if (this.#admission.head.stream) this.#attemptFailed(attempt, error, 'timeout')
    else {
      attempt.target.failed('timeout', Date.now())
      this.#fail(error)
    }
  }

  /** Ends what is still open, because the process has to. */
  shutDown(): void {
    if (this.#phase === 'leaving') {
      this.#pursuit.attempt?.call?.destroy()
      this.#settleAbort()
    } else if (this.#phase === 'queued') this.#refuse(new GatewayError('draining'))
    else this.#fail(new GatewayError('draining'))
  }

  /** Ends it with an error that is the client's to see, unless there is nothing left to end. */
  end(error: GatewayError): void {
    if (this.#phase !== 'leaving' && this.#phase !== 'tail') this.#fail(error)
  }

  /** Our own time from the head to the node being asked. */
  #overheadMs(): number {
    const { call, bodyWaitMs } = this.#admission
    const until = this.#firstSentAt === 0 ? performance.now() : this.#firstSentAt
    return until - call.startedAt - bodyWaitMs - (this.#firstSentAt === 0 ? 0 : this.#queuedBefore())
  }

  /** The wait for the first node. */
  #queuedBefore(): number {
    return this.#pursuit.attempts[0]?.queuedMs ?? 0
  }

  // --- the end -------------------------------------------------------------------------------------------

  /** Nothing was recorded and no node was asked. */
  #refuse(error: GatewayError): void {
    if (this.#phase === 'settled') return
    this.#forget(error.code, error.status)
    if (this.#reply.started) this.#reply.fail(error, false)
    else this.#admission.call.fail(error, this.#admission.reservation.headers())
  }

  #forget(code: ErrorCode, status: number): void {
    this.#phase = 'settled'
    this.#admission.reservation.cancel()
    this.#release('abandoned')
    this.#deps.metrics.refusals.labels({ code }).inc()
    this.#explain(status, code)
  }

  /** @param body replaces the error's envelope, where the node's own words are the client's to see */
  #fail(error: GatewayError, body?: string): void {
    if (this.#phase === 'settled') return
    if (this.#phase === 'queued') {
      this.#refuse(error)
      return
    }
    const { call, tap } = this.#pursuit.attempt ?? { call: null, tap: null }
    const connected = call?.connected === true
    call?.destroy()
    // The rest is no fault of a node.
    if (error.status >= 500 && error.code !== 'draining')
      this.#deps.metrics.upstreamErrors.labels({ code: error.code }).inc()
    // What the client has seen of a reply that had begun is a 200, and then that it failed.
    const status = this.#reply.started && error.status < 500 ? 200 : error.status
    if (tap?.partial === true) this.#reply.cut()
    else this.#reply.fail(error, connected, body)
    this.#settle(status, error.code, error.cause)
  }

  #settleAbort(): void {
    this.#settle(ERRORS.client_closed.status, 'client_closed')
  }

  #releaseBody(): void {
    if (this.#body === null) return
    this.#body = null
    this.#admission.request.forgetBody()
    // What has not gone out whole may still be read by a socket.
    const { attempt, attempts } = this.#pursuit
    const call = attempt?.call ?? null
    this.#admission.held.release(call === null || (attempts.length === 1 && call.flushed))
  }

  #release(outcome: Attempt['outcome']): void {
    this.#releaseBody()
    this.#deps.open.delete(this)
    this.#deps.metrics.openRequests.dec()
    this.#pursuit.end(outcome)
  }

  #settle(status: number, code: ErrorCode | '', cause?: unknown): void {
    if (this.#phase === 'settled') return
    this.#phase = 'settled'
    this.#deadline = Infinity
    this.#pingAt = Infinity
    const identity = this.#known()
    const { counts, reported } = billOf({
      attempt: this.#pursuit.attempt,
      continuation: this.#continuation,
      promptEstimate: identity.promptEstimate,
      status,
    })
    const now = performance.now()
    const { attempt, attempts } = this.#pursuit
    const itlMicros = this.#clock.itlMicros(counts.completionTokens)
    // One that has ended before failed.
    if (status === 200 && attempt?.endedAt === 0) {
      const atMs = Date.now()
      attempt.target.succeeded(atMs)
      if (itlMicros !== null) attempt.target.observeItl(itlMicros / 1000, atMs)
    }
    this.#release(code === '' ? 'ok' : code === 'client_closed' ? 'abandoned' : code)
    const endedAt = this.#clientDoneAt === 0 ? now : this.#clientDoneAt
    const { startedAt } = this.#admission.call
    const behindNodeMs = this.#handling ? now - this.#lastByteAt : 0
    // Member by member: a spread before more members makes V8 build a dictionary (8% of a small request).
    const outcome = {
      promptTokens: counts.promptTokens,
      cachedTokens: counts.cachedTokens,
      completionTokens: counts.completionTokens,
      nodeId: attempt?.target.id ?? identity.nodeId,
      node: attempt?.target.node.clusterName ?? identity.node,
      status,
      errorCode: code,
      clientAbort: code === 'client_closed',
      counted: reported ? 'reported' : 'estimated',
      endedAtMicros: Date.now() * 1000,
      ttftMicros: this.#clock.ttftMicros(startedAt),
      itlMicros,
      e2eMicros: (endedAt - startedAt) * 1000,
      overheadMicros: (this.#overheadMs() + behindNodeMs) * 1000,
      attempts: attempts.length,
      resumed: this.#continuation?.seams.length ?? 0,
    } as const
    const { reservation } = this.#admission
    const nanos = reservation.budgeted ? costNumber(counts, identity.prices) : 0
    reservation.settle(counts.promptTokens + counts.completionTokens, nanos)
    this.#deps.settle(this, identity, outcome, cause)
    this.#explain(status, code)
  }

  #explain(status: number, code: ErrorCode | ''): void {
    const { queuePosition, explained, attempts } = this.#pursuit
    const seams = this.#continuation?.seams ?? []
    const toldOf = explained || isUnusual({ attempts, queuePosition, seams, errorCode: code })
    if (this.#admission.isCopy || !toldOf) return
    const { call, key, asked, route, endpoint, head, admittedAt, bodyWaitMs } = this.#admission
    const { reservation, limitsWait } = this.#admission
    this.#deps.explanations.record(
      explain({
        call,
        key,
        asked,
        chosen: route,
        endpoint,
        stream: head.stream,
        admittedAt,
        limitsWait,
        limits: reservation.left(),
        bodyWaitMs,
        endedAt: this.#clientDoneAt === 0 ? performance.now() : this.#clientDoneAt,
        status,
        errorCode: code,
        position: queuePosition,
        attempts,
        seams,
      }),
    )
  }
}
