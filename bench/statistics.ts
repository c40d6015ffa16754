/** The least, the middle and the greatest of some values. */
export interface Spread {
  readonly min: number
  readonly median: number
  readonly max: number
}

/** The value below which a share `q` (0 to 1) of the sorted values lies, the nearest rank. @throws on an empty list */
export function quantile(sorted: readonly number[], q: number): number {
  const value = sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))]
  if (value === undefined) throw new RangeError('no value has no quantile')
  return value
}

/** Least, median (the mean of the two in the middle of an even number) and greatest. @throws on an empty list */
export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const { length } = sorted
  return {
    min: quantile(sorted, 0),
    median: ((sorted[(length - 1) >> 1] ?? 0) + (sorted[length >> 1] ?? 0)) / 2,
    max: quantile(sorted, 1),
  }
}
