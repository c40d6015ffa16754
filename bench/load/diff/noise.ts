import type { Quantiles } from '../histogram.js'

/**
 * How far a figure of a run may lie from what a run without end would give: 95% intervals out of the run itself.
 * They hold the noise within the run. What differs between two runs (placement, caches, other load) is not in them.
 */

/** Null: there are too few values to bound it on that side. */
export interface Interval {
  readonly low: number | null
  readonly high: number | null
}

/** Standard deviations of 95% of a normal distribution, and the share that lies beyond one end. */
const Z = 1.96
const BEYOND_ONE_END = 0.025
/** Fewer seconds say nothing about their scatter. */
const LEAST_SECONDS = 10
/** Relative step between two values that a second's histogram tells apart. */
const SECOND_RESOLUTION = 0.01

/** The interval of a share (0 to 1) that was seen in `samples` independent ones, after Wilson. */
export function shareInterval(share: number, samples: number): { low: number; high: number } {
  const weight = (Z * Z) / samples
  const middle = (share + weight / 2) / (1 + weight)
  const half =
    (Z / (1 + weight)) * Math.sqrt((share * (1 - share)) / samples + (weight * weight) / (4 * Z * Z))
  // Exactly the share itself at the ends, where rounding would leave a trace.
  return {
    low: share === 0 ? 0 : Math.max(0, middle - half),
    high: share === 1 ? 1 : Math.min(1, middle + half),
  }
}

/**
 * The interval of a quantile by order statistics: the values between which so large a share of an independent sample
 * lies. An end is null when the sample is likely to hold no value beyond the quantile at all.
 */
export function quantileInterval(quantiles: Quantiles, q: number, samples: number): Interval {
  const { low, high } = shareInterval(q, samples)
  return {
    low: (1 - q) ** samples > BEYOND_ONE_END ? null : quantiles.at(low),
    high: q ** samples > BEYOND_ONE_END ? null : quantiles.at(high),
  }
}

/** Values of one second after the other, cut where the load changed: each group varies about a mean of its own. */
export type Groups = readonly (readonly number[])[]

/**
 * Variance of the mean of all values, neighbours being correlated: Newey and West's estimate with Bartlett weights,
 * never less than that of independent values. Null with too few values.
 */
export function varianceOfMean(groups: Groups): number | null {
  const deviations = groups.flatMap((group) => {
    const mean = group.reduce((sum, value) => sum + value, 0) / Math.max(1, group.length)
    return group.map((value) => value - mean)
  })
  const { length } = deviations
  const freedom = length - groups.filter((group) => group.length > 0).length
  if (length < LEAST_SECONDS || freedom < length / 2) return null
  const covariance = (lag: number): number =>
    deviations.slice(lag).reduce((sum, value, at) => sum + value * (deviations[at] ?? 0), 0) / freedom
  const lags = Math.floor(Math.cbrt(length))
  const own = covariance(0)
  let variance = own
  for (let lag = 1; lag <= lags; lag++) variance += 2 * (1 - lag / (lags + 1)) * covariance(lag)
  return Math.max(own, variance) / length
}

/** The interval of a mean of per-second values. Null when the run was too short to tell. */
export function meanInterval(mean: number, groups: Groups): Interval {
  const variance = varianceOfMean(groups)
  if (variance === null) return { low: null, high: null }
  const half = Z * Math.sqrt(variance)
  return { low: mean - half, high: mean + half }
}

/** A second's value of a quantile, and of how many durations. */
export interface SecondQuantile {
  readonly value: number
  readonly count: number
}

/**
 * How many times more the quantiles of the seconds scatter than if all durations were independent; at least 1. By
 * this factor a run's values count for less. Null when the run was too short to tell.
 */
export function excessScatter(
  quantiles: Quantiles,
  q: number,
  groups: readonly (readonly SecondQuantile[])[],
): number | null {
  const seen = varianceOfMean(groups.map((group) => group.map(({ value }) => Math.log(Math.max(1, value)))))
  const seconds = groups.flat()
  if (seen === null) return null
  const expected =
    seconds.reduce((sum, { count }) => sum + logVariance(quantiles, q, count), 0) / seconds.length ** 2
  return Math.max(1, seen / expected)
}

/** Variance of the logarithm of the quantile of `count` independent durations: its rank is beta-distributed. */
function logVariance(quantiles: Quantiles, q: number, count: number): number {
  const values = Math.max(1, Math.round(count))
  const mean = Math.max(1, Math.ceil(q * values)) / (values + 1)
  const deviation = Math.sqrt((mean * (1 - mean)) / (values + 2))
  const log = (share: number): number => Math.log(Math.max(1, quantiles.at(Math.min(1, Math.max(0, share)))))
  const half = (log(mean + deviation) - log(mean - deviation)) / 2
  return half * half + SECOND_RESOLUTION ** 2 / 12
}
