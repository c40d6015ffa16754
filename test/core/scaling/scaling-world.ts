import { decideScaling, type ScalingDecision } from '../../../src/core/scaling/decide.js'
import type { NodeGauges, ScalingPolicy, ScalingView } from '../../../src/core/scaling/need.js'
import { NEW_SCALING_STATE, type ScalingState } from '../../../src/core/scaling/state.js'

export const LOOK_MS = 5_000
/** When the worlds begin. */
export const START_MS = 1_800_000_000_000

export const POLICY: ScalingPolicy = {
  minNodes: 1,
  maxNodes: 10,
  targetConcurrency: 10,
  targetTtftMs: null,
  waitingRoom: false,
}

/** What a deployment's clients do at a time. */
export interface Load {
  /** At all nodes and waiting. */
  readonly requests: number
  /** In KV caches that nodes would fill; null: the engines do not say. */
  readonly kvCaches?: number | null
  readonly p95TtftMs?: number | null
  readonly stale?: boolean
}

export interface Change extends ScalingDecision {
  readonly atMs: number
  readonly from: number
  /** Whether the change before was through: its nodes had come, or gone. */
  readonly alone: boolean
}

/** A deployment whose nodes come after `launchMs` and go at once. Times are from the beginning of the world. */
export class World {
  readonly changes: Change[] = []
  readonly policy: ScalingPolicy
  state: ScalingState = NEW_SCALING_STATE
  wanted: number
  serving: number
  readonly #launchMs: number
  #nowMs = 0
  #comesAtMs = Infinity
  #lastRequestAtMs: number | null = null

  constructor(policy: ScalingPolicy, wanted: number, launchMs = 0) {
    this.policy = policy
    this.wanted = wanted
    this.serving = wanted
    this.#launchMs = launchMs
  }

  get nowMs(): number {
    return this.#nowMs
  }

  view(load: Load): ScalingView {
    const view = viewOf(START_MS + this.#nowMs, this.wanted, this.serving, load)
    return { ...view, lastRequestAtMs: view.lastRequestAtMs ?? this.#lastRequestAtMs }
  }

  /** One look. @returns what was decided */
  look(load: Load): ScalingDecision {
    if (this.#nowMs >= this.#comesAtMs) this.serving = this.wanted
    const alone = this.serving === this.wanted
    const from = this.wanted
    const view = this.view(load)
    const { decision, state } = decideScaling(this.policy, view, this.state)
    this.state = state
    this.#lastRequestAtMs = view.lastRequestAtMs
    if (decision.nodes !== from) {
      this.changes.push({ ...decision, atMs: this.#nowMs, from, alone })
      this.wanted = decision.nodes
      this.#comesAtMs = this.#nowMs + this.#launchMs
      if (decision.nodes < from) this.serving = Math.min(this.serving, decision.nodes)
    }
    this.#nowMs += LOOK_MS
    return decision
  }

  /** Looks until so much time has passed. */
  pass(ms: number, load: Load | ((nowMs: number) => Load)): this {
    for (const endMs = this.#nowMs + ms; this.#nowMs < endMs;)
      this.look(typeof load === 'function' ? load(this.#nowMs) : load)
    return this
  }
}

/** A load spread over the nodes that serve; it waits in the gateway where there are none. */
export function viewOf(nowMs: number, wanted: number, serving: number, load: Load): ScalingView {
  const { requests, kvCaches = null, p95TtftMs = null, stale = false } = load
  const atNodes = serving === 0 ? 0 : requests
  const node = (index: number): NodeGauges => ({
    atMs: stale ? nowMs - 60_000 : nowMs,
    inFlight: Math.floor(atNodes / serving) + (index < atNodes % serving ? 1 : 0),
    waiting: 0,
    kvCacheUse: kvCaches === null ? null : Math.min(1, kvCaches / serving),
  })
  return {
    nowMs,
    wanted,
    serving: Array.from({ length: serving }, (_, index) => node(index)),
    launching: Math.max(0, wanted - serving),
    waiting: stale && serving === 0 ? null : requests - atNodes,
    lastRequestAtMs: requests > 0 ? nowMs : null,
    p95TtftMs,
  }
}
