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

/** Looks at the requests that are new or still open. Nodes of this process only. */
export function recordLedgers(nodes: readonly SimulatedNode[]): LedgerHistory {
  const steps = new Map<string, Step[]>()
  const seen = nodes.map(() => 0)
  const open = nodes.map(() => new Set<string>())
  const look = () => {
    const atMs = performance.now()
    nodes.forEach(({ ledger }, at) => {
      const watched = open[at]
      if (watched === undefined) return
      if (ledger.size > (seen[at] ?? 0)) {
        for (const requestId of [...ledger.keys()].slice(seen[at])) watched.add(requestId)
        seen[at] = ledger.size
      }
      for (const requestId of watched) {
        const entry = ledger.get(requestId)?.at(-1)
        const tokens = entry?.writtenTokens ?? 0
        const history = steps.get(requestId) ?? []
        if (tokens > (history.at(-1)?.tokens ?? 0)) {
          history.push({ atMs, tokens })
          steps.set(requestId, history)
        }
        if (entry?.endedAt !== null) watched.delete(requestId)
      }
    })
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
