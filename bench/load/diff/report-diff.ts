import { isDeepStrictEqual } from 'node:util'
import type { LoadReport } from '../load-report.js'
import type { Interval } from './noise.js'
import { noiseOf, type Measure, type RunNoise } from './run-noise.js'

/**
 * `better` and `worse`: the 95% intervals do not overlap. `noise`: they do. `unknown`: too few values or seconds for
 * an interval.
 */
export type Verdict = 'better' | 'worse' | 'noise' | 'unknown'

export interface Figure {
  readonly value: number | null
  readonly interval: Interval
}

export interface DiffRow {
  readonly name: string
  /** Whose values these are; null for the totals. */
  readonly measure: Measure | null
  readonly unit: 'per second' | 'share' | 'micros'
  readonly a: Figure
  readonly b: Figure
  /** (B − A) / A; null when A is 0 or one of them is missing. */
  readonly change: number | null
  readonly verdict: Verdict
}

/** Two runs beside each other. */
export interface ReportDiff {
  readonly rows: readonly DiffRow[]
  /** Settings other than the target that differ, by name. */
  readonly settings: readonly { readonly name: string; readonly a: unknown; readonly b: unknown }[]
  /** As how many independent ones the values of each run count. */
  readonly independent: readonly {
    readonly measure: Measure
    readonly a: number | null
    readonly b: number | null
  }[]
}

/** What is tested, rather than how. */
const TARGET_SETTINGS = new Set(['url', 'insecure'])
/** Relative; two values of a histogram nearer than this may be one. */
const RESOLUTION = 0.002

const PERCENTILES = [
  ['p50', 'p50', 0.5],
  ['p90', 'p90', 0.9],
  ['p95', 'p95', 0.95],
  ['p99', 'p99', 0.99],
  ['p99.9', 'p999', 0.999],
] as const
const MEASURES = ['ttft', 'itl', 'e2e'] as const

/** Sets run B against run A. @throws when a histogram cannot be decoded */
export function diffReports(a: LoadReport, b: LoadReport): ReportDiff {
  const [noiseA, noiseB] = [noiseOf(a), noiseOf(b)]
  const latencies = MEASURES.filter((measure) => a[measure].count > 0 || b[measure].count > 0)
  return {
    rows: [
      ...totalRows({ report: a, noise: noiseA }, { report: b, noise: noiseB }),
      ...latencies.flatMap((measure) =>
        PERCENTILES.map(([name, key, q]) =>
          row(name, measure, 'micros', 'less', [
            { value: a[measure][key], interval: noiseA.quantile(measure, q) },
            { value: b[measure][key], interval: noiseB.quantile(measure, q) },
          ]),
        ),
      ),
    ],
    settings: settingsThatDiffer(a.settings, b.settings),
    independent: latencies.map((measure) => ({
      measure,
      a: noiseA.independent(measure),
      b: noiseB.independent(measure),
    })),
  }
}

interface Side {
  readonly report: LoadReport
  readonly noise: RunNoise
}

function totalRows(a: Side, b: Side): DiffRow[] {
  const both = (of: (side: Side) => Figure): [Figure, Figure] => [of(a), of(b)]
  const requests = ({ sent, aborted }: LoadReport['totals']): number => Math.max(1, sent - aborted)
  const perSecond = (
    name: string,
    total: 'requestsPerSecond' | 'completionTokensPerSecond',
    field: 'completed' | 'completionTokens',
  ): DiffRow =>
    row(
      name,
      null,
      'per second',
      'more',
      both(({ report: { totals }, noise }) => ({
        value: totals[total],
        interval: noise.perSecond(totals[total], field),
      })),
    )
  return [
    perSecond('requests/s', 'requestsPerSecond', 'completed'),
    perSecond('tokens/s', 'completionTokensPerSecond', 'completionTokens'),
    row(
      'failed',
      null,
      'share',
      'less',
      both(({ report: { totals }, noise }) => ({
        value: totals.failed / requests(totals),
        interval: noise.failedShare(),
      })),
    ),
    ...(a.report.totals.good === null || b.report.totals.good === null
      ? []
      : [
          row(
            'met the SLO',
            null,
            'share',
            'more',
            both(({ report: { totals }, noise }) => ({
              value: (totals.good ?? 0) / requests(totals),
              interval: noise.goodShare(),
            })),
          ),
        ]),
  ]
}

function row(
  name: string,
  measure: Measure | null,
  unit: DiffRow['unit'],
  wanted: 'more' | 'less',
  [a, b]: [Figure, Figure],
): DiffRow {
  const change = a.value === null || b.value === null || a.value === 0 ? null : (b.value - a.value) / a.value
  return { name, measure, unit, a, b, change, verdict: verdictOf(wanted, a, b, change) }
}

function verdictOf(wanted: 'more' | 'less', a: Figure, b: Figure, change: number | null): Verdict {
  if (a.value === null || b.value === null) return 'unknown'
  if (a.value === b.value || (change !== null && Math.abs(change) < RESOLUTION)) return 'noise'
  const [lower, upper] = a.value < b.value ? [a, b] : [b, a]
  const { high } = lower.interval
  const { low } = upper.interval
  if (high === null || low === null) return 'unknown'
  if (high >= low) return 'noise'
  return (upper === b) === (wanted === 'more') ? 'better' : 'worse'
}

function settingsThatDiffer(
  a: LoadReport['settings'],
  b: LoadReport['settings'],
): { name: string; a: unknown; b: unknown }[] {
  const names = new Set([...Object.keys(a), ...Object.keys(b)])
  return [...names]
    .filter((name) => !TARGET_SETTINGS.has(name) && !isDeepStrictEqual(a[name], b[name]))
    .map((name) => ({ name, a: a[name], b: b[name] }))
}
