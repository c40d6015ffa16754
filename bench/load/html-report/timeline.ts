import type { LoadReport, LoadSecond } from '../load-report.js'
import { formatDuration, formatNumber } from '../units.js'
import { countAxis, durationAxis, secondsAxis, type Axis } from './axis.js'
import { lineChart, type Band, type Chart, type Point, type Series } from './line-chart.js'
import type { Markup } from './markup.js'

/** A chart of more points than this is a blur. */
const MOST_POINTS = 300

/** Some seconds of the run as one point: counts are means, open requests and latencies the greatest. */
interface Slice {
  readonly from: number
  readonly to: number
  readonly completed: number
  readonly failed: number
  readonly tokens: number
  readonly open: number
  readonly latency: Readonly<Record<LatencyField, number | null>>
}

const LATENCIES = [
  { title: 'TTFT', tone: 'ttft', p50: 'ttftP50', p99: 'ttftP99' },
  { title: 'ITL', tone: 'itl', p50: 'itlP50', p99: 'itlP99' },
  { title: 'E2E', tone: 'e2e', p50: 'e2eP50', p99: 'e2eP99' },
] as const
type LatencyField = (typeof LATENCIES)[number]['p50' | 'p99']

export interface Timeline {
  readonly charts: readonly Markup[]
  /** Seconds that are one point of the charts. */
  readonly secondsPerPoint: number
}

/** Throughput, open requests and latency by second; no charts when the run had no second. */
export function timeline(report: LoadReport): Timeline {
  const seconds = report.timeline.toSorted((a, b) => a.second - b.second)
  const [first] = seconds
  const last = seconds.at(-1)
  if (first === undefined || last === undefined) return { charts: [], secondsPerPoint: 1 }
  const secondsPerPoint = Math.ceil(seconds.length / MOST_POINTS)
  const slices = slicesOf(seconds, secondsPerPoint)
  const x = secondsAxis(first.second, last.second + 1)
  const shared = {
    width: 560,
    height: 220,
    x,
    bands: bandsOf(first.second, report.measuredSeconds, last.second + 1),
    cuts: report.steps.slice(1).map(({ fromSecond }) => fromSecond),
  }
  return { charts: [...loadCharts(shared, slices), ...latencyCharts(shared, slices)], secondsPerPoint }
}

/** The seconds that do not count: before the measured part, and those in which its last requests were awaited. */
function bandsOf(from: number, measuredSeconds: number, to: number): Band[] {
  const bands: Band[] = []
  if (from < 0) bands.push({ from, to: 0, label: 'warm-up' })
  if (to > measuredSeconds) bands.push({ from: measuredSeconds, to, label: 'last answers' })
  return bands
}

type Shared = Pick<Chart, 'width' | 'height' | 'x' | 'bands' | 'cuts'>

function loadCharts(shared: Shared, slices: readonly Slice[]): Markup[] {
  const counts = (id: string, title: string, unit: string, all: readonly CountLine[]): Markup => {
    const greatest = Math.max(...all.flatMap(({ of }) => slices.map(of)))
    const description = all.map(
      ({ name, of }) => `${name}: greatest ${formatNumber(Math.max(...slices.map(of)))}`,
    )
    return lineChart({
      ...shared,
      id,
      title,
      description: `${title} over the seconds of the run. ${description.join('; ')}.`,
      y: countAxis(unit, greatest),
      series: all.map(({ name, tone, of }) => line(name, tone, 'solid', pointsOf(slices, of))),
      hovers: slices.map((slice) =>
        hover(
          slice,
          all.map(({ name, of }) => `${name} ${formatNumber(of(slice))}`),
        ),
      ),
    })
  }
  return [
    counts('requests', 'Requests', 'requests/s', [
      { name: 'completed', tone: 'rate', of: ({ completed }) => completed },
      { name: 'failed', tone: 'failed', of: ({ failed }) => failed },
    ]),
    counts('tokens', 'Completion tokens', 'tokens/s', [
      { name: 'completion tokens', tone: 'tokens', of: ({ tokens }) => tokens },
    ]),
    counts('open', 'Open requests', 'requests', [{ name: 'open', tone: 'open', of: ({ open }) => open }]),
  ]
}

interface CountLine {
  readonly name: string
  readonly tone: Series['tone']
  readonly of: (slice: Slice) => number
}

/** One chart for each latency that was measured at all. */
function latencyCharts(shared: Shared, slices: readonly Slice[]): Markup[] {
  return LATENCIES.flatMap(({ title, tone, p50, p99 }) => {
    const greatest = greatestOf(slices.flatMap(({ latency }) => [latency[p50], latency[p99]]))
    if (greatest === null) return []
    const y: Axis = durationAxis(title, greatest)
    const chart = lineChart({
      ...shared,
      id: title.toLowerCase(),
      title: `${title} by second`,
      description: `${title} over the seconds of the run. The worst second had a p99 of ${formatDuration(greatest)}.`,
      y,
      series: [
        line(
          'p99',
          tone,
          'solid',
          pointsOf(slices, ({ latency }) => latency[p99]),
        ),
        line(
          'p50',
          tone,
          'dashed',
          pointsOf(slices, ({ latency }) => latency[p50]),
        ),
      ],
      hovers: slices.map((slice) =>
        hover(slice, [
          `p50 ${formatDuration(slice.latency[p50])}`,
          `p99 ${formatDuration(slice.latency[p99])}`,
        ]),
      ),
    })
    return [chart]
  })
}

function line(
  name: string,
  tone: Series['tone'],
  stroke: Series['stroke'],
  points: readonly Point[],
): Series {
  return { name, tone, stroke, shape: 'line', points }
}

/** A slice's value stands in its middle. */
function pointsOf(slices: readonly Slice[], of: (slice: Slice) => number | null): Point[] {
  return slices.map((slice) => ({ x: (slice.from + slice.to) / 2, y: of(slice) }))
}

function hover({ from, to }: Slice, rows: readonly string[]): { from: number; to: number; text: string } {
  const when = to - from === 1 ? `second ${from}` : `seconds ${from} to ${to - 1}`
  return { from, to, text: [when, ...rows].join('\n') }
}

function slicesOf(seconds: readonly LoadSecond[], size: number): Slice[] {
  const slices: Slice[] = []
  for (let at = 0; at < seconds.length; at += size) {
    const group = seconds.slice(at, at + size)
    const [first] = group
    if (first === undefined) break
    const mean = (of: (second: LoadSecond) => number): number =>
      group.reduce((sum, second) => sum + of(second), 0) / group.length
    const worst = (field: LatencyField): number | null => greatestOf(group.map((second) => second[field]))
    slices.push({
      from: first.second,
      to: (group.at(-1) ?? first).second + 1,
      completed: mean(({ completed }) => completed),
      failed: mean(({ failed }) => failed),
      tokens: mean(({ completionTokens }) => completionTokens),
      open: Math.max(...group.map(({ open }) => open)),
      latency: {
        ttftP50: worst('ttftP50'),
        ttftP99: worst('ttftP99'),
        itlP50: worst('itlP50'),
        itlP99: worst('itlP99'),
        e2eP50: worst('e2eP50'),
        e2eP99: worst('e2eP99'),
      },
    })
  }
  return slices
}

function greatestOf(values: readonly (number | null)[]): number | null {
  const present = values.filter((value) => value !== null)
  return present.length === 0 ? null : Math.max(...present)
}
