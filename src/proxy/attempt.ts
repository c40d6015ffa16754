import type { AnswerText } from '../core/answer-text.js'
import type { ErrorCode, GatewayError } from '../core/errors.js'
import type { AttemptReason, ChosenBy, ConsideredNode } from '../core/explanation.js'
import type { ResponseHead } from '../core/http-response.js'
import { mapNodeError, type PassedError } from '../core/node-error.js'
import type { RequestHead } from '../core/request-head.js'
import { SseTap } from '../core/sse-tap.js'
import type { UsageEndpoint } from '../core/usage-record.js'
import { PlainReply } from './plain-reply.js'
import type { ModelRoute } from './routing.js'
import type { AwaitedToken, Target } from './target.js'
import type { Upstream, UpstreamCall, UpstreamEvents, UpstreamFailure, UpstreamRequest } from './upstream.js'
import { usageMode } from './upstream-request.js'

/** An error reply of a node is read up to this. */
const ERROR_BODY_BYTES = 64 * 1024

/** Who made an attempt; hears of its answer. */
export interface AttemptOwner {
  /** The client has been sent the head of a stream: a document would be an end without an answer. */
  readonly streamBegun: boolean
  onAnswer(attempt: Attempt, bytes: Buffer, ended: boolean): void
  onAttemptFailure(attempt: Attempt, failure: UpstreamFailure): void
}

export interface AttemptOptions {
  readonly owner: AttemptOwner
  /** Of the model that the node serves. */
  readonly route: ModelRoute
  readonly target: Target
  readonly reason: AttemptReason
  readonly endpoint: UsageEndpoint
  readonly head: RequestHead
  /** Who was to choose from, where that is to be told. */
  readonly considered: readonly ConsideredNode[]
  readonly chosenBy: ChosenBy
  /** Milliseconds waited for the node in a queue. */
  readonly queuedMs: number
}

/** One request to one node: its place at the node, the connection, and what is read of the answer. Hot path. */
export class Attempt implements UpstreamEvents, AwaitedToken {
  /** Among those that wait for a first token at the node. */
  place = -1
  readonly route: ModelRoute
  readonly target: Target
  readonly reason: AttemptReason
  readonly considered: readonly ConsideredNode[]
  readonly queuedMs: number
  readonly chosenBy: ChosenBy
  // performance.now() milliseconds; 0: not yet.
  readonly pickedAt = performance.now()
  sentAt = 0
  firstTokenAt = 0
  endedAt = 0
  outcome: ErrorCode | 'ok' | 'abandoned' = 'abandoned'
  /** Usage and success of a streamed answer; null before its head, and for other answers. */
  tap: SseTap | null = null
  plain: PlainReply | null = null
  call: UpstreamCall | null = null

  readonly #owner: AttemptOwner
  readonly #endpoint: UsageEndpoint
  readonly #request: RequestHead
  /** Collects the text of a stream that may have to be continued. */
  #answer: AnswerText | null = null
  #head: ResponseHead | null = null
  #errorParts: Buffer[] = []
  #errorLength = 0

  /** Takes a place at the node. */
  constructor(options: AttemptOptions) {
    this.#owner = options.owner
    this.route = options.route
    this.target = options.target
    this.reason = options.reason
    this.considered = options.considered
    this.queuedMs = options.queuedMs
    this.chosenBy = options.chosenBy
    this.#endpoint = options.endpoint
    this.#request = options.head
    this.target.enter()
  }

  /** @param answer collects the text of a stream */
  send(upstream: Upstream, request: UpstreamRequest, answer: AnswerText | null): void {
    this.#answer = answer
    this.sentAt = performance.now()
    if (this.#request.stream) this.target.awaiting.add(this)
    this.call = upstream.send(this.target.node.endpointUrl, request, this)
  }

  /** The node's answer is one that can go to the client. */
  get succeeding(): boolean {
    return this.tap !== null || this.plain !== null
  }

  /** When its connection stood, in `performance.now()` milliseconds; that of a reused one stood when it was sent. */
  get connectedAt(): number {
    const at = this.call?.connectedAt ?? 0
    return at === 0 ? 0 : Math.max(at, this.sentAt)
  }

  onHead(head: ResponseHead): void {
    this.#head = head
    if (head.orca !== null) this.target.observeOrca(head.orca, Date.now())
    if (head.status !== 200) return
    const request = this.#request
    if (request.stream && head.contentType === 'text/event-stream') {
      this.tap = new SseTap({
        mode: usageMode(request, this.target.node.engine),
        choices: request.n,
        prompts: this.#endpoint === 'completions' ? request.prompts : 1,
        answer: this.#answer,
        whole: this.reason === 'resume',
      })
    } else if (head.contentType === 'application/json' && !this.#owner.streamBegun)
      this.plain = new PlainReply()
  }

  onBody(bytes: Buffer, ended: boolean): void {
    this.#owner.onAnswer(this, bytes, ended)
  }

  onFailure(failure: UpstreamFailure): void {
    this.#owner.onAttemptFailure(this, failure)
  }

  /**
   * Takes a part of an answer that is no success.
   * @returns what it comes to once it is whole: an answer that judges the request, or an error of ours; null before
   */
  readError(bytes: Buffer, ended: boolean): PassedError | GatewayError | null {
    if (this.#errorLength < ERROR_BODY_BYTES) {
      this.#errorParts.push(Buffer.from(bytes))
      this.#errorLength += bytes.length
    }
    if (!ended) return null
    const { status, retryAfter } = this.#head ?? { status: 0, retryAfter: null }
    return mapNodeError(status, retryAfter, Buffer.concat(this.#errorParts).toString())
  }

  /** Its first token has come, with a read at this time. */
  began(atMs: number): void {
    this.firstTokenAt = atMs
    this.target.awaiting.delete(this)
  }

  /** Gives the place at the node back, once; further calls do nothing. */
  end(outcome: Attempt['outcome']): void {
    if (this.endedAt !== 0) return
    this.endedAt = performance.now()
    this.outcome = outcome
    this.target.awaiting.delete(this)
    this.target.leave()
    this.route.traffic.queue.dispatch()
  }

  /** Its answer is not wanted any more. */
  abandon(): void {
    this.call?.destroy()
    this.end('abandoned')
  }
}
