import {
  build,
  decodeFromCompressedBase64,
  encodeIntoCompressedBase64,
  type Histogram,
} from 'hdr-histogram-js'
import type { Distribution } from './load-report.js'

/** Durations in whole microseconds. `fine` is exact to 0.1%, `coarse` to 1% and an eighth of the size. */
export type Resolution = 'fine' | 'coarse'

const DIGITS: Readonly<Record<Resolution, 3 | 2>> = { fine: 3, coarse: 2 }
/** One hour; what is longer counts as that. */
const MOST_MICROS = 3_600_000_000

export function createHistogram(resolution: Resolution): Histogram {
  return build({
    bitBucketSize: 32,
    lowestDiscernibleValue: 1,
    highestTrackableValue: MOST_MICROS,
    numberOfSignificantValueDigits: DIGITS[resolution],
    useWebAssembly: false,
  })
}

/** Records a duration in milliseconds `count` times. */
export function record(histogram: Histogram, ms: number, count = 1): void {
  const micros = Math.min(MOST_MICROS, Math.max(0, Math.round(ms * 1000)))
  if (count === 1) histogram.recordValue(micros)
  else histogram.recordValueWithCount(micros, count)
}

/** V2, deflated, base64; '' when it is empty. */
export function encode(histogram: Histogram): string {
  return histogram.totalCount === 0 ? '' : encodeIntoCompressedBase64(histogram)
}

/** Adds an encoded histogram to one of the same resolution. */
export function addEncoded(histogram: Histogram, encoded: string): void {
  if (encoded !== '') histogram.add(decodeFromCompressedBase64(encoded, 32, false))
}

/** Microseconds below which `percent` of the values lie; null when there are none. */
export function percentile(histogram: Histogram, percent: number): number | null {
  // The upper end of a bucket may lie above all that is in it.
  return histogram.totalCount === 0
    ? null
    : Math.min(histogram.getValueAtPercentile(percent), histogram.maxValue)
}

/** The percentiles that a report holds. */
export function distributionOf(histogram: Histogram): Distribution {
  const isEmpty = histogram.totalCount === 0
  return {
    count: histogram.totalCount,
    mean: isEmpty ? null : Math.round(histogram.mean),
    min: percentile(histogram, 0),
    p50: percentile(histogram, 50),
    p90: percentile(histogram, 90),
    p95: percentile(histogram, 95),
    p99: percentile(histogram, 99),
    p999: percentile(histogram, 99.9),
    max: isEmpty ? null : histogram.maxValue,
    hdr: isEmpty ? null : encode(histogram),
  }
}
