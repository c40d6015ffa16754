import { DecayedAverage } from '../../src/core/ewma.js'
import { createPolicy, type Candidate, type PolicyRequest } from '../../src/core/policies/policy.js'
import type { Strategy } from '../../src/core/snapshot.js'
import type { NodeRequest, SimulatedNode } from './node.js'
import type { Timeline } from './timeline.js'

/** As in src/proxy/target.ts. */
const TTFT_HALF_LIFE_MS = 10_000
const LEAST_CONFIDENCE = 0.125
/** How old a proxy's view of what others sent gets. */
export const VIEW_AGE_MS = 1_000

/** A node as one proxy sees it: what it sent itself is exact, what others sent is as of the last look. */
class View implements Candidate {
  readonly id: string
  readonly weight: number
  readonly warmth = 1
  readonly node: SimulatedNode
  readonly #ttft = new DecayedAverage(TTFT_HALF_LIFE_MS)
  #own = 0
  #others = 0
  predictedTtftMs: number | null = null

  constructor(node: SimulatedNode) {
    this.id = node.traits.id
    this.weight = node.traits.weight
    this.node = node
  }

  get load(): number {
    return this.#own + this.#others
  }

  look(nowMs: number): void {
    this.#others = this.node.load - this.#own
    if (this.#ttft.confidence(nowMs) < LEAST_CONFIDENCE) this.predictedTtftMs = null
  }

  enter(): void {
    this.#own++
  }

  leave(): void {
    this.#own--
  }

  observeTtft(ttftMs: number, nowMs: number): void {
    this.#ttft.observe(ttftMs / (this.load + 1), nowMs)
    this.predictedTtftMs = this.#ttft.value
  }
}

export interface SimulatedProxy {
  send(request: NodeRequest & PolicyRequest, firstToken: (ttftMs: number) => void, done: () => void): void
  look(): void
}

/** A proxy with a policy and a view of its own. */
export function simulateProxy(
  strategy: Strategy,
  nodes: readonly SimulatedNode[],
  timeline: Timeline,
  random: () => number,
): SimulatedProxy {
  const views = nodes.map((node) => new View(node))
  const policy = createPolicy(strategy)
  return {
    look() {
      for (const view of views) view.look(timeline.now())
    },
    send(request, firstToken, done) {
      const view = policy(views, request, random)
      const sentAt = timeline.now()
      view.enter()
      view.node.submit(
        request,
        () => {
          const ttftMs = timeline.now() - sentAt
          view.observeTtft(ttftMs, timeline.now())
          firstToken(ttftMs)
        },
        () => {
          view.leave()
          done()
        },
      )
    },
  }
}
