import { quantile, spread } from '../statistics.js'
import type { Rounds } from './row.js'
import { columns } from './table.js'

/** Sorted samples of each contender, by round; those of `direct` are what the others are set against. */
export type Samples = ReadonlyMap<string, readonly (readonly number[])[]>

/**
 * What each proxy adds in each round to the quantile that a node itself has in the median of its rounds: a single slow
 * round of the node makes no proxy look fast. Empty when there is nothing to set them against.
 */
export function added(samples: Samples, q: number): Rounds {
  const direct = (samples.get('direct') ?? []).map((sorted) => quantile(sorted, q))
  if (direct.length === 0) return new Map()
  const { median } = spread(direct)
  return new Map(
    [...samples]
      .filter(([name]) => name !== 'direct')
      .map(([name, rounds]) => [name, rounds.map((sorted) => quantile(sorted, q) - median)]),
  )
}

/**
 * The median of each contender's rounds in the place of all. Differences of single rounds may be zero or below, so
 * that ratios within a round say nothing: the ratio is then that of the medians.
 */
export function ofMedians(rounds: Rounds): Rounds {
  return new Map(
    [...rounds]
      .filter(([, values]) => values.length > 0)
      .map(([name, values]) => [name, [spread(values).median]]),
  )
}

/** All samples of each contender together, none left out, beside the spread of the p99 of its rounds. */
export function describeSamples(title: string, samples: Samples): string[] {
  const rows = [...samples].map(([name, rounds]) => {
    const all = rounds.flat().sort((a, b) => a - b)
    const p99s = spread(rounds.map((sorted) => quantile(sorted, 0.99)))
    return [
      name,
      String(all.length),
      ...[0.5, 0.99, 0.999].map((q) => quantile(all, q).toFixed(0)),
      `${p99s.min.toFixed(0)} – ${p99s.median.toFixed(0)} – ${p99s.max.toFixed(0)}`,
    ]
  })
  return columns([
    [title, 'samples', 'pooled p50', 'p99', 'p99.9', 'p99 of rounds: min – median – max'],
    ...rows,
  ])
}
