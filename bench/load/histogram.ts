import { decodeFromCompressedBase64, type Histogram } from 'hdr-histogram-js'
import type { Distribution } from './load-report.js'

/** A distribution's histogram, decoded: the value at any quantile. */
export interface Quantiles {
  readonly count: number
  /** @param q from 0 to 1 @returns microseconds */
  at(q: number): number
}

/**
 * The quantiles of a distribution; null when nothing was recorded.
 * @throws when its histogram cannot be decoded
 */
export function quantilesOf({ hdr }: Distribution): Quantiles | null {
  const histogram = hdr === null ? null : decode(hdr)
  if (histogram === null || histogram.totalCount === 0) return null
  return {
    count: histogram.totalCount,
    at: (q) => Math.min(histogram.getValueAtPercentile(q * 100), histogram.maxValue),
  }
}

function decode(text: string): Histogram {
  try {
    return decodeFromCompressedBase64(text, 32, false)
  } catch (error) {
    throw new Error('a histogram of the report cannot be decoded', { cause: error })
  }
}
