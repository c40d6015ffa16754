import { AnswerText } from '../core/answer-text.js'
import { continuedRequest, tokensLeft } from '../core/continued-request.js'
import type { ErrorCode } from '../core/errors.js'
import type { Seam } from '../core/explanation.js'
import { readRequestHead, type RequestHead } from '../core/request-head.js'
import { SeamRewriter } from '../core/seam-rewriter.js'
import type { SseTap } from '../core/sse-tap.js'
import type { TokenCounts, UsageEndpoint } from '../core/usage-record.js'
import type { Admission } from './admission.js'
import type { Attempt } from './attempt.js'
import { tellsUsageAsItGoes } from './upstream-request.js'

/** What a stream needs to be continued elsewhere; null where its route, its shape or the memory forbids it. */
export function continuationFor(admission: Admission, attempt: Attempt, body: Buffer): Continuation | null {
  const { endpoint, head, call, held, isCopy } = admission
  const possible =
    !isCopy &&
    head.stream &&
    head.n === 1 &&
    head.prompts === 1 &&
    endpoint !== 'embeddings' &&
    body.length <= MOST_KEPT_BODY_BYTES &&
    isContinuable(attempt) &&
    !held.crowded
  return possible ? new Continuation(endpoint, body, head, call.startedAt) : null
}

/** Whether the route of this attempt and the engine of its node allow that its answer is gone on with elsewhere. */
export function isContinuable({ route, target }: Pick<Attempt, 'route' | 'target'>): boolean {
  return route.route.resumeStreams && tellsUsageAsItGoes(target.node.engine)
}

/** A request with a longer body is not continued: it would have to be kept for as long as its stream lasts. */
const MOST_KEPT_BODY_BYTES = 256 * 1024
/** A stream that so many nodes have failed is given up: it may be what they fail of. */
const MOST_BREAKS = 3

/** A seam until the next token has come. */
interface OpenSeam {
  readonly fromNode: string
  readonly afterTokens: number
  readonly cause: ErrorCode
  /** `performance.now()` */
  readonly seenAt: number
}

/** The request with which a node is asked to go on, or what there is to say when nothing is left to be made. */
export type NextPart =
  { readonly body: Buffer; readonly head: RequestHead } | { readonly finish: 'length' | null } | null

/**
 * What the client of a stream has had of it, and how another node goes on from there. Made for each stream whose
 * route says so; costs a copy of each token's text until the first failure.
 */
export class Continuation {
  readonly answer: AnswerText
  readonly seams: Seam[] = []
  readonly #endpoint: UsageEndpoint
  readonly #head: RequestHead
  readonly #startedAt: number
  readonly #body: Buffer
  /** Of the nodes before the present one. */
  #carried: TokenCounts = { promptTokens: 0, cachedTokens: 0, completionTokens: 0 }
  #carriedReported = false
  /** Tokens are among them that their node had said nothing of. */
  #carriedGuess = false
  /** The stream that has been carried over last. */
  #carriedTap: SseTap | null = null
  #openSeam: OpenSeam | null = null
  #breaks = 0
  #rewriter: SeamRewriter | null = null

  /**
   * @param body must stay as it is
   * @param startedAt of the request, `performance.now()`
   */
  constructor(endpoint: UsageEndpoint, body: Buffer, head: RequestHead, startedAt: number) {
    this.answer = new AnswerText(endpoint === 'chat.completions' ? 'chat' : 'completion')
    this.#endpoint = endpoint
    this.#head = head
    this.#startedAt = startedAt
    this.#body = body
  }

  /** The client reads what one node says, unless another has had to go on. */
  get resumed(): boolean {
    return this.#rewriter !== null
  }

  /** Tokens of the whole answer so far. @param tap of the present node */
  total(tap: SseTap | null): TokenCounts {
    if (tap === null || tap === this.#carriedTap) return this.#carried
    return this.#with(tap.reported ? tap : null, tap.generated)
  }

  /** Whether any node has told what it used. */
  reported(tap: SseTap | null): boolean {
    return this.#carriedReported || tap?.reported === true
  }

  /** Whether every node that made tokens has told how many. */
  exact(tap: SseTap | null): boolean {
    const present = tap === this.#carriedTap ? null : tap
    return !this.#carriedGuess && (present === null || present.reported || present.generated === 0)
  }

  /**
   * The node has failed: what it made is carried over.
   * @returns what the next one is to be asked; null: another node would not give the same answer
   */
  breakOff(tap: SseTap | null, fromNode: string, cause: ErrorCode): NextPart {
    // Behind half a frame nothing can be said.
    if (tap?.partial === true || !this.answer.faithful || this.#breaks >= MOST_BREAKS) return null
    this.#breaks++
    if (tap !== null) this.#carry(tap)
    const first = this.answer.firstFrame
    if (first === null) return null
    const soFar = { text: this.answer.text(), completionTokens: this.#carried.completionTokens }
    const left = tokensLeft(this.#head.maxTokens, soFar)
    const done = tap?.finished === true
    const body =
      done || (left !== null && left <= 0) ? null : continuedRequest(this.#endpoint, this.#body, soFar)
    this.#rewriter ??= new SeamRewriter(first, (own) => this.#with(own, own.completionTokens))
    // Of two failures without a token between them the first began the gap.
    this.#openSeam ??= {
      fromNode,
      afterTokens: soFar.completionTokens,
      cause,
      seenAt: performance.now(),
    }
    if (done) return { finish: null }
    if (left !== null && left <= 0) return { finish: 'length' }
    return body === null ? null : { body, head: body === this.#body ? this.#head : readRequestHead(body) }
  }

  /** A node has made the next token. */
  goOn(toNode: string, atMs: number): void {
    const seam = this.#openSeam
    if (seam === null) return
    this.#openSeam = null
    this.seams.push({
      fromNode: seam.fromNode,
      toNode,
      afterTokens: seam.afterTokens,
      atMicros: Math.round((seam.seenAt - this.#startedAt) * 1000),
      gapMicros: Math.round((atMs - seam.seenAt) * 1000),
      cause: seam.cause,
    })
  }

  /** Frames of a node that goes on, as the client is to read them. */
  rewrite(frames: Buffer): Buffer {
    return this.#rewriter === null ? frames : this.#rewriter.rewrite(frames)
  }

  /** The last frames of an answer that needs no further node. */
  lastFrames(finish: 'length' | null): Buffer {
    const usage = this.#head.streamOptions?.includeUsage === true ? this.#carried : null
    return (
      this.#rewriter?.finish(this.#endpoint === 'chat.completions', finish, usage) ??
      Buffer.from('data: [DONE]\n\n')
    )
  }

  #carry(tap: SseTap): void {
    const whole = this.total(tap)
    this.#carriedGuess = !this.exact(tap)
    this.#carriedTap = tap
    this.#carriedReported ||= tap.reported
    this.#carried = whole
  }

  /** @param own what the present node reports; null: nothing */
  #with(own: TokenCounts | null, completionTokens: number): TokenCounts {
    const { promptTokens, cachedTokens, completionTokens: before } = this.#carried
    const total = { promptTokens, cachedTokens, completionTokens: before + completionTokens }
    if (own === null || this.#carriedReported) return total
    // What was made before has become a part of the prompt that this node was given.
    total.promptTokens = Math.max(0, own.promptTokens - before)
    total.cachedTokens = own.cachedTokens
    return total
  }
}
