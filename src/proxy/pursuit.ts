import type { AnswerText } from '../core/answer-text.js'
import { GatewayError } from '../core/errors.js'
import type { AttemptReason, ExplanationSink } from '../core/explanation.js'
import type { RequestHead } from '../core/request-head.js'
import type { ProxyMetrics } from '../io/metrics.js'
import type { Admission } from './admission.js'
import { Attempt, type AttemptOwner } from './attempt.js'
import { type Placed, Placing } from './placing.js'
import type { Router } from './routing.js'
import type { AttemptFailure } from './target.js'
import type { Upstream } from './upstream.js'
import { buildUpstreamRequest, tellsUsageAsItGoes } from './upstream-request.js'

export interface PursuitDeps {
  readonly router: Router
  readonly upstream: Upstream
  readonly metrics: ProxyMetrics
  readonly explanations: Pick<ExplanationSink, 'sample'>
}

export interface PursuitOwner extends AttemptOwner {
  /** There is a node, at once or after a wait: it is to be sent the request. */
  onPlaced(attempt: Attempt): void
}

/** What a node is sent. */
export interface Question {
  readonly body: Buffer
  readonly head: RequestHead
}

/** A request with a longer prompt is not sent to two nodes: prefill is what costs. */
const HEDGED_PROMPT_BYTES = 8 * 1024

/**
 * The nodes that one request is sent to: the first, another one where that fails or breaks off, a second one beside a
 * slow one. Knows nothing of the client; whoever owns it decides what a failure means.
 */
export class Pursuit {
  /** The one whose answer counts; kept when it has ended, until there is another. */
  attempt: Attempt | null = null
  /** Asked beside it, since it is slow; the first to answer stays. */
  rival: Attempt | null = null
  /** All there were. */
  readonly attempts: Attempt[] = []
  /** It waits for a node with room. */
  waiting = false
  /** Why another node is being asked: the client's to hear if there is none. */
  lastError: GatewayError | null = null
  readonly #deps: PursuitDeps
  readonly #admission: Admission
  readonly #owner: PursuitOwner
  readonly #placing: Placing
  #reason: AttemptReason = 'first'
  /** Part of the retry budget that this request holds. */
  #retrying = false
  #head: RequestHead

  constructor(deps: PursuitDeps, admission: Admission, owner: PursuitOwner) {
    this.#deps = deps
    this.#admission = admission
    this.#owner = owner
    this.#head = admission.head
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
  }

  /** Whether what there was to choose from has been noted. */
  get explained(): boolean {
    return this.#placing.explained
  }

  /** Its place in a queue when it first had to wait; null: it never had. */
  get queuePosition(): number | null {
    return this.#placing.position
  }

  /** When a wait has been long enough, in `performance.now()` milliseconds; to be asked again then. */
  waitsUntil(): number {
    return this.#placing.waitsUntil()
  }

  /** Why the wait is in vain by now; null: it is not. */
  inVain(): GatewayError | null {
    return this.#placing.inVain()
  }

  /** Why a wait that has been long enough was. */
  tooLong(): GatewayError {
    return this.#placing.tooLong()
  }

  /** Looks for the first node. @returns why there is none; null: there is, or it is being waited for */
  begin(): GatewayError | null {
    const { retries, demand } = this.#placing.traffic
    retries.requestBegan()
    demand.requested(Date.now())
    return this.#place(false)
  }

  /** Sends the request to the node that was found. @param answer collects the text of a stream */
  ask(attempt: Attempt, question: Question, answer: AnswerText | null): void {
    const { call, endpoint } = this.#admission
    const { body, head } = question
    attempt.send(
      this.#deps.upstream,
      buildUpstreamRequest(call, endpoint, body, head, attempt.target),
      answer,
    )
  }

  /**
   * An attempt has failed.
   * @param fault what the node is to be blamed for; null: nothing
   * @returns whether there is no other one under way
   */
  failed(attempt: Attempt, error: GatewayError, fault: AttemptFailure | null): boolean {
    if (fault !== null) attempt.target.failed(fault, Date.now())
    attempt.call?.destroy()
    attempt.end(error.code)
    this.#placing.tried.push(attempt.target)
    const rival = this.rival
    this.rival = null
    if (rival === null) return true
    if (attempt !== rival) this.attempt = rival
    return false
  }

  /** Whether the request may be sent again. @param untouched no byte of it reached the node */
  mayRetry(attempt: Attempt, untouched: boolean): boolean {
    if (this.#admission.isCopy) return false
    // Who took no connection has been asked nothing.
    if (untouched) return true
    // What has begun to come may have been billed.
    if (attempt.plain !== null && attempt.plain.length > 0) return false
    const { attempts, budgetPercent } = attempt.route.route.retry
    const asked = this.attempts.filter(({ outcome }) => outcome !== 'upstream_connection_failed').length
    return asked < attempts && this.#takeRetry(budgetPercent)
  }

  /** Looks for another node. @returns as {@link begin} */
  again(error: GatewayError): GatewayError | null {
    return this.#seek('retry', error)
  }

  /** Looks for a node of the same model that can go on with what this one began. @returns as {@link begin} */
  goOn(broken: Attempt, question: Question, error: GatewayError): GatewayError | null {
    this.#head = question.head
    const unable = broken.route.targets.filter(({ node }) => !tellsUsageAsItGoes(node.engine))
    // Who failed before the last token may have come back; who failed since will not do either.
    const failed = broken.firstTokenAt > 0 ? [broken.target] : this.#placing.tried
    this.#placing.stayWith(broken.route, [...failed, ...unable])
    return this.#seek('resume', error)
  }

  /** The node is slow with its first token: another one is asked as well, where the route says so. */
  hedge(now: number, question: Question, answer: AnswerText | null): void {
    const { attempt } = this
    const { route, head, isCopy, request } = this.#admission
    const { hedgeAfterMs, budgetPercent } = route.route.retry
    if (attempt === null || hedgeAfterMs === null || this.attempts.length > 1 || isCopy) return
    if (now < attempt.sentAt + hedgeAfterMs || head.promptBytes > HEDGED_PROMPT_BYTES) return
    const { router, metrics } = this.#deps
    const tried = [attempt.target]
    const target = router.pick(route, request, tried)
    if (typeof target === 'string' || !this.#takeRetry(budgetPercent)) return
    metrics.repeats.labels({ reason: 'hedge' }).inc()
    const considered = router.consider(route, tried)
    const chosenBy = router.chooses(route, request)
    this.rival = this.#attemptAt({ route, target, considered, chosenBy, queuedMs: 0 }, 'hedge')
    this.ask(this.rival, question, answer)
  }

  /** Of two nodes that were asked one has answered well: the other is let go. */
  decide(winner: Attempt): void {
    const rival = this.rival
    if (rival === null) return
    const loser = winner === rival ? this.attempt : rival
    this.attempt = winner
    this.rival = null
    loser?.abandon()
  }

  /** An answer has begun: what was asked for is no retry any more. */
  answerBegan(): void {
    if (!this.#retrying) return
    this.#retrying = false
    this.#placing.traffic.retries.retryEnded()
  }

  /** The client has left: nobody but the node whose answer counts is listened to. */
  giveUpOthers(): void {
    this.rival?.abandon()
    this.rival = null
  }

  /** Nothing more is wanted; called once. */
  end(outcome: Attempt['outcome']): void {
    this.#placing.leave()
    this.#leaveQueue()
    this.answerBegan()
    this.#placing.traffic.retries.requestEnded()
    this.giveUpOthers()
    this.attempt?.end(outcome)
  }

  #seek(reason: AttemptReason, error: GatewayError): GatewayError | null {
    this.#deps.metrics.upstreamErrors.labels({ code: error.code }).inc()
    this.#deps.metrics.repeats.labels({ reason }).inc()
    this.#placing.explained = true
    this.#reason = reason
    this.lastError = error
    return this.#place(true)
  }

  #place(again: boolean): GatewayError | null {
    const found = this.#placing.place(again)
    if (found instanceof GatewayError) return found
    if (found === 'waiting') {
      this.waiting = true
      this.#deps.metrics.queuedRequests.inc()
    } else this.#placed(found)
    return null
  }

  #placed(placed: Placed): void {
    if (this.waiting) this.#deps.metrics.queueWait.observe(placed.queuedMs / 1000)
    this.#leaveQueue()
    this.attempt = this.#attemptAt(placed, this.#reason)
    this.#owner.onPlaced(this.attempt)
  }

  #attemptAt(placed: Placed, reason: AttemptReason): Attempt {
    const { endpoint } = this.#admission
    const attempt = new Attempt({ owner: this.#owner, reason, endpoint, head: this.#head, ...placed })
    this.attempts.push(attempt)
    return attempt
  }

  #leaveQueue(): void {
    if (!this.waiting) return
    this.waiting = false
    this.#deps.metrics.queuedRequests.dec()
  }

  #takeRetry(budgetPercent: number): boolean {
    this.#retrying ||= this.#placing.traffic.retries.tryBegin(budgetPercent)
    return this.#retrying
  }
}
