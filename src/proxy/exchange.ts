import { ERRORS, GatewayError, type ErrorCode } from '../core/errors.js'
import { type AttemptReason, type ExplanationSink, isUnusual } from '../core/explanation.js'
import { mapNodeErrorFrame } from '../core/node-error.js'
import type { RequestHead } from '../core/request-head.js'
import type { ResolvedKey } from '../core/resolved-key.js'
import type { SseTap } from '../core/sse-tap.js'
import { identityLine } from '../core/usage-line.js'
import type { TokenCounts, UsageEndpoint, UsageIdentity } from '../core/usage-record.js'
import type { ProxyMetrics } from '../io/metrics.js'
import { Attempt, type AttemptOwner } from './attempt.js'
import type { HeldBody } from './body-memory.js'
import { ClientReply, type ClientCall } from './client-reply.js'
import { Continuation, MOST_KEPT_BODY_BYTES } from './continuation.js'
import { explain } from './explain.js'
import { Placing, type Placed } from './placing.js'
import type { PlainReply } from './plain-reply.js'
import type { RoutedRequest } from './routed-request.js'
import type { ModelRoute, Router } from './routing.js'
import type { Settle } from './settle.js'
import type { OpenEntry, Spool, SpoolEntry } from './spool.js'
import type { Placed as InList, SwapList } from './swap-list.js'
import type { AttemptFailure } from './target.js'
import { TokenClock } from './token-clock.js'
import type { Upstream, UpstreamFailure } from './upstream.js'
import { buildUpstreamRequest, tellsUsageAsItGoes } from './upstream-request.js'

/**
 * One request from the moment that its head was found good to its settlement: waits for a node that has room, asks
 * it, relays its answer, asks another one where that is possible, survives the client's leaving, and settles exactly
 * once. Hot path: no promise, no closure and no JSON parse for each token (bench: stream, small).
 */
export interface ExchangeDeps {
  readonly router: Router
  readonly upstream: Upstream
  readonly spool: Spool
  readonly settle: Settle
  readonly metrics: ProxyMetrics
  readonly explanations: ExplanationSink
  /** Requests under way; the sweep looks through them. */
  readonly open: SwapList<Exchange>
}

export interface Admission {
  readonly call: ClientCall
  readonly key: ResolvedKey
  readonly endpoint: UsageEndpoint
  readonly head: RequestHead
  /** Of the model that was asked for: it is billed, whichever serves. */
  readonly asked: ModelRoute
  /** Of the one that is to serve. */
  readonly route: ModelRoute
  readonly request: RoutedRequest
  /** Share of the tenant's turns where requests wait, > 0. */
  readonly weight: number
  /** `performance.now()` when key and body were there. */
  readonly admittedAt: number
  /** Milliseconds spent waiting for the client's body: not ours to answer for. */
  readonly bodyWaitMs: number
  /** The memory of the body. */
  readonly held: HeldBody
  /** Nobody reads the answer: it gets a node at once or none, and one alone. */
  readonly isCopy: boolean
}

const PING_MS = 15_000
const DONE_FRAME = Buffer.from('data: [DONE]\n\n')
/** A plain reply takes as long as its generation: the official clients' own default. */
const PLAIN_TIMEOUT_MS = 600_000
/** How long the end of a response may lag behind `[DONE]`. */
const TAIL_MS = 1_000
/** After back-pressure ends, what uWebSockets.js holds is pushed out by a comment when nothing else comes. */
const PUSH_MS = 100
/** A request with a longer prompt is not sent to two nodes: prefill is what costs. */
const HEDGED_PROMPT_BYTES = 8 * 1024

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

export class Exchange implements SpoolEntry, AttemptOwner, InList {
  place = -1
  spoolId = 0
  spoolMoved = false
  spoolOpen: OpenEntry | null = null
  promptTokens = 0
  cachedTokens = 0
  completionTokens = 0
  firstTokenAtMicros = 0

  readonly #deps: ExchangeDeps
  readonly #admission: Admission
  readonly #reply: ClientReply
  readonly #clock = new TokenClock()
  readonly #placing: Placing
  #identity: UsageIdentity | null = null
  #body: Buffer | null
  #phase: Phase = 'queued'
  /** The one whose answer is passed on; kept when it has ended, until there is another. */
  #attempt: Attempt | null = null
  /** Asked beside it, since it is slow; the first to answer stays. */
  #rival: Attempt | null = null
  /** All there were. */
  readonly #attempts: Attempt[] = []
  #continuation: Continuation | null = null
  /** What the next node is to be sent, where that is not the client's own request. */
  #next: { readonly body: Buffer; readonly head: RequestHead } | null = null
  #seeking: AttemptReason = 'first'
  /** Why another node is being asked: the client's to hear if there is none. */
  #lastError: GatewayError | null = null
  /** Part of the retry budget that this request holds. */
  #retrying = false
  /** It waits for a node with room. */
  #queued = false

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
    this.#body = body
    this.#placing = new Placing({
      router: deps.router,
      route: admission.route,
      request: admission.request,
      tenantId: admission.key.tenantId,
      weight: admission.weight,
      explained: !admission.isCopy && deps.explanations.sample(),
      waits: !admission.isCopy,
      onPlaced: (placed) => {
        this.#placed(placed)
      },
    })
    this.#reply = new ClientReply({
      call,
      facts: () => ({
        overheadMicros: Math.round(this.#overheadMs() * 1000),
        attempts: this.#attempts.length,
        nodeId: this.#attempt?.target.id ?? '',
      }),
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
    this.#placing.traffic.retries.requestBegan()
    this.#admission.call.onAbort(() => {
      this.#clientLeft()
    })
    if (this.#admission.head.stream) this.#pingAt = performance.now() + PING_MS
    const found = this.#placing.place(false)
    if (found === 'waiting') this.#enterQueue()
    else if (found instanceof GatewayError) this.#refuse(found)
    else this.#placed(found)
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
      if (this.#phase === 'beginning') this.#send()
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

  /** What is known of the request before a node is asked. */
  #identify(first: Attempt): UsageIdentity {
    const { call, key, asked, endpoint, head } = this.#admission
    return {
      requestId: call.requestId,
      tenantId: key.tenantId,
      environmentId: key.environmentId,
      apiKeyId: key.keyId,
      modelId: asked.model.id,
      model: asked.model.name,
      nodeId: first.target.id,
      node: first.target.node.clusterName,
      endpoint,
      stream: head.stream,
      startedAtMicros: Math.floor((Date.now() - (performance.now() - call.startedAt)) * 1000),
      prices: asked.model.prices,
      // A base64 image is no text: more than the model can take was never in the prompt.
      promptEstimate: Math.min(
        Math.ceil(head.promptBytes / 4) + head.promptTokenIds,
        asked.model.contextLength,
      ),
    }
  }

  #known(): UsageIdentity {
    if (this.#identity === null) throw new Error('A request without a node has no identity.')
    return this.#identity
  }

  // --- towards a node ------------------------------------------------------------------------------------

  /** There is a node, at once or after a wait. */
  #placed(placed: Placed): void {
    if (this.#queued) {
      this.#leaveQueue()
      this.#deps.metrics.queueWait.observe(placed.queuedMs / 1000)
      this.#deadline = Infinity
    }
    const { endpoint } = this.#admission
    const head = this.#next?.head ?? this.#admission.head
    const attempt = new Attempt({ owner: this, reason: this.#seeking, endpoint, head, ...placed })
    this.#attempts.push(attempt)
    this.#attempt = attempt
    if (this.#identity !== null) {
      this.#send()
      return
    }
    this.#identity = this.#identify(attempt)
    this.#phase = 'beginning'
    this.#deps.spool.begin(this)
  }

  #enterQueue(): void {
    this.#queued = true
    this.#deadline = this.#placing.waitsUntil
    this.#deps.metrics.queuedRequests.inc()
  }

  #leaveQueue(): void {
    if (!this.#queued) return
    this.#queued = false
    this.#deps.metrics.queuedRequests.dec()
  }

  #send(): void {
    const attempt = this.#attempt
    const body = this.#next?.body ?? this.#body
    if (attempt === null || body === null)
      throw new Error('There is nothing to be sent, or nobody to send it to.')
    if (this.#phase === 'beginning') this.#phase = 'waiting'
    this.#continuation ??= this.#mayContinue(attempt, body)
    this.#ask(attempt, body)
    if (this.#firstSentAt === 0) this.#firstSentAt = attempt.sentAt
    this.#deadline = this.#firstTokenBy(attempt)
  }

  #ask(attempt: Attempt, body: Buffer): void {
    const { call, endpoint, head } = this.#admission
    const request = buildUpstreamRequest(call, endpoint, body, this.#next?.head ?? head, attempt.target)
    attempt.send(this.#deps.upstream, request, this.#continuation?.answer ?? null)
  }

  /** What a stream needs to be continued elsewhere; null where its route, its shape or the memory forbids it. */
  #mayContinue(attempt: Attempt, body: Buffer): Continuation | null {
    const { endpoint, head, call, held, isCopy } = this.#admission
    const { engine } = attempt.target.node
    const possible =
      !isCopy &&
      head.stream &&
      attempt.route.route.resumeStreams &&
      head.n === 1 &&
      head.prompts === 1 &&
      endpoint !== 'embeddings' &&
      body.length <= MOST_KEPT_BODY_BYTES &&
      tellsUsageAsItGoes(engine) &&
      !held.crowded
    return possible ? new Continuation(endpoint, body, head, call.startedAt) : null
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
    if (fault !== null) attempt.target.failed(fault, Date.now())
    attempt.call?.destroy()
    attempt.end(error.code)
    if (attempt === this.#rival) {
      this.#rival = null
      return
    }
    this.#placing.tried.push(attempt.target)
    if (this.#rival !== null) {
      this.#attempt = this.#rival
      this.#rival = null
      this.#deadline = this.#firstTokenBy(this.#attempt)
      return
    }
    this.#lastError = error
    if (this.#phase === 'relaying') this.#continueElsewhere(attempt, error)
    else if (this.#mayRetry(attempt, untouched)) this.#seek('retry', error)
    else this.#fail(error)
  }

  /** Whether nothing can have been billed to the client yet, and the model's nodes can bear it. */
  #mayRetry(attempt: Attempt, untouched: boolean): boolean {
    if (this.#phase !== 'waiting' || this.#body === null || this.#admission.isCopy) return false
    // Who took no connection has been asked nothing.
    if (untouched) return true
    const { attempts, budgetPercent } = attempt.route.route.retry
    if (attempt.plain !== null && attempt.plain.length > 0) return false
    const asked = this.#attempts.filter(({ outcome }) => outcome !== 'upstream_connection_failed').length
    return asked < attempts && this.#takeRetry(budgetPercent)
  }

  #takeRetry(budgetPercent: number): boolean {
    this.#retrying ||= this.#placing.traffic.retries.tryBegin(budgetPercent)
    return this.#retrying
  }

  #retryEnded(): void {
    if (!this.#retrying) return
    this.#retrying = false
    this.#placing.traffic.retries.retryEnded()
  }

  /** Asks another node; `error` is the client's if there is none. */
  #seek(reason: AttemptReason, error: GatewayError): void {
    this.#deps.metrics.upstreamErrors.labels({ code: error.code }).inc()
    this.#deps.metrics.repeats.labels({ reason }).inc()
    this.#placing.explained = true
    this.#seeking = reason
    const found = this.#placing.place(true)
    if (found === 'waiting') this.#enterQueue()
    else if (found instanceof GatewayError) this.#fail(error)
    else this.#placed(found)
  }

  /** The node of a stream has failed in the middle of it. */
  #continueElsewhere(attempt: Attempt, error: GatewayError): void {
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
    // Those that failed before may have come back; only this one has just failed.
    this.#placing.tried.splice(0, this.#placing.tried.length, attempt.target)
    this.#seek('resume', error)
  }

  /** The node is slow with its first token: another one is asked as well. */
  #hedge(now: number): void {
    const attempt = this.#attempt
    const body = this.#body
    const hedgeAfterMs = attempt?.route.route.retry.hedgeAfterMs ?? null
    if (attempt === null || body === null || hedgeAfterMs === null || this.#rival !== null) return
    if (now < attempt.sentAt + hedgeAfterMs || this.#attempts.length > 1) return
    const { head, endpoint, route, isCopy } = this.#admission
    if (isCopy || head.promptBytes > HEDGED_PROMPT_BYTES) return
    const { router } = this.#deps
    const tried = [attempt.target]
    const target = router.pick(route, this.#admission.request, tried)
    if (typeof target === 'string' || !this.#takeRetry(route.route.retry.budgetPercent)) return
    this.#deps.metrics.repeats.labels({ reason: 'hedge' }).inc()
    const considered = router.consider(route, tried)
    const chosenBy = router.chooses(route, this.#admission.request)
    this.#rival = new Attempt({
      owner: this,
      route,
      target,
      reason: 'hedge',
      endpoint,
      head,
      considered,
      chosenBy,
      queuedMs: 0,
    })
    this.#attempts.push(this.#rival)
    this.#ask(this.#rival, body)
  }

  /** Of two nodes that were asked one has answered well: the other is let go. */
  #decide(winner: Attempt): void {
    const loser = winner === this.#rival ? this.#attempt : this.#rival
    this.#attempt = winner
    this.#rival = null
    loser?.abandon()
  }

  // --- the answer ----------------------------------------------------------------------------------------

  onAnswer(attempt: Attempt, bytes: Buffer, ended: boolean): void {
    if (this.#phase === 'settled') return
    this.#lastByteAt = performance.now()
    this.#handling = true
    if (this.#rival !== null && attempt.succeeding) this.#decide(attempt)
    if (this.#phase === 'tail') {
      if (ended) this.#settle(200, '')
    } else if (attempt.tap !== null) this.#onStream(attempt, attempt.tap, bytes, ended)
    else if (attempt.plain !== null) this.#onPlain(attempt, attempt.plain, bytes, ended)
    else this.#onError(attempt, bytes, ended)
    this.#handling = false
  }

  /** An answer has begun: the request cannot be sent again as it was. */
  #answerBegan(): void {
    if (this.#retrying) this.#retryEnded()
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
    if (this.#continuation?.resumed === true && !tap.broken) forward = this.#continuation.rewrite(forward)
    if (this.#phase === 'leaving') {
      if (ended) this.#settleAbort()
    } else if (tap.complete) this.#endStream(forward, ended)
    else if (ended && tap.finished && !tap.over) {
      // An engine that leaves [DONE] out: every choice has finished, so the client gets its proper end.
      this.#endStream(Buffer.concat([forward, DONE_FRAME]), ended)
    } else {
      this.#deadline = this.#nextTokenBy(attempt, this.#lastByteAt)
      this.#pass(forward)
      this.#checkStream(attempt, tap, ended)
    }
  }

  #checkStream(attempt: Attempt, tap: SseTap, ended: boolean): void {
    if (tap.errorFrame !== null) {
      const mapped = mapNodeErrorFrame(tap.errorFrame)
      if (mapped instanceof GatewayError) this.#nodeFailed(attempt, mapped)
      else this.#fail(this.#ownError(attempt, new GatewayError('upstream_error')), mapped.body)
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
    if (this.firstTokenAtMicros === 0) this.firstTokenAtMicros = now * 1000
    attempt.target.observeTtft(this.#lastByteAt - attempt.sentAt, now)
    this.#continuation?.goOn(attempt.target.id, this.#lastByteAt)
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

  #pass(bytes: Buffer): void {
    if (bytes.length === 0) return
    if (this.#phase !== 'relaying') {
      this.#phase = 'relaying'
      this.#answerBegan()
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
    this.#pingAt = Infinity
    this.#answerBegan()
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
      attempt.target.observeTtft(this.#lastByteAt - attempt.sentAt, Date.now())
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
    else if (attempt === this.#rival) this.#attemptFailed(attempt, new GatewayError('upstream_error'), null)
    else if (this.#reply.started)
      this.#fail(this.#ownError(attempt, new GatewayError('upstream_error')), found.body)
    else {
      this.#rival?.abandon()
      this.#reply.whole(found.status, found.body)
      this.#settle(found.status, 'invalid_parameter')
    }
  }

  /** What a node says of the part that we asked it for is not the client's to hear. */
  #ownError(attempt: Attempt, error: GatewayError): GatewayError {
    return attempt.reason === 'resume' ? (this.#lastError ?? error) : error
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
    this.#attempt?.call?.pause()
  }

  #releaseNode(): void {
    if (this.#phase !== 'relaying' && this.#phase !== 'waiting') return
    const now = performance.now()
    const attempt = this.#attempt
    if (this.#queued || attempt === null) this.#deadline = this.#placing.waitsUntil
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
      this.#rival?.abandon()
      this.#rival = null
      if (this.#queued || this.#attempt === null) this.#settleAbort()
      else this.#attempt.call?.finish()
    }
  }

  // --- time ----------------------------------------------------------------------------------------------

  /** Deadlines and pings; called for each open request several times a second. */
  sweep(now: number): void {
    if (now >= this.#pingAt) {
      this.#pingAt = now + PING_MS
      if (this.#attempt?.tap?.partial !== true) this.#reply.ping()
    }
    if (this.#phase === 'waiting' || this.#phase === 'relaying') this.#checkAttempts(now)
    if (now < this.#deadline) return
    if (this.#phase === 'tail') {
      this.#attempt?.call?.destroy()
      this.#settle(200, '')
    } else if (this.#phase === 'queued') this.#refuse(new GatewayError('overloaded'))
    else if (this.#phase === 'waiting' || this.#phase === 'relaying') this.#overdue()
  }

  #checkAttempts(now: number): void {
    const attempt = this.#attempt
    if (attempt === null || attempt.endedAt !== 0) return
    if (this.#rival !== null) this.#checkConnection(this.#rival, now)
    this.#checkConnection(attempt, now)
    if (this.#phase === 'waiting') this.#hedge(now)
    const continuation = this.#continuation
    if (continuation !== null && !continuation.resumed && !continuation.answer.faithful) {
      this.#continuation = null
      this.#releaseBody()
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
    const attempt = this.#attempt
    if (attempt === null || this.#queued) {
      this.#fail(this.#lastError ?? new GatewayError('overloaded'))
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
      this.#attempt?.call?.destroy()
      this.#settleAbort()
    } else if (this.#phase === 'queued') this.#refuse(new GatewayError('draining'))
    else this.#fail(new GatewayError('draining'))
  }

  /** Our own time from the head to the node being asked. */
  #overheadMs(): number {
    const { call, bodyWaitMs } = this.#admission
    const until = this.#firstSentAt === 0 ? performance.now() : this.#firstSentAt
    return until - call.startedAt - bodyWaitMs - (this.#firstSentAt === 0 ? 0 : this.#queuedBefore())
  }

  /** The wait for the first node. */
  #queuedBefore(): number {
    return this.#attempts[0]?.queuedMs ?? 0
  }

  // --- the end -------------------------------------------------------------------------------------------

  /** Nothing was recorded and no node was asked. */
  #refuse(error: GatewayError): void {
    if (this.#phase === 'settled') return
    this.#forget(error.code, error.status)
    if (this.#reply.started) this.#reply.fail(error, false)
    else this.#admission.call.fail(error)
  }

  #forget(code: ErrorCode, status: number): void {
    this.#phase = 'settled'
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
    const { call, tap } = this.#attempt ?? { call: null, tap: null }
    const connected = call?.connected === true
    call?.destroy()
    if (error.code !== 'draining') this.#deps.metrics.upstreamErrors.labels({ code: error.code }).inc()
    if (tap?.partial === true) this.#reply.cut()
    else this.#reply.fail(error, connected, body)
    this.#settle(error.status, error.code, error.cause)
  }

  #settleAbort(): void {
    this.#settle(ERRORS.client_closed.status, 'client_closed')
  }

  #releaseBody(): void {
    if (this.#body === null) return
    this.#body = null
    this.#admission.request.forgetBody()
    // What has not gone out whole may still be read by a socket.
    const call = this.#attempt?.call ?? null
    this.#admission.held.release(call === null || (this.#attempts.length === 1 && call.flushed))
  }

  #release(outcome: Attempt['outcome']): void {
    this.#placing.leave()
    this.#leaveQueue()
    this.#retryEnded()
    this.#placing.traffic.retries.requestEnded()
    this.#releaseBody()
    this.#rival?.abandon()
    this.#deps.open.delete(this)
    this.#deps.metrics.openRequests.dec()
    this.#attempt?.end(outcome)
  }

  /** What is billed, and whether the engine itself said so. */
  #tokens(status: number): { counts: TokenCounts; reported: boolean } {
    const { tap, plain, call } = this.#attempt ?? { tap: null, plain: null, call: null }
    const continuation = this.#continuation
    if (continuation?.resumed === true && continuation.reported(tap)) {
      return { counts: continuation.total(tap), reported: true }
    }
    const counts: TokenCounts = { promptTokens: 0, cachedTokens: 0, completionTokens: 0 }
    if (tap?.reported === true) {
      counts.promptTokens = tap.promptTokens
      counts.cachedTokens = tap.cachedTokens
      counts.completionTokens = tap.completionTokens
      return { counts, reported: true }
    }
    if (plain?.usage(counts) === true) return { counts, reported: true }
    // What a node refused, or failed at before it made anything, is not the tenant's to pay.
    const left = status === ERRORS.client_closed.status && call?.sent === true
    const estimated = status === 200 || left ? plain?.estimate() : undefined
    const generated =
      continuation?.resumed === true ? continuation.total(tap).completionTokens : tap?.generated
    counts.completionTokens = generated ?? estimated ?? 0
    const billed = status === 200 || left || counts.completionTokens > 0
    if (billed) counts.promptTokens = this.#known().promptEstimate
    return { counts, reported: !billed }
  }

  #settle(status: number, code: ErrorCode | '', cause?: unknown): void {
    if (this.#phase === 'settled') return
    this.#phase = 'settled'
    this.#deadline = Infinity
    this.#pingAt = Infinity
    const identity = this.#known()
    const { counts, reported } = this.#tokens(status)
    const now = performance.now()
    const attempt = this.#attempt
    const itlMicros = this.#clock.itlMicros(counts.completionTokens)
    if (status === 200 && attempt !== null) {
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
      attempts: this.#attempts.length,
      resumed: this.#continuation?.seams.length ?? 0,
    } as const
    this.#deps.settle(this, identity, outcome, cause)
    this.#explain(status, code)
  }

  #explain(status: number, code: ErrorCode | ''): void {
    const { position: queuePosition, explained } = this.#placing
    const seams = this.#continuation?.seams ?? []
    const attempts = this.#attempts
    const toldOf = explained || isUnusual({ attempts, queuePosition, seams, errorCode: code })
    if (this.#admission.isCopy || !toldOf) return
    const { call, key, asked, route, endpoint, head, admittedAt, bodyWaitMs } = this.#admission
    this.#deps.explanations.record(
      explain({
        call,
        key,
        asked,
        chosen: route,
        endpoint,
        stream: head.stream,
        admittedAt,
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
