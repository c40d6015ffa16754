import { z } from 'zod'
import type { Market } from '../machine.js'

/** With on-demand machines standing in, spot ones are asked for again after this long, and as long after each refusal. */
export const SPOT_AGAIN_AFTER_MS = 1_800_000

const Shortage = z.strictObject({ sinceMs: z.number(), refusedAtMs: z.number() })
/** Unix milliseconds since when a spot machine is waited for, and of the last refusal. To be stored beside the deployment. */
export type SpotShortage = Readonly<z.infer<typeof Shortage>>

/** As it was stored; null where it cannot be read: the next refusal begins it anew. */
export function readSpotShortage(stored: unknown): SpotShortage | null {
  const shortage = Shortage.safeParse(stored)
  return shortage.success ? shortage.data : null
}

/** What became of a launch on a spot machine. */
export type SpotOutcome = 'granted' | 'no_capacity'

/**
 * The shortage after a launch on a spot machine was answered, or given up since nothing was answered. What fails for another
 * reason says nothing of it.
 * @param askedAtMs when the launch began
 */
export function spotAnswered(
  shortage: SpotShortage | null,
  outcome: SpotOutcome,
  askedAtMs: number,
  nowMs: number,
): SpotShortage | null {
  return outcome === 'granted' ? null : { sinceMs: shortage?.sinceMs ?? askedAtMs, refusedAtMs: nowMs }
}

export interface MarketPolicy {
  readonly useSpot: boolean
  /** How long a spot machine is waited for; null: for ever. */
  readonly fallbackOnDemandAfterMs: number | null
}

export interface MarketChoice {
  /** For the next launch. */
  readonly market: Market
  /**
   * Whether one node on demand should be replaced by one on spot, when nothing else is under way: launched first, and only
   * when it serves the other one drained.
   */
  readonly exchange: boolean
  readonly reason: string
}

/**
 * On which kind of machine a node is launched now. A shortage is waited out on spot, then covered on demand; half an hour after
 * each refusal one launch tries spot again, and the first that is granted ends it.
 * @param onDemandNodes nodes on demand that the deployment has
 */
export function chooseMarket(
  { useSpot, fallbackOnDemandAfterMs }: MarketPolicy,
  shortage: SpotShortage | null,
  onDemandNodes: number,
  nowMs: number,
): MarketChoice {
  if (!useSpot) return { market: 'on_demand', exchange: false, reason: 'spot machines are not asked for' }
  const exchange = onDemandNodes > 0
  if (shortage === null) return { market: 'spot', exchange, reason: 'spot machines can be had' }
  const shortMs = Math.max(0, nowMs - shortage.sinceMs)
  const short = `no spot machine for ${Math.round(shortMs / 1_000)} s`
  if (fallbackOnDemandAfterMs === null || shortMs < fallbackOnDemandAfterMs)
    return { market: 'spot', exchange: false, reason: `${short}: waited for` }
  const refusedMs = Math.max(0, nowMs - shortage.refusedAtMs)
  if (refusedMs >= SPOT_AGAIN_AFTER_MS) return { market: 'spot', exchange, reason: `${short}: tried again` }
  return { market: 'on_demand', exchange: false, reason: `${short}: on demand instead` }
}
