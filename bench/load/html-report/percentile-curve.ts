import { quantilesOf, type Quantiles } from '../histogram.js'
import type { LoadReport } from '../load-report.js'
import { formatDuration, formatNumber } from '../units.js'
import { logDurationAxis, ninesAxis, ninesOf } from './axis.js'
import { lineChart, type Hover, type Limit, type Series } from './line-chart.js'
import type { Markup } from './markup.js'

/** Points of a curve for each further nine. */
const POINTS_PER_NINE = 40
const HOVERS_PER_NINE = 10
/** A few gaps of next to nothing (two tokens in one packet) would take most of a logarithmic axis. */
const LOWEST_SHOWN = 0.05

interface Curve {
  readonly name: string
  readonly tone: 'ttft' | 'itl' | 'e2e'
  readonly stroke: Series['stroke']
  readonly quantiles: Quantiles
}

/**
 * TTFT, ITL and E2E by percentile, on a scale of nines; null when nothing was measured. A curve ends where its
 * histogram does: at one value of all.
 */
export function percentileCurves(report: LoadReport): Markup | null {
  const curves = curvesOf(report)
  if (curves.length === 0) return null
  const nines = Math.max(1, ...curves.map(({ quantiles }) => Math.log10(quantiles.count)))
  const limits = limitsOf(report)
  const values = [
    ...curves.flatMap(({ quantiles }) => [quantiles.at(LOWEST_SHOWN), quantiles.at(1)]),
    ...limits.map(({ y }) => y),
  ]
  return lineChart({
    id: 'percentiles',
    title: 'Latency by percentile',
    description: `${curves.map(describe).join('. ')}. The percentile axis gives each further nine the same width; the latency axis is logarithmic.`,
    width: 1120,
    height: 380,
    x: ninesAxis('percentile', nines),
    y: logDurationAxis('latency', Math.min(...values), Math.max(...values)),
    series: curves.map(({ name, tone, stroke, quantiles }) => ({
      name,
      tone,
      stroke,
      shape: 'line',
      points: quantileSteps(quantiles.count, POINTS_PER_NINE).map((q) => ({ x: q, y: quantiles.at(q) })),
    })),
    limits,
    hovers: hoversOf(curves, nines),
  })
}

function curvesOf({ ttft, itl, e2e }: LoadReport): Curve[] {
  const all = [
    { name: 'TTFT', tone: 'ttft', stroke: 'solid', quantiles: quantilesOf(ttft) },
    { name: 'ITL', tone: 'itl', stroke: 'solid', quantiles: quantilesOf(itl) },
    { name: 'E2E', tone: 'e2e', stroke: 'solid', quantiles: quantilesOf(e2e) },
  ] as const
  return all.flatMap(({ quantiles, ...curve }) => (quantiles === null ? [] : [{ ...curve, quantiles }]))
}

function limitsOf({ slo }: LoadReport): Limit[] {
  const all = [
    { tone: 'ttft', name: 'TTFT', micros: slo?.ttftMicros },
    { tone: 'itl', name: 'ITL', micros: slo?.itlMicros },
    { tone: 'e2e', name: 'E2E', micros: slo?.e2eMicros },
  ] as const
  return all.flatMap(({ tone, name, micros }) =>
    micros === undefined ? [] : [{ y: micros, tone, label: `SLO ${name} ${formatDuration(micros)}` }],
  )
}

/** Quantiles from 0, equally far apart on a scale of nines, to the last one that `count` values tell apart. */
function quantileSteps(count: number, perNine: number): number[] {
  const last = Math.log10(count)
  const steps = Math.max(1, Math.ceil(last * perNine))
  return Array.from({ length: steps + 1 }, (_, at) => 1 - 10 ** -((at / steps) * last))
}

function hoversOf(curves: readonly Curve[], nines: number): Hover[] {
  const steps = quantileSteps(10 ** nines, HOVERS_PER_NINE)
  return steps.slice(0, -1).map((from, at) => {
    const to = steps[at + 1] ?? 1
    const q = 1 - 10 ** -((ninesOf(from) + ninesOf(to)) / 2)
    const rows = curves
      .filter(({ quantiles }) => ninesOf(q) <= Math.log10(quantiles.count))
      .map(({ name, quantiles }) => `${name} ${formatDuration(quantiles.at(q))}`)
    return { from, to, text: [`p${Number((q * 100).toPrecision(6))}`, ...rows].join('\n') }
  })
}

function describe({ name, quantiles }: Curve): string {
  const value = (q: number): string => formatDuration(quantiles.at(q))
  return `${name} of ${formatNumber(quantiles.count)} values: median ${value(0.5)}, p99 ${value(0.99)}, greatest ${value(1)}`
}
