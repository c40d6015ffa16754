import { mayEject } from '../core/ejection.js'
import { slowAbove } from '../core/outlier.js'
import { countTrusted } from './candidates.js'
import type { Target } from './target.js'

/** Looks in a row at which a node has to be far slower than its peers. */
const LOOKS = 3

/**
 * Ejects those of a model's nodes that have for a while been answering far later than their peers, as many as may be.
 * To be called for each model's targets every half second or so.
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
