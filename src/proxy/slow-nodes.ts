import { mayEject } from '../core/ejection.js'
import { slowAbove } from '../core/outlier.js'
import { countTrusted } from './candidates.js'
import type { ModelRoute } from './routing.js'
import type { Target } from './target.js'

const LOOK_MS = 100

/** Looks in a row at which a node has to be far slower than its peers: a pause of all nodes is over by then. */
const LOOKS = 4

/**
 * Ejects those of a model's nodes that have for a while been answering far later than their peers, as many as may be.
 */
export function ejectSlow(targets: readonly Target[], nowMs: number): void {
  const compared = targets.filter((target) => target.serving)
  const averages = compared.map((target) => target.comparableTtftMs(nowMs))
  const { serving, trusted } = countTrusted(targets, nowMs)
  let out = serving - trusted
  compared.forEach((target, index) => {
    const own = averages[index] ?? null
    target.slowAboveMs = slowAbove(
      averages.flatMap((ttft, other) => (ttft === null || other === index ? [] : [ttft])),
    )
    const isSlow = own !== null && target.slowAboveMs !== null && own > target.slowAboveMs
    target.slowLooks = isSlow && target.breaker(nowMs) === 'admitting' ? target.slowLooks + 1 : 0
    if (target.slowLooks < LOOKS || !mayEject(serving, out)) return
    target.slowLooks = 0
    target.eject(nowMs)
    out++
  })
}

/** Looks for slow nodes of every model, ten times a second. */
export function watchSlow(models: () => readonly ModelRoute[], now: () => number): { stop(): void } {
  const timer = setInterval(() => {
    const nowMs = now()
    const steadyMs = performance.now()
    for (const { targets } of models()) {
      for (const target of targets) target.lookAtWaits(nowMs, steadyMs)
      ejectSlow(targets, nowMs)
    }
  }, LOOK_MS)
  return {
    stop() {
      clearInterval(timer)
    },
  }
}
