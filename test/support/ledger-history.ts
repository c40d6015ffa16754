import type { SimulatedNode } from '../../bench/nodes.js'

/** How many tokens nodes had written to the gateway at any time, by looking often. */
export interface LedgerHistory extends Disposable {
  /** When a node was first seen to have written more tokens than that, in `performance.now()`; null: never. */
  exceededAt(requestId: string, tokens: number): number | null
}

const LOOK_MS = 2

interface Step {
  readonly atMs: number
  readonly tokens: number
}

/** After its end at a node a request is watched for so long: it may be sent there once more. */
const RETRIED_WITHIN_MS = 5_000

/**
 * Looks at the requests that are new, still open or over since a short time; what several nodes wrote for one request
 * is added up. Nodes of this process only.
 */
export function recordLedgers(nodes: readonly SimulatedNode[]): LedgerHistory {
  const steps = new Map<string, Step[]>()
  const watchedNodes = nodes.map((node) => ({
    node,
    seen: 0,
    watched: new Set<string>(),
    written: new Map<string, number>(),
  }))
  const add = (requestId: string, more: number, atMs: number) => {
    const history = steps.get(requestId) ?? []
    history.push({ atMs, tokens: (history.at(-1)?.tokens ?? 0) + more })
    steps.set(requestId, history)
  }
  const look = () => {
    const atMs = performance.now()
    const over = Date.now() - RETRIED_WITHIN_MS
    for (const one of watchedNodes) {
      const { ledger } = one.node
      if (ledger.size > one.seen) {
        for (const requestId of [...ledger.keys()].slice(one.seen)) one.watched.add(requestId)
        one.seen = ledger.size
      }
      for (const requestId of one.watched) {
        const entries = ledger.get(requestId) ?? []
        const written = entries.reduce((sum, { writtenTokens }) => sum + writtenTokens, 0)
        const more = written - (one.written.get(requestId) ?? 0)
        if (more > 0) {
          one.written.set(requestId, written)
          add(requestId, more, atMs)
        }
        if (entries.every(({ endedAt }) => endedAt !== null && endedAt < over)) one.watched.delete(requestId)
      }
    }
  }
  const timer = setInterval(look, LOOK_MS)
  return {
    exceededAt: (requestId, tokens) =>
      steps.get(requestId)?.find((step) => step.tokens > tokens)?.atMs ?? null,
    [Symbol.dispose]: () => {
      clearInterval(timer)
    },
  }
}
