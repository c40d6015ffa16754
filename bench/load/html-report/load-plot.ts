import type { LoadReport, LoadStep } from '../load-report.js'
import { formatDuration, formatNumber } from '../units.js'
import { countAxis, durationAxis, logDurationAxis, type Axis } from './axis.js'
import { lineChart, type Hover, type Limit, type Point, type Series } from './line-chart.js'
import type { Markup } from './markup.js'

/** What a step of a load run and a probe of a sweep have in common. */
export type LoadPoint = Pick<LoadStep, 'load' | 'totals' | 'ttft' | 'e2e'>

/** The number of a load: requests per second, or requests at once. */
export function loadValue(load: LoadStep['load']): number {
  return load.kind === 'rate' ? load.requestsPerSecond : load.requests
}

/** The unit of that number. */
export function loadUnit(kind: LoadStep['load']['kind']): string {
  return kind === 'rate' ? 'requests/s asked for' : 'requests at once'
}

/** TTFT (E2E where nothing was streamed), and throughput with goodput, against the load. @param points of one kind */
export function againstLoad(points: readonly LoadPoint[], slo: LoadReport['slo']): readonly Markup[] {
  const sorted = points.toSorted((a, b) => loadValue(a.load) - loadValue(b.load))
  const [first] = sorted
  if (first === undefined) return []
  const xLabel = loadUnit(first.load.kind)
  const x = countAxis(xLabel, Math.max(...sorted.map(({ load }) => loadValue(load))))
  const shared = { width: 560, height: 260, x }
  return [latencyChart(shared, sorted, slo), throughputChart(shared, sorted)].filter(
    (chart) => chart !== null,
  )
}

type Shared = Readonly<{ width: number; height: number; x: ReturnType<typeof countAxis> }>

function latencyChart(shared: Shared, points: readonly LoadPoint[], slo: LoadReport['slo']): Markup | null {
  const measured = points.some(({ ttft }) => ttft.p99 !== null)
    ? ({ name: 'TTFT', key: 'ttft', micros: slo?.ttftMicros } as const)
    : ({ name: 'E2E', key: 'e2e', micros: slo?.e2eMicros } as const)
  const { name, key, micros } = measured
  const values = points.flatMap((point) => [point[key].p50, point[key].p99]).filter((value) => value !== null)
  if (values.length === 0) return null
  const limits: Limit[] =
    micros === undefined ? [] : [{ y: micros, tone: key, label: `SLO ${formatDuration(micros)}` }]
  const worst = Math.max(...values)
  const series = (percentile: 'p50' | 'p99', stroke: Series['stroke']): Series => ({
    name: percentile,
    tone: key,
    stroke,
    shape: 'marked',
    points: points.map((point) => ({ x: loadValue(point.load), y: point[key][percentile] })),
  })
  return lineChart({
    ...shared,
    id: 'latency-load',
    title: `${name} against load`,
    description: `${name} at ${points.length} loads, from ${loadText(points.at(0))} to ${loadText(points.at(-1))} ${shared.x.label}; the worst p99 is ${formatDuration(worst)}.`,
    y: latencyAxis(name, [...values, ...(micros === undefined ? [] : [micros])]),
    series: [series('p99', 'solid'), series('p50', 'dashed')],
    limits,
    hovers: hoversOf(points, (point) => [
      `p50 ${formatDuration(point[key].p50)}`,
      `p99 ${formatDuration(point[key].p99)}`,
    ]),
  })
}

/** Beside an overload of seconds a linear axis shows nothing of the milliseconds that an SLO is about. */
function latencyAxis(name: string, values: readonly number[]): Axis {
  const [least, greatest] = [Math.min(...values), Math.max(...values)]
  return greatest > 10 * least ? logDurationAxis(name, least, greatest) : durationAxis(name, greatest)
}

function throughputChart(shared: Shared, points: readonly LoadPoint[]): Markup {
  const line = (name: string, tone: Series['tone'], of: (point: LoadPoint) => number | null): Series => ({
    name,
    tone,
    stroke: tone === 'good' ? 'dashed' : 'solid',
    shape: 'marked',
    points: points.map((point): Point => ({ x: loadValue(point.load), y: of(point) })),
  })
  const good = line('good (met the SLO)', 'good', ({ totals }) => totals.goodputPerSecond)
  const hasGood = good.points.some(({ y }) => y !== null)
  const greatest = Math.max(...points.map(({ totals }) => totals.requestsPerSecond))
  return lineChart({
    ...shared,
    id: 'throughput-load',
    title: 'Throughput against load',
    description: `Completed requests per second at ${points.length} loads; the greatest is ${formatNumber(greatest)}.`,
    y: countAxis('requests/s', greatest),
    series: [line('completed', 'rate', ({ totals }) => totals.requestsPerSecond), ...(hasGood ? [good] : [])],
    hovers: hoversOf(points, ({ totals }) => [
      `completed ${formatNumber(totals.requestsPerSecond)}/s`,
      ...(totals.goodputPerSecond === null ? [] : [`good ${formatNumber(totals.goodputPerSecond)}/s`]),
      `failed ${formatNumber(totals.failed)}`,
    ]),
  })
}

/** Each point's text is told in the strip that is nearest to it. */
function hoversOf(points: readonly LoadPoint[], rows: (point: LoadPoint) => readonly string[]): Hover[] {
  return points.map((point, at) => {
    const value = loadValue(point.load)
    const [before, after] = [points[at - 1], points[at + 1]]
    return {
      from: before === undefined ? 0 : (loadValue(before.load) + value) / 2,
      to: after === undefined ? value : (loadValue(after.load) + value) / 2,
      text: [`${formatNumber(value)} ${loadUnit(point.load.kind)}`, ...rows(point)].join('\n'),
    }
  })
}

function loadText(point: LoadPoint | undefined): string {
  return point === undefined ? '' : formatNumber(loadValue(point.load))
}

/** More dots than this are a blur. */
const MOST_DOTS = 600

/** The seconds of a run of one load: each one's TTFT above the requests that were open at its end. */
export function ttftByOpenRequests(report: LoadReport): Markup | null {
  const measured = report.timeline.filter(
    ({ second, ttftP50 }) => second >= 0 && second + 1 <= report.measuredSeconds && ttftP50 !== null,
  )
  const every = Math.ceil(measured.length / MOST_DOTS)
  const seconds = measured.filter((_, at) => at % every === 0)
  if (seconds.length === 0) return null
  const greatestOpen = Math.max(...seconds.map(({ open }) => open))
  const worst = Math.max(...seconds.map(({ ttftP50, ttftP99 }) => ttftP99 ?? ttftP50 ?? 0))
  const micros = report.slo?.ttftMicros
  return lineChart({
    id: 'latency-load',
    title: `TTFT against open requests, ${every === 1 ? 'by second' : `one second of every ${every}`}`,
    description: `${seconds.length} seconds after the warm-up, ${every === 1 ? 'all of them' : `one of every ${every}`}: up to ${greatestOpen} open requests, the worst p99 ${formatDuration(worst)}.`,
    width: 1120,
    height: 300,
    x: countAxis('requests open at the end of the second', greatestOpen),
    y: durationAxis('TTFT', Math.max(worst, micros ?? 0)),
    series: [
      dots(
        'p99',
        'solid',
        seconds.map(({ open, ttftP99 }) => ({ x: open, y: ttftP99 })),
      ),
      dots(
        'p50',
        'dashed',
        seconds.map(({ open, ttftP50 }) => ({ x: open, y: ttftP50 })),
      ),
    ],
    limits: micros === undefined ? [] : [{ y: micros, tone: 'ttft', label: `SLO ${formatDuration(micros)}` }],
  })
}

function dots(name: string, stroke: Series['stroke'], points: readonly Point[]): Series {
  return { name, tone: 'ttft', stroke, shape: 'dots', points }
}
