import type { Market } from '../../src/core/machine.js'

/** Requests that a node's engine runs at once. */
export const SLOTS = 32
/** Milliseconds to the first token on an idle node, and what comes to it on one that is full. */
const IDLE_TTFT_MS = 300
const FULL_TTFT_MS = 300
/** Share of its KV cache that a full node uses. */
const FULL_KV_CACHE = 0.9
/** Seconds that a stream may still take are looked up in a ring. */
const RING = 256

export type Stage = 'launching' | 'serving' | 'leaving'

/** A simulated node in steps of a second. */
export interface ScaledNode {
  readonly id: string
  readonly market: Market
  readonly launchedAtS: number
  /** When its launch ends, or is refused. */
  readonly upAtS: number
  /** There is no machine: the launch ends with that. */
  readonly refused: boolean
  stage: Stage
  /** When the provider takes it away. */
  goneAtS: number
  readonly streams: number
  /** 0 to 1. */
  readonly kvCacheUse: number
  readonly hasRoom: boolean
  /** Starts a stream. @returns milliseconds to its first token */
  start(streamS: number, nowS: number): number
  /** Ends the streams that are over by now; once for each second. */
  step(nowS: number): void
  /** Seconds that each of its streams still had: it is gone in mid-stream. */
  cut(nowS: number): number[]
}

export interface LaunchTraits {
  readonly id: string
  readonly market: Market
  readonly launchedAtS: number
  readonly upAtS: number
  readonly refused: boolean
}

export function createScaledNode(traits: LaunchTraits): ScaledNode {
  /** Streams that end at a second, by its remainder. */
  const ends = new Uint16Array(RING)
  let streams = 0
  return {
    ...traits,
    stage: 'launching',
    goneAtS: Infinity,
    get streams() {
      return streams
    },
    get kvCacheUse() {
      return (streams / SLOTS) * FULL_KV_CACHE
    },
    get hasRoom() {
      return streams < SLOTS
    },
    start(streamS, nowS) {
      const at = (nowS + streamS) % RING
      ends[at] = (ends[at] ?? 0) + 1
      streams++
      return IDLE_TTFT_MS + (FULL_TTFT_MS * streams) / SLOTS
    },
    step(nowS) {
      const at = nowS % RING
      streams -= ends[at] ?? 0
      ends[at] = 0
    },
    cut(nowS) {
      const left: number[] = []
      for (let after = 1; after < RING; after++) {
        for (let count = ends[(nowS + after) % RING] ?? 0; count > 0; count--) left.push(after)
      }
      ends.fill(0)
      streams = 0
      return left
    },
  }
}
