import { columns } from '../load/columns.js'
import { formatDuration, formatNumber } from '../load/units.js'
import { spread } from '../statistics.js'
import type { Finding } from './wrk.js'

/** Two runs in a closed loop, one right after the other. */
export interface Pair {
  readonly wrk: Finding
  readonly generator: Finding
}

export interface Verdict {
  readonly lines: readonly string[]
  readonly met: boolean
}

/** The two tools may differ by this share. */
const GOAL = 0.03

/** How far a figure is from another, as a share of that. */
const deviation = (own: number, other: number): number => own / other - 1

const percent = (share: number): string => `${share < 0 ? '−' : '+'}${Math.abs(share * 100).toFixed(2)}%`

/** `met` when the median deviation is within the goal. */
function judge(
  name: string,
  deviations: readonly number[],
): { readonly row: string[]; readonly met: boolean } {
  const { min, median, max } = spread(deviations)
  const met = Math.abs(median) <= GOAL
  const row = [
    name,
    `${percent(min)} … ${percent(median)} … ${percent(max)}`,
    `within ${GOAL * 100}%`,
    met ? 'met' : 'MISSED',
  ]
  return { row, met }
}

/**
 * Each pair, the spread of what the generator deviates from wrk, and an open loop's median against that of the closed
 * one: the server answers in a fixed time, so the two have to be the same.
 */
export function reportCalibration(pairs: readonly Pair[], open: Finding): Verdict {
  const closedMedian = spread(pairs.map(({ generator }) => generator.medianMicros)).median
  const judged = [
    judge(
      'throughput',
      pairs.map(({ wrk, generator }) => deviation(generator.requestsPerSecond, wrk.requestsPerSecond)),
    ),
    judge(
      'median',
      pairs.map(({ wrk, generator }) => deviation(generator.medianMicros, wrk.medianMicros)),
    ),
    judge('median, open loop', [deviation(open.medianMicros, closedMedian)]),
  ]
  const rate = ({ requestsPerSecond }: Finding): string => `${formatNumber(requestsPerSecond)}/s`
  const figures = columns([
    ['pair', 'wrk', 'generator', 'deviation', 'wrk median', 'generator', 'deviation'],
    ...pairs.map(({ wrk, generator }, at) => [
      String(at + 1),
      rate(wrk),
      rate(generator),
      percent(deviation(generator.requestsPerSecond, wrk.requestsPerSecond)),
      formatDuration(wrk.medianMicros),
      formatDuration(generator.medianMicros),
      percent(deviation(generator.medianMicros, wrk.medianMicros)),
    ]),
    [
      'open',
      '',
      rate(open),
      '',
      '',
      formatDuration(open.medianMicros),
      percent(deviation(open.medianMicros, closedMedian)),
    ],
  ])
  return {
    lines: [
      ...figures,
      '',
      ...columns([
        ['generator against wrk', 'min … median … max', 'goal', ''],
        ...judged.map(({ row }) => row),
      ]),
    ],
    met: judged.every(({ met }) => met),
  }
}
