import { z } from 'zod'

const Millis = z.number()
const Nodes = z.number().int().min(0)

/** What was needed, at which times; see {@link seenLeast} and {@link seenMost}. */
const Seen = z.array(z.tuple([Millis, Nodes]))
export type Seen = z.infer<typeof Seen>

const Change = z.strictObject({ from: Nodes, to: Nodes, sinceMs: Millis, reason: z.string() })

const TooFew = z.strictObject({ nodes: Nodes, requests: z.number(), atMs: Millis })
/** At a time so many nodes were the least with which so many requests had their first tokens in time. */
export type TooFew = z.infer<typeof TooFew>

/**
 * What an autoscaler remembers of a deployment between two looks, times in Unix milliseconds. A plain value, so that it can
 * be stored as JSON beside the deployment and another leader goes on with it.
 */
const ScalingState = z.strictObject({
  /** The load has been seen without a gap since then; null: nothing has been seen yet. */
  seenSinceMs: Millis.nullable(),
  lastLookMs: Millis.nullable(),
  /** Nodes that were wanted at the last look, before its decision. */
  lastWanted: Nodes.nullable(),
  /** For the least need within the time that leads up. */
  least: Seen,
  /** For the greatest need within the time that leads down. */
  most: Seen,
  /** Decided, and its nodes are not all there yet, or not all gone. */
  change: Change.nullable(),
  /** When the last change was through. */
  settledAtMs: Millis.nullable(),
  tooFew: TooFew.nullable(),
})
export type ScalingState = Readonly<z.infer<typeof ScalingState>>

export const NEW_SCALING_STATE: ScalingState = {
  seenSinceMs: null,
  lastLookMs: null,
  lastWanted: null,
  least: [],
  most: [],
  change: null,
  settledAtMs: null,
  tooFew: null,
}

/**
 * A state as it was stored. One that cannot be read, of another version or damaged, is the new one: that costs no more
 * than the times that lead up and down.
 */
export function readScalingState(stored: unknown): ScalingState {
  const state = ScalingState.safeParse(stored)
  return state.success ? state.data : NEW_SCALING_STATE
}

/** Forgets what was seen of the load: there was a gap, in which anything may have been. */
export function unseen(state: ScalingState): ScalingState {
  return { ...state, seenSinceMs: null, least: [], most: [] }
}

/**
 * Adds what is needed now. Kept are only those that may yet be the least: each is less than all that came later. The first
 * one is the least of the time since `nowMs - forMs`.
 */
export function seenLeast(seen: Seen, needed: number, nowMs: number, forMs: number): Seen {
  const kept = seen.filter(([atMs, before]) => atMs >= nowMs - forMs && before < needed)
  return [...kept, [nowMs, needed]]
}

/** As {@link seenLeast} for the greatest. */
export function seenMost(seen: Seen, needed: number, nowMs: number, forMs: number): Seen {
  const kept = seen.filter(([atMs, before]) => atMs >= nowMs - forMs && before > needed)
  return [...kept, [nowMs, needed]]
}
