import { quantile } from '../statistics.js'

/** p95 of TTFT over the last half minute, as the leader would be told it. */
const WINDOW_S = 30
/** Of more in one second these stand for all. */
const KEPT_PER_S = 64

export interface TtftWindow {
  add(ttftMs: number, nowS: number): void
  /** Null without requests. */
  p95(nowS: number): number | null
}

export function createTtftWindow(): TtftWindow {
  let kept: { readonly atS: number; readonly values: number[] }[] = []
  return {
    add(ttftMs, nowS) {
      const last = kept.at(-1)
      if (last?.atS !== nowS) kept.push({ atS: nowS, values: [ttftMs] })
      else if (last.values.length < KEPT_PER_S) last.values.push(ttftMs)
    },
    p95(nowS) {
      kept = kept.filter(({ atS }) => nowS - atS <= WINDOW_S)
      const sorted = kept.flatMap(({ values }) => values).sort((a, b) => a - b)
      return sorted.length === 0 ? null : quantile(sorted, 0.95)
    },
  }
}
