import { type BreakerState, Breaker, type EjectionCause } from '../core/breaker.js'
import type { NodeReport } from '../core/load-report.js'
import { NodeLatency } from '../core/node-latency.js'
import { NodeLoad } from '../core/node-load.js'
import { orcaLoad, type OrcaLoad } from '../core/orca.js'
import type { Candidate } from '../core/policies/policy.js'
import { WarmUp } from '../core/slow-start.js'
import type { NodeLive, SnapshotModel, SnapshotNode, SnapshotRoute } from '../core/snapshot.js'
import { type Placed, SwapList } from './swap-list.js'

/** What the leader saw of a node longer ago than this is unknown. */
const LIVE_FOR_MS = 5_000
/** A node that refused a connection is left alone for this long, whatever else is thought of it. */
const REFUSED_FOR_MS = 1_000
/** A first token, or a request that ended well, speaks against the leader's verdict for this long. */
const EVIDENCE_FOR_MS = 10_000
/** One that is overloaded is left alone for this long when it does not say, and never longer than the most. */
const PUSHED_BACK_MS = 1_000
const LONGEST_PUSHED_BACK_MS = 10_000

/** How an attempt failed. `refused`: no connection; `lost`: a reset or the end in mid-answer; `error`: a 5xx of its own. */
export type AttemptFailure = 'refused' | 'lost' | 'invalid' | 'timeout' | 'error'

/** Why a node is not asked. `inactive`: by its status or a weight of 0. */
export type Unavailable = 'inactive' | Distrust | NoRoom
/** Its health is doubted: by the leader's probes, or by what became of our own requests. */
export type Distrust = 'refused' | 'unhealthy' | 'rejecting'
/** It is well, and has enough to do. */
export type NoRoom = 'pushed_back' | 'full'

/** A request that waits for its first token. */
export interface AwaitedToken extends Placed {
  /** `performance.now()` */
  readonly sentAt: number
}

export interface TargetOptions {
  /** In [0, 1). */
  readonly random: () => number
  /** Whether it joins a fleet that is served already, and is to be warmed up. */
  readonly joins: boolean
}

/** A node as the router sees it. Lives on over snapshots, so that its live state does. Unix milliseconds are given. */
export class Target implements Candidate {
  readonly id: string
  /** Of the endpoint: `host:port`. */
  host: string
  model: SnapshotModel
  route: SnapshotRoute
  predictedTtftMs: number | null = null
  /** Whether a warm node is there to take what this one, being warmed up, does not get: see candidates.ts. */
  eased = true
  /** Own requests for streams that wait for their first token. */
  readonly awaiting = new SwapList<AwaitedToken>()
  /** TTFT from which it is far slower than its peers; null: not known. */
  slowAboveMs: number | null = null
  /** Looks in a row at which it was. */
  slowLooks = 0
  #node: SnapshotNode
  #live: NodeLive | null = null
  #orca: { readonly load: OrcaLoad; readonly at: number } | null = null
  #refusedAt = -Infinity
  #pushedBackUntil = -Infinity
  #provedAt = -Infinity
  #failedAt = -Infinity
  /** When it was last looked at: what has no time of its own happens right after. */
  #lookedAt = -Infinity
  /** For how long a first token was waited for at the last look. */
  #waitedMs = 0
  #warmth = 1
  readonly #load = new NodeLoad()
  readonly #breaker: Breaker
  readonly #warmUp: WarmUp
  readonly #latency = new NodeLatency()

  constructor(
    node: SnapshotNode,
    model: SnapshotModel,
    route: SnapshotRoute,
    { random, joins }: TargetOptions = { random: () => 0, joins: false },
  ) {
    this.id = node.id
    this.#node = node
    this.host = new URL(node.endpointUrl).host
    this.model = model
    this.route = route
    this.#breaker = new Breaker(random)
    this.#warmUp = new WarmUp(joins)
  }

  get node(): SnapshotNode {
    return this.#node
  }

  /** Takes over a new snapshot; live state stays. */
  update(node: SnapshotNode, model: SnapshotModel, route: SnapshotRoute): void {
    if (node.status === 'active' && this.#node.status !== 'active') this.#warmUp.beginAtNextLook()
    this.#node = node
    this.host = new URL(node.endpointUrl).host
    this.model = model
    this.route = route
  }

  get #setWeight(): number {
    return this.route.nodeWeights[this.node.clusterName] ?? this.node.weight
  }

  get isWarm(): boolean {
    return this.#warmth >= 1
  }

  get warmth(): number {
    return this.eased ? this.#warmth : 1
  }

  get weight(): number {
    return this.#setWeight * this.warmth
  }

  /** Our own requests at the node. */
  get inFlight(): number {
    return this.#load.own
  }

  enter(): void {
    this.#load.enter()
    this.#breaker.entered(this.#lookedAt)
  }

  leave(): void {
    this.#load.leave()
    if (this.#load.own === 0) this.#breaker.idle()
  }

  get load(): number {
    return this.#load.total
  }

  /** 0 to 1, as the engine says with its replies or to the leader; null when not known. */
  kvCacheUsage(nowMs: number): number | null {
    const orca = this.#orca
    if (orca !== null && orca.load.kvCacheUsage !== null && nowMs - orca.at <= LIVE_FOR_MS) {
      return orca.load.kvCacheUsage
    }
    return this.#fresh(nowMs)?.kvCacheUsage ?? null
  }

  breaker(nowMs: number): BreakerState {
    return this.#breaker.state(nowMs)
  }

  ejections(cause: EjectionCause): number {
    return this.#breaker.ejections(cause)
  }

  // --- who may be asked ----------------------------------------------------------------------------------

  /** Whether it is to take requests, healthy or not. */
  get serving(): boolean {
    return this.node.status === 'active' && (this.route.strategy !== 'weighted' || this.#setWeight > 0)
  }

  /** Whether its health is doubted, and why. */
  distrust(nowMs: number): Distrust | null {
    this.#lookAt(nowMs)
    if (isWithin(nowMs, this.#refusedAt, REFUSED_FOR_MS)) return 'refused'
    if (!this.#breaker.admits(nowMs)) return 'rejecting'
    return this.#fresh(nowMs)?.healthy !== false || this.#isProved(nowMs) ? null : 'unhealthy'
  }

  /** Whether it has enough to do, and how that is known. */
  noRoom(nowMs: number): NoRoom | null {
    const wait = this.#pushedBackUntil - nowMs
    if (wait > 0 && wait <= LONGEST_PUSHED_BACK_MS) return 'pushed_back'
    const most = this.node.maxConcurrency
    return most !== null && this.#load.gateway >= most ? 'full' : null
  }

  /** The one predicate that decides whether a node may be asked; null: it may. Panic overrules distrust: see candidates.ts. */
  unavailable(nowMs: number): Unavailable | null {
    return this.serving ? (this.distrust(nowMs) ?? this.noRoom(nowMs)) : 'inactive'
  }

  // --- what others say -----------------------------------------------------------------------------------

  /** What the leader saw; asked for once a second. */
  observeLive(live: NodeLive | null, nowMs: number): void {
    const isBack = this.#live?.healthy === false && live?.healthy === true
    if (isBack && !this.#isProved(nowMs)) this.#warmUp.begin(nowMs)
    this.#live = live
    this.#load.look(this.#atNode(nowMs))
    this.predictedTtftMs = this.#latency.idleTtftMs(nowMs)
  }

  /** Requests that the other proxies have at the node. @returns whether there are fewer than before */
  observeOthers(inFlight: number): boolean {
    return this.#load.setOthers(inFlight)
  }

  /** @param text value of the node's `endpoint-load-metrics` header */
  observeOrca(text: string, nowMs: number): void {
    this.#orca = { load: orcaLoad(text), at: nowMs }
    this.#load.told(this.#atNode(nowMs))
  }

  // --- what became of our own requests ---------------------------------------------------------------------

  observeTtft(ttftMs: number, nowMs: number): void {
    this.#latency.observeTtft(ttftMs, this.load, nowMs)
    this.predictedTtftMs = this.#latency.idleTtftMs(nowMs)
    this.#provedAt = nowMs
    if (this.#breaker.state(nowMs) === 'admitting') return
    if (this.slowAboveMs !== null && ttftMs > this.slowAboveMs) this.#breaker.tooSlow(nowMs)
    else if (this.#breaker.proved(nowMs)) this.#warmUp.begin(nowMs)
  }

  observeItl(itlMs: number, nowMs: number): void {
    this.#latency.observeItl(itlMs, nowMs)
  }

  /** An attempt ended well. */
  succeeded(nowMs: number): void {
    this.#provedAt = nowMs
    if (this.#breaker.succeeded(nowMs)) this.#warmUp.begin(nowMs)
  }

  /** An attempt failed by the node's fault. */
  failed(kind: AttemptFailure, nowMs: number): void {
    this.#failedAt = nowMs
    if (kind === 'refused') this.#refusedAt = nowMs
    this.#breaker.failed(kind === 'refused', nowMs)
  }

  /** The node said that it is overloaded (429 or 503): no fault, but it is left alone for as long as it says, 10 s at most. */
  pushedBack(nowMs: number, retryAfterMs: number | null): void {
    const forMs = retryAfterMs !== null && retryAfterMs > 0 ? retryAfterMs : PUSHED_BACK_MS
    this.#pushedBackUntil = nowMs + Math.min(forMs, LONGEST_PUSHED_BACK_MS)
  }

  /** It is far slower than its peers, and may be left out: see slow-nodes.ts. */
  eject(nowMs: number): void {
    this.#breaker.tooSlow(nowMs)
  }

  /**
   * Looks at the requests that wait for a first token now: they show that a node has become slow before any answer does.
   * @param steadyMs `performance.now()`
   */
  lookAtWaits(nowMs: number, steadyMs: number): void {
    // The second longest: one alone may have the longest prompt.
    let longest = 0
    let second = 0
    this.awaiting.each(({ sentAt }) => {
      const waited = steadyMs - sentAt
      if (waited > longest) {
        second = longest
        longest = waited
      } else if (waited > second) second = waited
    })
    this.#waitedMs = second
    const known = this.#latency.idleTtftMs(nowMs)
    const least = second / (this.load + 1)
    if (known !== null) this.predictedTtftMs = Math.max(known, least)
    else this.predictedTtftMs = this.slowAboveMs !== null && second > this.slowAboveMs ? least : null
  }

  // --- what we know --------------------------------------------------------------------------------------

  /** The TTFT of late, where enough is known to compare it with others': at least what is being waited for it. */
  comparableTtftMs(nowMs: number): number | null {
    const recent = this.#latency.comparableTtftMs(nowMs)
    return recent === null ? null : Math.max(recent, this.#waitedMs)
  }

  /** For the other proxies and the leader; null: nothing that they would not think anyway. */
  report(nowMs: number): NodeReport | null {
    const { ended, failed } = this.#breaker.recent(nowMs)
    const breaker = this.#breaker.state(nowMs)
    if (this.#load.own === 0 && ended === 0 && breaker === 'admitting') return null
    return {
      nodeId: this.id,
      inFlight: this.#load.own,
      ttftMs: this.#latency.ttftMs(nowMs),
      itlMs: this.#latency.itlMs(nowMs),
      breaker,
      ended,
      failed,
    }
  }

  /** Whether our own requests show that it works, whatever the leader saw. */
  #isProved(nowMs: number): boolean {
    return isWithin(nowMs, this.#provedAt, EVIDENCE_FOR_MS) && this.#provedAt > this.#failedAt
  }

  #fresh(nowMs: number): NodeLive | null {
    const live = this.#live
    return live !== null && nowMs - live.observedAt <= LIVE_FOR_MS ? live : null
  }

  /** The engine's count of requests: the leader's reading, and what a reply has said since. */
  #atNode(nowMs: number): number {
    const live = this.#fresh(nowMs)
    const orca =
      this.#orca !== null && this.#orca.at >= (live?.observedAt ?? nowMs - LIVE_FOR_MS)
        ? this.#orca.load
        : null
    return (orca?.running ?? live?.running ?? 0) + (orca?.waiting ?? live?.waiting ?? 0)
  }

  #lookAt(nowMs: number): void {
    this.#lookedAt = nowMs
    // What the leader said has grown old.
    if (this.#fresh(nowMs) === null) this.#load.told(this.#atNode(nowMs))
    this.#warmth = this.#warmUp.look(nowMs)
  }
}

/** Whether `at` was less than so long ago; a clock that was set back makes nothing last. */
function isWithin(nowMs: number, at: number, forMs: number): boolean {
  return nowMs - at < forMs && at - nowMs < forMs
}
