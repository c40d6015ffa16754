import type { Timeline } from './timeline.js'

/** Tokens of a block, as vLLM caches them, and the bytes of prompt that make them. */
export const BLOCK_TOKENS = 16
export const TOKEN_BYTES = 4

export interface NodeTraits {
  readonly id: string
  /** Share that an admin would give it under `weighted`: what it can do. */
  readonly weight: number
  /** Requests that are generated at once; more wait. */
  readonly slots: number
  /** Tokens of prompts that are not cached, one prompt after the other. */
  readonly prefillTokensPerSecond: number
  readonly tokenMs: number
  /** Blocks that its prefix cache holds. */
  readonly cacheBlocks: number
  /** While it is degraded everything takes so many times as long. */
  readonly slowdown: (nowMs: number) => number
}

/** A request as a node sees it. */
export interface NodeRequest {
  /** The prompt's blocks; equal numbers are equal beginnings. */
  readonly blocks: readonly number[]
  /** Those of the prompt and its answer: what is in the cache afterwards. */
  readonly blocksAfter: readonly number[]
  readonly promptTokens: number
  readonly outputTokens: number
}

export interface SimulatedNode {
  readonly traits: NodeTraits
  /** Requests at it, waiting ones included. */
  readonly load: number
  /** Milliseconds of slots in use. */
  readonly busyMs: number
  readonly requests: number
  readonly hitTokens: number
  submit(request: NodeRequest, firstToken: () => void, done: () => void): void
}

/** Milliseconds that a request takes besides prefill and decode. */
const OVERHEAD_MS = 10

/** An inference server with so many slots, one prefill at a time, and a prefix cache that forgets the least recently used. */
export function simulateNode(traits: NodeTraits, timeline: Timeline): SimulatedNode {
  const cache = createBlockCache(traits.cacheBlocks)
  const waiting: (() => void)[] = []
  let load = 0
  let running = 0
  let busyMs = 0
  let requests = 0
  let hitTokens = 0
  let prefillFreeAt = 0

  function start(request: NodeRequest, firstToken: () => void, done: () => void): void {
    running++
    const startedAt = timeline.now()
    const slowdown = traits.slowdown(startedAt)
    const hit = cache.lookUp(request.blocks) * BLOCK_TOKENS
    hitTokens += hit
    const prefillMs = ((request.promptTokens - hit) / traits.prefillTokensPerSecond) * 1_000 * slowdown
    prefillFreeAt = Math.max(startedAt, prefillFreeAt) + prefillMs
    const firstAfter = prefillFreeAt - startedAt + OVERHEAD_MS * slowdown
    timeline.after(firstAfter, () => {
      firstToken()
      cache.add(request.blocks)
      timeline.after(request.outputTokens * traits.tokenMs * traits.slowdown(timeline.now()), () => {
        busyMs += timeline.now() - startedAt
        running--
        load--
        cache.add(request.blocksAfter)
        done()
        waiting.shift()?.()
      })
    })
  }

  return {
    traits,
    get load() {
      return load
    },
    get busyMs() {
      return busyMs
    },
    get requests() {
      return requests
    },
    get hitTokens() {
      return hitTokens
    },
    submit(request, firstToken, done) {
      load++
      requests++
      const begin = () => {
        start(request, firstToken, done)
      }
      if (running < traits.slots) begin()
      else waiting.push(begin)
    },
  }
}

export interface BlockCache {
  /** How many of the first blocks are known. As in vLLM never all of them: the last token is always computed. */
  lookUp(blocks: readonly number[]): number
  add(blocks: readonly number[]): void
}

export function createBlockCache(most: number): BlockCache {
  /** In the order of use. */
  const known = new Set<number>()
  return {
    lookUp(blocks) {
      const missing = blocks.findIndex((block) => !known.has(block))
      return missing < 0 ? Math.max(0, blocks.length - 1) : missing
    },
    add(blocks) {
      // From the last on, so that a block is forgotten before those that it needs.
      for (let at = blocks.length - 1; at >= 0; at--) {
        const block = blocks[at] ?? 0
        known.delete(block)
        known.add(block)
      }
      for (const block of known) {
        if (known.size <= most) break
        known.delete(block)
      }
    },
  }
}
