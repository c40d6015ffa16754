import { DecayedAverage } from '../core/ewma.js'
import type { Candidate } from '../core/policies/policy.js'
import type { NodeLive, SnapshotModel, SnapshotNode, SnapshotRoute } from '../core/snapshot.js'

/** What the leader saw of a node longer ago than this is unknown. */
const LIVE_FOR_MS = 5_000
/** A node that refused a connection is left alone for this long. */
const REFUSED_FOR_MS = 1_000
/** An observation of TTFT counts half after this. */
const TTFT_HALF_LIFE_MS = 10_000
/** With less knowledge than this (one observation, three half-lives ago) a TTFT counts as unknown. */
const LEAST_CONFIDENCE = 0.125

/**
 * What went wrong at a node: no connection; a connection lost in mid-answer; an answer that is none; no token in time;
 * an error of the node's own.
 */
export type AttemptFault = 'refused' | 'lost' | 'invalid' | 'timeout' | 'error'

/** A node as the router sees it. Lives on over snapshots, so that its live state does. */
export class Target implements Candidate {
  readonly id: string
  /** Of the endpoint: `host:port`. */
  host: string
  #node: SnapshotNode
  model: SnapshotModel
  route: SnapshotRoute
  #inFlight = 0
  /** The most of our own requests at once since the last look at the node, and between the two before. */
  #peak = 0
  #peakBefore = 0
  #others = 0
  #live: NodeLive | null = null
  #refusedUntil = -Infinity
  readonly #ttft = new DecayedAverage(TTFT_HALF_LIFE_MS)
  predictedTtftMs: number | null = null

  constructor(node: SnapshotNode, model: SnapshotModel, route: SnapshotRoute) {
    this.id = node.id
    this.#node = node
    this.host = new URL(node.endpointUrl).host
    this.model = model
    this.route = route
  }

  get node(): SnapshotNode {
    return this.#node
  }

  /** Takes over a new snapshot; live state stays. */
  update(node: SnapshotNode, model: SnapshotModel, route: SnapshotRoute): void {
    this.#node = node
    this.host = new URL(node.endpointUrl).host
    this.model = model
    this.route = route
  }

  get weight(): number {
    return this.route.nodeWeights[this.node.clusterName] ?? this.node.weight
  }

  get warmth(): number {
    return 1
  }

  /** Our own requests at the node. */
  get inFlight(): number {
    return this.#inFlight
  }

  enter(): void {
    this.#inFlight++
    if (this.#inFlight > this.#peak) this.#peak = this.#inFlight
  }

  leave(): void {
    this.#inFlight--
  }

  get load(): number {
    return this.#inFlight + this.#others
  }

  /** The one predicate that decides whether a node may be asked; `nowMs` is Unix time. */
  unavailable(nowMs: number): 'down' | 'full' | null {
    if (this.node.status !== 'active' || nowMs < this.#refusedUntil) return 'down'
    const live = this.#live
    if (live !== null && !live.healthy && nowMs - live.observedAt <= LIVE_FOR_MS) return 'down'
    if (this.route.strategy === 'weighted' && this.weight <= 0) return 'down'
    if (live === null || nowMs - live.observedAt > LIVE_FOR_MS) this.#others = 0
    const most = this.node.maxConcurrency
    return most !== null && this.#inFlight >= most ? 'full' : null
  }

  /**
   * What the leader saw; what it counts beyond our own requests is others' load. It was seen some moments ago, when
   * requests of ours that have ended since were at the node: hence our own peak of that time, not of now.
   */
  observeLive(live: NodeLive | null, nowMs: number): void {
    this.#live = live
    const fresh = live !== null && nowMs - live.observedAt <= LIVE_FOR_MS
    const atNode = fresh ? (live.running ?? 0) + (live.waiting ?? 0) : 0
    this.#others = Math.max(0, atNode - Math.max(this.#peak, this.#peakBefore))
    this.#peakBefore = this.#peak
    this.#peak = this.#inFlight
    if (this.#ttft.confidence(nowMs) < LEAST_CONFIDENCE) this.predictedTtftMs = null
  }

  observeTtft(ttftMs: number, nowMs: number): void {
    // A loaded node's TTFT holds its queue; the policy multiplies by the load, so it is taken out here.
    this.#ttft.observe(ttftMs / (this.load + 1), nowMs)
    this.predictedTtftMs = this.#ttft.value
  }

  observeItl(_itlMs: number, _nowMs: number): void {}

  succeeded(_nowMs: number): void {}

  failed(kind: AttemptFault, nowMs: number): void {
    if (kind === 'refused') this.#refusedUntil = nowMs + REFUSED_FOR_MS
  }

  pushedBack(_nowMs: number, _retryAfterMs: number): void {}
}
