import { nodesNeeded, nodeWords, staleness, type ScalingPolicy, type ScalingView } from './need.js'
import { seenLeast, seenMost, unseen, type ScalingState } from './state.js'

/** More nodes come when they have been needed for this long. */
export const UP_AFTER_MS = 30_000
/** Nodes go when they have not been needed for this long, and not before so long after the last change. */
export const DOWN_AFTER_MS = 600_000
/** The last one goes when there was no request for this long: the next one will have to wait for a launch. */
export const IDLE_BEFORE_ZERO_MS = 900_000
/** Looks that lie further apart leave open what was between them. */
export const LONGEST_GAP_MS = 15_000
/** Nodes that have not come by then are not waited for any more before something else is decided. */
export const LONGEST_CHANGE_MS = 1_800_000
/** p95 of TTFT is that of half a minute: it tells of a change's nodes after twice that. */
const TTFT_SETTLES_MS = 60_000
/** At most this share goes at once, so that gauges that are wrong do not take everything away. */
const MOST_DOWN = 0.5

export interface ScalingDecision {
  readonly kind: 'up' | 'down' | 'hold'
  /** Nodes that are wanted from now on. */
  readonly nodes: number
  /** In words, for the node events and the audit. */
  readonly reason: string
}

export interface Scaled {
  readonly decision: ScalingDecision
  /** For the next look; to be stored in one transaction with the nodes that are wanted. */
  readonly state: ScalingState
}

/**
 * How many nodes a deployment should have. Pure: a look at the same moment in the same state gives the same. To be called
 * every few seconds, by one leader, for a deployment with automatic scaling that is not paused.
 *
 * More come for the least that was needed within half a minute, fewer remain for the most that was needed within ten: so a
 * short spike launches nothing, and what was needed a moment ago stays.
 */
export function decideScaling(policy: ScalingPolicy, view: ScalingView, before: ScalingState): Scaled {
  const { wanted } = view
  const { low, high } = bounds(policy)
  const bounded = Math.min(high, Math.max(low, wanted))
  if (bounded !== wanted) {
    const reason = boundReason(policy, wanted)
    return changeTo(bounded, reason, view, unseen(looked(before, view)))
  }
  let state = settled(looked(before, view), view)
  const { change } = state
  if (change !== null && change.to !== wanted) {
    // Not stored yet. Only the bounds may have moved meanwhile.
    const to = Math.min(high, Math.max(low, change.to))
    if (to === change.to)
      return { decision: { kind: to > wanted ? 'up' : 'down', nodes: to, reason: change.reason }, state }
    state = { ...state, change: null }
  }
  const stale = staleness(view)
  if (stale !== null) return hold(`frozen: ${stale}`, view, unseen(state))
  return weighed(policy, view, state)
}

/** Decides by the load, which is known. */
function weighed(policy: ScalingPolicy, view: ScalingView, before: ScalingState): Scaled {
  const { nowMs, wanted } = view
  const { low, high } = bounds(policy)
  const within = (nodes: number) => Math.min(high, Math.max(low, nodes))
  const ttftCounts =
    before.change === null && view.launching === 0 && hasPassed(TTFT_SETTLES_MS, before.settledAtMs, nowMs)
  const need = nodesNeeded(policy, view, ttftCounts, before.tooFew)
  const state: ScalingState = {
    ...before,
    seenSinceMs: before.seenSinceMs ?? nowMs,
    least: seenLeast(before.least, need.nodes, nowMs, UP_AFTER_MS),
    most: seenMost(before.most, need.nodes, nowMs, DOWN_AFTER_MS),
  }
  if (state.change !== null) {
    const { from, to, sinceMs } = state.change
    const seconds = Math.round((nowMs - sinceMs) / 1_000)
    return hold(`the change from ${from} to ${nodeWords(to)} is under way for ${seconds} s`, view, state)
  }
  if (wanted === 0 && need.nodes > 0)
    return changeTo(within(need.nodes), `woken: ${need.reason}`, view, state)

  const seenForMs = nowMs - (state.seenSinceMs ?? nowMs)
  const lasting = state.least[0]?.[1] ?? 0
  if (within(lasting) > wanted && seenForMs >= UP_AFTER_MS) {
    const isForTtft = need.forLoad <= wanted && need.requests > 0
    const tooFew = isForTtft ? { nodes: within(lasting), requests: need.requests, atMs: nowMs } : state.tooFew
    const reason = `${nodeWords(lasting)} needed for ${UP_AFTER_MS / 1_000} s, now ${need.reason}`
    return changeTo(within(lasting), reason, view, { ...state, tooFew })
  }
  const most = state.most[0]?.[1] ?? 0
  if (within(most) < wanted) return lessened(within(most), seenForMs, view, state)
  if (need.nodes > wanted) {
    const why = within(need.nodes) > wanted ? `not for ${UP_AFTER_MS / 1_000} s yet` : `max_nodes is ${high}`
    return hold(`${nodeWords(need.nodes)} needed, ${why}: ${need.reason}`, view, state)
  }
  return hold(need.reason, view, state)
}

/** Fewer nodes have done for as long as was seen. */
function lessened(most: number, seenForMs: number, view: ScalingView, state: ScalingState): Scaled {
  const { nowMs, wanted, serving, lastRequestAtMs } = view
  const minutes = DOWN_AFTER_MS / 60_000
  const enough = `${nodeWords(most)} would do`
  if (seenForMs < DOWN_AFTER_MS) return hold(`${enough}, not for ${minutes} min yet`, view, state)
  if (!hasPassed(DOWN_AFTER_MS, state.settledAtMs, nowMs))
    return hold(`${enough}; the last change is not ${minutes} min ago`, view, state)
  // Where nodes are missing the load is what the others can take, not what is asked for.
  if (serving.length < wanted) return hold(`${enough}, but not all that are wanted serve`, view, state)
  const to = Math.max(most, Math.floor(wanted * MOST_DOWN))
  if (to > 0) return changeTo(to, `${nodeWords(most)} were the most needed in ${minutes} min`, view, state)
  const idleMinutes = IDLE_BEFORE_ZERO_MS / 60_000
  const sinceMs = Math.max(lastRequestAtMs ?? -Infinity, nowMs - seenForMs)
  if (hasPassed(IDLE_BEFORE_ZERO_MS, sinceMs, nowMs))
    return changeTo(0, `no request for ${idleMinutes} min`, view, state)
  if (wanted > 1) return changeTo(1, `no request for ${minutes} min`, view, state)
  return hold(`idle, not for ${idleMinutes} min yet`, view, state)
}

/** The fewest and the most nodes that may be wanted. */
function bounds({ minNodes, maxNodes, waitingRoom }: ScalingPolicy): { low: number; high: number } {
  const low = waitingRoom ? minNodes : Math.max(1, minNodes)
  return { low, high: Math.max(low, maxNodes) }
}

function boundReason({ minNodes, maxNodes }: ScalingPolicy, wanted: number): string {
  if (wanted > maxNodes) return `max_nodes is ${maxNodes}`
  return wanted < minNodes ? `min_nodes is ${minNodes}` : 'without a waiting room one node has to stay'
}

/** The state at a look at this time. Times to come, of a clock that was set back, are taken for now. */
function looked(state: ScalingState, { nowMs, wanted }: ScalingView): ScalingState {
  const { lastLookMs, change, settledAtMs, tooFew } = state
  const isGap = lastLookMs === null || nowMs < lastLookMs || nowMs - lastLookMs > LONGEST_GAP_MS
  const isForeign = state.lastWanted !== null && wanted !== state.lastWanted && wanted !== change?.to
  const past = (atMs: number) => Math.min(atMs, nowMs)
  return {
    ...(isGap || isForeign ? unseen(state) : state),
    lastLookMs: nowMs,
    lastWanted: wanted,
    // Somebody else has set another number: theirs gets the whole time that leads up or down.
    change: change === null || isForeign ? null : { ...change, sinceMs: past(change.sinceMs) },
    settledAtMs: isForeign ? nowMs : settledAtMs === null ? null : past(settledAtMs),
    tooFew: tooFew === null ? null : { ...tooFew, atMs: past(tooFew.atMs) },
  }
}

/**
 * Lets go of a change that is through. A node that is on its way out counts as gone: whoever needs more nodes does not wait
 * for its last stream.
 */
function settled(state: ScalingState, { nowMs, wanted, serving }: ScalingView): ScalingState {
  const { change } = state
  if (change === null || wanted !== change.to) return state
  const { from, to, sinceMs } = change
  const isThrough = to > from ? serving.length >= to : serving.length <= to
  const isOverdue = nowMs - sinceMs >= LONGEST_CHANGE_MS
  return isThrough || isOverdue ? { ...state, change: null, settledAtMs: nowMs } : state
}

function changeTo(to: number, reason: string, { nowMs, wanted }: ScalingView, state: ScalingState): Scaled {
  const kind = to > wanted ? 'up' : 'down'
  return {
    decision: { kind, nodes: to, reason },
    state: { ...state, change: { from: wanted, to, sinceMs: nowMs, reason } },
  }
}

function hold(reason: string, { wanted }: ScalingView, state: ScalingState): Scaled {
  return { decision: { kind: 'hold', nodes: wanted, reason }, state }
}

/** @param sinceMs null: at no time, so that it has passed */
function hasPassed(ms: number, sinceMs: number | null, nowMs: number): boolean {
  return sinceMs === null || nowMs - sinceMs >= ms
}
