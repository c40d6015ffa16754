import type { LoadReport } from '../load-report.js'
import { formatShare } from '../units.js'
import type { Verdict } from './search.js'

export interface Judgement {
  readonly verdict: Verdict
  /** In words. */
  readonly reason: string
}

/**
 * Whether a run met its SLO: no request failed, and of those that were not left on purpose at least `share` (0 to 1)
 * were good. A run whose generator was the limit decides nothing, whatever its figures are.
 */
export function judge({ ended, totals, errors, generator }: LoadReport, share: number): Judgement {
  if (ended === 'interrupted') return { verdict: 'interrupted', reason: 'before its end' }
  if (generator.limited !== null) return { verdict: 'generator-limit', reason: generator.limited }
  const asked = totals.sent - totals.aborted
  if (asked === 0) return { verdict: 'missed', reason: 'no request was sent: the probes are too short' }
  if (totals.failed > 0) {
    const [worst] = errors.toSorted((a, b) => b.count - a.count)
    const example = worst === undefined ? '' : `: ${worst.example}`
    return { verdict: 'missed', reason: `${totals.failed} of ${totals.sent} failed${example}` }
  }
  const good = (totals.good ?? 0) / asked
  return {
    verdict: good >= share ? 'met' : 'missed',
    reason: `${formatShare(good)} met the SLO`,
  }
}
