import { errorBody, ERRORS, GatewayError, type ErrorCode } from '../core/errors.js'
import type { ResponseHead } from '../core/http-response.js'
import { mapNodeError, mapNodeErrorFrame } from '../core/node-error.js'
import type { RequestHead } from '../core/request-head.js'
import type { ResolvedKey } from '../core/resolved-key.js'
import { SseTap } from '../core/sse-tap.js'
import { identityLine } from '../core/usage-line.js'
import type { TokenCounts, UsageEndpoint, UsageIdentity } from '../core/usage-record.js'
import type { Headers, HttpCall } from '../io/uws.js'
import type { ProxyMetrics } from '../io/metrics.js'
import { PlainReply } from './plain-reply.js'
import type { ModelRoute, Router } from './routing.js'
import type { Settle } from './settle.js'
import type { Spool, SpoolEntry } from './spool.js'
import type { Target } from './target.js'
import type { Upstream, UpstreamCall, UpstreamEvents, UpstreamFailure } from './upstream.js'
import { buildUpstreamRequest } from './upstream-request.js'

/**
 * One admitted request from the spool's `begin` to its settlement: asks a node, relays its answer, survives the
 * client's leaving and the node's failing, and settles exactly once. Hot path: no promise, no closure and no JSON
 * parse for each token (bench: stream, small).
 */
export interface ExchangeDeps {
  readonly router: Router
  readonly upstream: Upstream
  readonly spool: Spool
  readonly settle: Settle
  readonly metrics: ProxyMetrics
  /** Requests under way; the sweep looks through them. */
  readonly open: Set<Exchange>
}

export interface Admission {
  readonly call: HttpCall
  readonly key: ResolvedKey
  readonly endpoint: UsageEndpoint
  readonly body: Buffer
  readonly head: RequestHead
  readonly route: ModelRoute
  /** Milliseconds spent waiting for the client's body: not ours to answer for. */
  readonly bodyWaitMs: number
  /** Gives the body's bytes back to the process's budget. */
  readonly releaseBody: () => void
}

const STREAM_HEADERS: Headers = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache',
  'x-accel-buffering': 'no',
}
const PING = ': ping\n\n'
const PING_MS = 15_000
const DONE_FRAME = 'data: [DONE]\n\n'
const NOTHING = Buffer.alloc(0)
/** An error reply of a node is read up to this. */
const ERROR_BODY_BYTES = 64 * 1024
/** A plain reply takes as long as its generation: the official clients' own default. */
const PLAIN_TIMEOUT_MS = 600_000
/** How long the end of a response may lag behind `[DONE]`. */
const TAIL_MS = 1_000
/** After back-pressure ends, what uWebSockets.js holds is pushed out by a comment when nothing else comes. */
const PUSH_MS = 100
/** How long a client may take to read the error frame before it is cut off. */
const CUT_MS = 10_000

type Phase =
  /** The spool has not confirmed the begin. */
  | 'beginning'
  /** A node was asked; nothing of its answer has been passed on. */
  | 'waiting'
  /** The answer is being passed on. */
  | 'relaying'
  /** The client has had everything; the node's response has not formally ended. */
  | 'tail'
  /** The client left; what the node had already written is being counted. */
  | 'leaving'
  | 'settled'

export class Exchange implements SpoolEntry, UpstreamEvents {
  spoolId = 0
  spoolMoved = false
  readonly beginLine: string
  promptTokens = 0
  cachedTokens = 0
  completionTokens = 0
  firstTokenAtMicros = 0

  readonly #deps: ExchangeDeps
  readonly #admission: Admission
  readonly #identity: UsageIdentity
  readonly #call: HttpCall
  #body: Buffer | null
  #phase: Phase = 'beginning'
  #target: Target
  readonly #tried: Target[] = []
  #attempts = 0
  #upstream: UpstreamCall | null = null
  #head: ResponseHead | null = null
  #tap: SseTap | null = null
  #plain: PlainReply | null = null
  #errorParts: Buffer[] = []
  #errorLength = 0
  /** Whether reply headers have gone to the client. */
  #started = false
  #slowClient = false

  // performance.now() milliseconds; 0: not yet.
  #sentAt = 0
  #firstSentAt = 0
  #firstTokenAt = 0
  #lastTokenAt = 0
  #lastByteAt = 0
  /** When something has to happen if nothing else does; looked at by {@link sweep}. */
  #deadline = Infinity
  #pingAt = Infinity

  constructor(deps: ExchangeDeps, admission: Admission, target: Target) {
    this.#deps = deps
    this.#admission = admission
    this.#call = admission.call
    this.#body = admission.body
    this.#target = target
    target.inFlight++
    const { key, route, head } = admission
    this.#identity = {
      requestId: admission.call.requestId,
      tenantId: key.tenantId,
      environmentId: key.environmentId,
      apiKeyId: key.keyId,
      modelId: route.model.id,
      model: route.model.name,
      nodeId: target.id,
      node: target.node.clusterName,
      endpoint: admission.endpoint,
      stream: head.stream,
      startedAtMicros: Math.floor((Date.now() - (performance.now() - admission.call.startedAt)) * 1000),
      prices: route.model.prices,
      promptEstimate: Math.ceil(head.promptBytes / 4),
    }
    this.beginLine = identityLine(this.#identity)
  }

  /** Puts the request into the spool; it goes to the node when the kernel has it. */
  begin(): void {
    this.#deps.open.add(this)
    this.#deps.metrics.openRequests.inc()
    this.#call.onAbort(() => {
      this.#clientLeft()
    })
    if (this.#admission.head.stream) this.#pingAt = performance.now() + PING_MS
    this.#deps.spool.begin(this)
  }

  // --- spool ---------------------------------------------------------------------------------------------

  begun(): void {
    if (this.#phase === 'beginning') this.#send()
    else this.#settleAbort()
  }

  /** Nothing was recorded and no node was asked: a refusal, not a usage record. */
  beginFailed(error: unknown): void {
    this.#release()
    this.#phase = 'settled'
    this.#deps.metrics.refusals.labels({ code: 'storage_full' }).inc()
    this.#call.fail(new GatewayError('storage_full', { cause: error }))
  }

  // --- towards the node ----------------------------------------------------------------------------------

  #send(): void {
    const { call, endpoint, head, route } = this.#admission
    const body = this.#body
    if (body === null) throw new Error('The body of a request that is to be sent is gone.')
    this.#phase = 'waiting'
    this.#attempts++
    this.#sentAt = performance.now()
    if (this.#firstSentAt === 0) this.#firstSentAt = this.#sentAt
    this.#deadline = this.#sentAt + route.route.connectionTimeoutMs
    const request = buildUpstreamRequest(call, endpoint, body, head, this.#target)
    this.#upstream = this.#deps.upstream.send(this.#target.node.endpointUrl, request, this)
    if (this.#upstream.connected) this.#deadline = this.#sentAt + this.#firstByteMs()
  }

  #firstByteMs(): number {
    const { route, head } = this.#admission
    const streamMs = route.route.firstTokenTimeoutMs
    return head.stream ? streamMs : Math.max(streamMs, PLAIN_TIMEOUT_MS)
  }

  /** The node did not take the connection: another one may be asked without harm. */
  #nextTarget(failure: UpstreamFailure): void {
    const now = Date.now()
    this.#target.refused(now)
    this.#deps.metrics.upstreamErrors.labels({ code: failure.code }).inc()
    this.#tried.push(this.#target)
    const next = this.#deps.router.pick(this.#admission.route, this.#tried)
    if (typeof next === 'string') {
      this.#fail(new GatewayError('upstream_connection_failed', { cause: failure.cause }))
      return
    }
    this.#target.inFlight--
    this.#target = next
    next.inFlight++
    this.#send()
  }

  onHead(head: ResponseHead): void {
    this.#head = head
    const { head: request } = this.#admission
    if (head.status !== 200) return
    if (request.stream && head.contentType === 'text/event-stream') {
      const options = request.streamOptions
      const mode =
        options?.continuousUsageStats === true && options.includeUsage
          ? 'untouched'
          : options?.includeUsage === true
            ? 'final'
            : 'cut'
      this.#tap = new SseTap({ mode, choices: request.n })
    } else if (head.contentType === 'application/json') {
      this.#plain = new PlainReply()
    }
  }

  onBody(bytes: Buffer, ended: boolean): void {
    if (this.#phase === 'settled') return
    this.#lastByteAt = performance.now()
    this.#releaseBody()
    if (this.#phase === 'tail') {
      if (ended) this.#settle(200, '')
    } else if (this.#tap !== null) this.#onStream(this.#tap, bytes, ended)
    else if (this.#plain !== null) this.#onPlain(this.#plain, bytes, ended)
    else this.#onErrorBody(bytes, ended)
  }

  onFailure(failure: UpstreamFailure): void {
    switch (this.#phase) {
      case 'settled':
        return
      case 'tail':
        this.#settle(200, '')
        return
      case 'leaving':
        this.#settleAbort()
        return
      case 'beginning':
      case 'waiting':
      case 'relaying':
        if (failure.untouched && !this.#started) this.#nextTarget(failure)
        else this.#fail(new GatewayError(failure.code, { cause: failure.cause }))
    }
  }

  // --- the answer ----------------------------------------------------------------------------------------

  #onStream(tap: SseTap, bytes: Buffer, ended: boolean): void {
    const before = tap.generated
    let forward = tap.read(bytes)
    if (ended) {
      const last = tap.end()
      if (last.length > 0) forward = Buffer.concat([forward, last])
    }
    if (tap.generated > before) this.#countTokens(tap)
    if (this.#phase === 'leaving') {
      if (ended) this.#settleAbort()
      return
    }
    if (tap.complete || (ended && tap.finished && !tap.over)) {
      this.#endStream(forward, tap.complete, ended)
      return
    }
    this.#deadline = this.#lastByteAt + this.#admission.route.route.idleTimeoutMs
    this.#pass(forward)
    if (tap.errorFrame !== null) {
      const mapped = mapNodeErrorFrame(tap.errorFrame)
      this.#fail(mapped instanceof GatewayError ? mapped : new GatewayError('upstream_error'), mapped)
    } else if (tap.broken) {
      this.#fail(
        new GatewayError('upstream_invalid_response', { cause: new Error('The stream did not finish.') }),
      )
    } else if (ended) {
      this.#fail(
        new GatewayError('upstream_connection_lost', { cause: new Error('The stream ended early.') }),
      )
    }
  }

  #countTokens(tap: SseTap): void {
    if (this.#firstTokenAt === 0) {
      this.#firstTokenAt = this.#lastByteAt
      this.firstTokenAtMicros = Date.now() * 1000
      this.#target.observeTtft(this.#firstTokenAt - this.#sentAt, Date.now())
    }
    this.#lastTokenAt = this.#lastByteAt
    this.promptTokens = tap.reported ? tap.promptTokens : this.#identity.promptEstimate
    this.cachedTokens = tap.cachedTokens
    this.completionTokens = tap.generated
    if (!this.spoolMoved) this.#deps.spool.progress(this)
  }

  /** Passes bytes of a stream on; starts the reply with the first of them. */
  #pass(bytes: Buffer): void {
    if (bytes.length === 0) return
    this.#phase = 'relaying'
    let taken: boolean
    if (this.#started) taken = this.#call.write(bytes)
    else {
      this.#started = true
      taken = this.#call.start(200, this.#replyHeaders(STREAM_HEADERS), bytes)
    }
    this.#pingAt = this.#lastByteAt + PING_MS
    if (!taken) this.#holdNode()
  }

  /** The client is slow: the node has to wait, since what is buffered here is our memory. */
  #holdNode(): void {
    this.#deadline = Infinity
    this.#pingAt = Infinity
    this.#upstream?.pause()
    if (this.#slowClient) return
    this.#slowClient = true
    this.#call.onWritable(() => {
      const now = performance.now()
      this.#deadline = now + this.#admission.route.route.idleTimeoutMs
      this.#pingAt = now + PUSH_MS
      this.#upstream?.resume()
    })
  }

  #endStream(last: Buffer, done: boolean, ended: boolean): void {
    const forward = done ? last : Buffer.concat([last, Buffer.from(DONE_FRAME)])
    if (this.#started) this.#call.end(forward)
    else {
      this.#started = true
      this.#call.start(200, this.#replyHeaders(STREAM_HEADERS), forward)
      this.#call.end(NOTHING)
    }
    if (ended) {
      this.#settle(200, '')
      return
    }
    this.#phase = 'tail'
    this.#pingAt = Infinity
    this.#deadline = this.#lastByteAt + TAIL_MS
  }

  #onPlain(plain: PlainReply, bytes: Buffer, ended: boolean): void {
    const forward = plain.read(bytes)
    if (this.#phase === 'leaving') {
      if (ended) this.#settleAbort()
      return
    }
    if (forward !== null) {
      this.#phase = 'relaying'
      this.#deadline = this.#lastByteAt + this.#admission.route.route.idleTimeoutMs
      const taken = this.#started
        ? this.#call.write(forward)
        : this.#call.start(200, this.#replyHeaders({ 'content-type': 'application/json' }), forward)
      this.#started = true
      if (!taken) this.#holdNode()
    }
    if (!ended) return
    this.#firstTokenAt = this.#lastTokenAt = this.#lastByteAt
    this.#target.observeTtft(this.#firstTokenAt - this.#sentAt, Date.now())
    if (this.#started) this.#call.end(NOTHING)
    else this.#call.reply(200, this.#replyHeaders({ 'content-type': 'application/json' }), plain.body())
    this.#settle(200, '')
  }

  #onErrorBody(bytes: Buffer, ended: boolean): void {
    if (this.#errorLength < ERROR_BODY_BYTES) {
      this.#errorParts.push(Buffer.from(bytes))
      this.#errorLength += bytes.length
    }
    if (!ended) return
    if (this.#phase === 'leaving') {
      this.#settleAbort()
      return
    }
    const { status, retryAfter } = this.#head ?? { status: 0, retryAfter: null }
    const mapped = mapNodeError(status, retryAfter, Buffer.concat(this.#errorParts).toString())
    if (mapped instanceof GatewayError) {
      this.#fail(mapped)
      return
    }
    if (this.#started) {
      this.#fail(new GatewayError('upstream_error'), mapped)
      return
    }
    this.#call.reply(mapped.status, this.#replyHeaders({ 'content-type': 'application/json' }), mapped.body)
    this.#settle(mapped.status, 'invalid_parameter')
  }

  #replyHeaders(headers: Headers): Headers {
    return {
      ...headers,
      'x-gateway-overhead-us': String(Math.round(this.#overheadMs() * 1000)),
      'x-gateway-attempts': String(this.#attempts),
      'x-gateway-node': this.#target.id,
    }
  }

  // --- ends ----------------------------------------------------------------------------------------------

  /**
   * Ends in an error: as a status while no header has gone out, afterwards as a frame and a cut connection. A
   * `passed` error of the node takes the place of our envelope.
   */
  #fail(error: GatewayError, passed?: unknown): void {
    if (this.#phase === 'settled') return
    this.#upstream?.destroy()
    this.#deps.metrics.upstreamErrors.labels({ code: error.code }).inc()
    if (!this.#started) {
      const retry: Headers = ERRORS[error.code].status >= 500 ? { 'x-should-retry': 'false' } : {}
      this.#call.fail(error, this.#replyHeaders(this.#attempts > 0 ? retry : {}))
    } else if (this.#plain === null) {
      const body = isPassed(passed) ? passed.body : errorBody(error)
      if (this.#call.write(`data: ${body}\n\n`)) this.#call.cut()
      else this.#cutWhenRead()
    } else this.#call.cut()
    this.#settle(error.status, error.code, error.cause)
  }

  /** The error frame is buffered behind what a slow client has yet to read. */
  #cutWhenRead(): void {
    const call = this.#call
    const timer = setTimeout(() => {
      call.cut()
    }, CUT_MS)
    call.onAbort(() => {
      clearTimeout(timer)
    })
    // A further write pushes the buffer out; the connection ends when it has been taken whole.
    call.onWritable(() => {
      if (!call.write('\n')) return
      clearTimeout(timer)
      call.cut()
    })
  }

  #clientLeft(): void {
    switch (this.#phase) {
      case 'settled':
        return
      case 'tail':
        this.#settle(200, '')
        return
      case 'beginning':
        this.#phase = 'leaving'
        return
      case 'leaving':
        return
      case 'waiting':
      case 'relaying':
        this.#phase = 'leaving'
        this.#deadline = Infinity
        this.#pingAt = Infinity
        this.#upstream?.finish()
    }
  }

  #settleAbort(): void {
    this.#settle(ERRORS.client_closed.status, 'client_closed')
  }

  /** Deadlines and pings; called for each open request several times a second. */
  sweep(now: number): void {
    if (now >= this.#pingAt) this.#ping(now)
    if (now < this.#deadline) return
    if (this.#phase === 'tail') {
      this.#upstream?.destroy()
      this.#settle(200, '')
    } else if (this.#phase === 'waiting') {
      const connected = this.#upstream?.connected === true
      if (connected && now < this.#sentAt + this.#firstByteMs()) {
        this.#deadline = this.#sentAt + this.#firstByteMs()
      } else if (connected) {
        this.#fail(new GatewayError('first_token_timeout'))
      } else {
        this.#upstream?.destroy()
        const cause = new Error('The node did not accept the connection in time.')
        this.onFailure({ code: 'upstream_connection_failed', untouched: true, cause })
      }
    } else if (this.#phase === 'relaying') this.#fail(new GatewayError('idle_timeout'))
  }

  #ping(now: number): void {
    this.#pingAt = now + PING_MS
    let taken: boolean
    if (this.#started) taken = this.#call.write(PING)
    else {
      this.#started = true
      taken = this.#call.start(200, this.#replyHeaders(STREAM_HEADERS), PING)
    }
    if (!taken) this.#holdNode()
  }

  /** Ends what is still open, because the process has to. */
  shutDown(): void {
    if (this.#phase === 'leaving') {
      this.#upstream?.destroy()
      this.#settleAbort()
    } else this.#fail(new GatewayError('draining'))
  }

  #releaseBody(): void {
    if (this.#body === null) return
    this.#body = null
    this.#admission.releaseBody()
  }

  #release(): void {
    this.#releaseBody()
    this.#target.inFlight--
    this.#deps.open.delete(this)
    this.#deps.metrics.openRequests.dec()
  }

  /** Our own time from the head to the node being asked. */
  #overheadMs(): number {
    const { call, bodyWaitMs } = this.#admission
    return (this.#firstSentAt === 0 ? performance.now() : this.#firstSentAt) - call.startedAt - bodyWaitMs
  }

  #tokens(status: number): TokenCounts & { reported: boolean } {
    const tap = this.#tap
    if (tap?.reported === true) return { ...pick(tap), reported: true }
    const counts: TokenCounts = { promptTokens: 0, cachedTokens: 0, completionTokens: 0 }
    if (this.#plain?.usage(counts) === true) return { ...counts, reported: true }
    const generated = tap?.generated ?? 0
    // A node that failed before it made anything is not the tenant's to pay.
    const served = status === 200 || generated > 0
    const wanted = status === ERRORS.client_closed.status && this.#attempts > 0 && this.#head?.status !== 400
    if (served || wanted) counts.promptTokens = this.#identity.promptEstimate
    counts.completionTokens = generated
    return { ...counts, reported: !(served || wanted) }
  }

  #settle(status: number, code: ErrorCode | '', cause?: unknown): void {
    if (this.#phase === 'settled') return
    this.#phase = 'settled'
    this.#deadline = Infinity
    this.#pingAt = Infinity
    const { reported, ...tokens } = this.#tokens(status)
    this.#release()
    const now = performance.now()
    const start = this.#call.startedAt
    const between = this.#lastTokenAt - this.#firstTokenAt
    const behindNode = this.#lastByteAt === 0 ? 0 : now - this.#lastByteAt
    this.#deps.settle(
      this,
      this.#identity,
      {
        ...tokens,
        nodeId: this.#target.id,
        node: this.#target.node.clusterName,
        status,
        errorCode: code,
        clientAbort: code === 'client_closed',
        counted: reported ? 'reported' : 'estimated',
        endedAtMicros: Date.now() * 1000,
        ttftMicros: this.#firstTokenAt === 0 ? null : (this.#firstTokenAt - start) * 1000,
        itlMicros:
          between > 0 && tokens.completionTokens > 1
            ? (between * 1000) / (tokens.completionTokens - 1)
            : null,
        e2eMicros: (now - start) * 1000,
        overheadMicros: (this.#overheadMs() + behindNode) * 1000,
        attempts: this.#attempts,
      },
      cause,
    )
  }
}

function pick(counts: TokenCounts): TokenCounts {
  return {
    promptTokens: counts.promptTokens,
    cachedTokens: counts.cachedTokens,
    completionTokens: counts.completionTokens,
  }
}

function isPassed(value: unknown): value is { readonly body: string } {
  return typeof value === 'object' && value !== null && 'body' in value && !(value instanceof GatewayError)
}
