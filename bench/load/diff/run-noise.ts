import { quantilesOf, type Quantiles } from '../histogram.js'
import type { LoadReport, LoadSecond } from '../load-report.js'
import {
  excessScatter,
  meanInterval,
  quantileInterval,
  shareInterval,
  varianceOfMean,
  type Interval,
} from './noise.js'

export type Measure = 'ttft' | 'itl' | 'e2e'

const SECOND_FIELDS = {
  ttft: { p50: 'ttftP50', p99: 'ttftP99' },
  itl: { p50: 'itlP50', p99: 'itlP99' },
  e2e: { p50: 'e2eP50', p99: 'e2eP99' },
} as const satisfies Record<Measure, { p50: keyof LoadSecond; p99: keyof LoadSecond }>

const UNKNOWN: Interval = { low: null, high: null }

/** The noise of one run's figures. */
export interface RunNoise {
  /** Of a quantile of one of the latencies, in microseconds. */
  quantile(measure: Measure, q: number): Interval
  /** Of a figure per second that is the mean of the timeline's. */
  perSecond(mean: number, field: 'completed' | 'completionTokens'): Interval
  /** Of the share (0 to 1) of the requests that failed, or that met the SLO. */
  failedShare(): Interval
  goodShare(): Interval
  /** As how many independent ones the values of a latency count; null when the run was too short to tell. */
  independent(measure: Measure): number | null
}

/** Reads the noise out of a report's histograms and seconds. */
export function noiseOf(report: LoadReport): RunNoise {
  const groups = secondsByStep(report)
  const measures = {
    ttft: measureOf(report, 'ttft', groups),
    itl: measureOf(report, 'itl', groups),
    e2e: measureOf(report, 'e2e', groups),
  }
  const { totals } = report
  const requests = totals.sent - totals.aborted

  const share = (part: number, factor: number | null): Interval =>
    factor === null || requests === 0 ? UNKNOWN : shareInterval(part / requests, requests / factor)

  return {
    quantile(measure, q) {
      const { quantiles } = measures[measure]
      const samples = independentOf(measures[measure])
      return quantiles === null || samples === null ? UNKNOWN : quantileInterval(quantiles, q, samples)
    },
    perSecond: (mean, field) =>
      meanInterval(
        mean,
        groups.map((group) => group.map((second) => second[field])),
      ),
    failedShare: () => share(totals.failed, failureScatter(groups, totals.failed, requests)),
    goodShare() {
      // A request is good or not by its latencies: it counts for as little as they do.
      const excess = [measures.ttft, measures.e2e].flatMap((one) =>
        one.quantiles === null ? [] : [one.excess],
      )
      const known = excess.filter((one) => one !== null)
      const failures = failureScatter(groups, totals.failed, requests)
      return known.length < excess.length || failures === null
        ? UNKNOWN
        : share(totals.good ?? 0, Math.max(failures, ...known))
    },
    independent: (measure) => independentOf(measures[measure]),
  }
}

/** The seconds of the measured part, one group for each step of the load. */
function secondsByStep({ steps, timeline, measuredSeconds }: LoadReport): LoadSecond[][] {
  const measured = timeline.filter(({ second }) => second >= 0 && second + 1 <= measuredSeconds)
  if (steps.length < 2) return [measured]
  return steps.map(({ fromSecond, toSecond }) =>
    measured.filter(({ second }) => second + 0.5 >= fromSecond && second + 0.5 < toSecond),
  )
}

interface MeasureNoise {
  readonly quantiles: Quantiles | null
  /**
   * How many times more its values scatter over the seconds than independent ones would; null: too short to tell. The
   * larger one of p50 and p99: the tail of the whole run comes out of its slow seconds, which their medians show best.
   */
  readonly excess: number | null
}

function independentOf({ quantiles, excess }: MeasureNoise): number | null {
  return quantiles === null || excess === null ? null : Math.max(1, quantiles.count / excess)
}

function measureOf(report: LoadReport, measure: Measure, groups: readonly LoadSecond[][]): MeasureNoise {
  const quantiles = quantilesOf(report[measure])
  if (quantiles === null) return { quantiles, excess: null }
  const countIn = countInSecond(measure, quantiles.count, groups)
  const factor = (q: number, field: keyof LoadSecond): number | null =>
    excessScatter(
      quantiles,
      q,
      groups.map((group) =>
        group.flatMap((second) => {
          const value = second[field]
          return value === null ? [] : [{ value, count: countIn(second) }]
        }),
      ),
    )
  const { p50, p99 } = SECOND_FIELDS[measure]
  const [middle, tail] = [factor(0.5, p50), factor(0.99, p99)]
  return { quantiles, excess: middle === null || tail === null ? null : Math.max(middle, tail) }
}

/** The timeline does not count latencies: those of a second are its share of all, by what it completed. */
function countInSecond(
  measure: Measure,
  count: number,
  groups: readonly LoadSecond[][],
): (second: LoadSecond) => number {
  const field = measure === 'itl' ? 'completionTokens' : 'completed'
  const all = groups.flat().reduce((sum, second) => sum + second[field], 0)
  return (second) => (all === 0 ? 1 : (second[field] / all) * count)
}

/** How many times more failures scatter over the seconds than independent ones; null: too short to tell. */
function failureScatter(groups: readonly LoadSecond[][], failed: number, requests: number): number | null {
  const variance = varianceOfMean(groups.map((group) => group.map((second) => second.failed)))
  if (variance === null) return null
  const share = failed / Math.max(1, requests)
  const expected = requests * share * (1 - share)
  return expected === 0 ? 1 : Math.max(1, (variance * groups.flat().length ** 2) / expected)
}
