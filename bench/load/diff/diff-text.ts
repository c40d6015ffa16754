import { columns } from '../columns.js'
import type { LoadReport } from '../load-report.js'
import { formatDuration, formatNumber, formatShare, NOTHING } from '../units.js'
import type { Interval } from './noise.js'
import type { DiffRow, ReportDiff, Verdict } from './report-diff.js'

const VERDICTS: Readonly<Record<Verdict, string>> = {
  better: 'better',
  worse: 'WORSE',
  noise: 'within noise',
  unknown: 'too little to tell',
}

/** A run under its name. */
export interface NamedReport {
  readonly name: string
  readonly report: LoadReport
}

/** The comparison as lines of text: what was compared, what stands against it, the table, what its verdicts mean. */
export function diffText(a: NamedReport, b: NamedReport, diff: ReportDiff): string[] {
  const warnings = [...runWarnings('A', a.report), ...runWarnings('B', b.report), ...pairWarnings(a, b, diff)]
  return [
    runLine('A', a),
    runLine('B', b),
    '',
    ...warnings.map((text) => `WARNING: ${text}`),
    ...(warnings.length > 0 ? [''] : []),
    ...columns([['', 'A', '95% interval', 'B', '95% interval', 'change', 'B is'], ...diff.rows.map(cells)]),
    '',
    ...explanation(diff),
  ]
}

function runLine(letter: string, { name, report }: NamedReport): string {
  const { settings, environment, startedAt } = report
  const target = ['model', 'url'].map((key) => settings[key]).filter((value) => typeof value === 'string')
  return printable(
    `${letter}  ${name}: ${target.join(' at ')}, ${startedAt}, ${formatNumber(report.measuredSeconds)} s, commit ${environment.commit ?? 'unknown'}`,
  )
}

function runWarnings(letter: string, { ended, generator, totals }: LoadReport): string[] {
  return [
    ...(generator.limited === null
      ? []
      : [printable(`in ${letter} the load generator was the limit: ${generator.limited}`)]),
    ...(ended === 'interrupted' ? [`${letter} was interrupted`] : []),
    ...(totals.completed === 0 ? [`in ${letter} no request was completed`] : []),
  ]
}

function pairWarnings(a: NamedReport, b: NamedReport, { settings }: ReportDiff): string[] {
  const machine = ({ report: { environment } }: NamedReport): string => {
    const { processor, processors, os, node } = environment
    return `${processors} × ${processor}, ${os}, Node ${node}`
  }
  return [
    ...settings.map(
      ({ name, a: before, b: after }) =>
        `the runs differ in ${printable(name)}: ${shown(before)} in A, ${shown(after)} in B`,
    ),
    ...(machine(a) === machine(b)
      ? []
      : [printable(`the load came from different machines: ${machine(a)} in A, ${machine(b)} in B`)]),
  ]
}

function shown(value: unknown): string {
  return value === undefined ? 'unset' : printable(JSON.stringify(value))
}

/** Text out of a file must not steer the terminal. */
function printable(text: string): string {
  return text.replace(/\p{C}/gu, '\u{fffd}')
}

function cells({ name, measure, unit, a, b, change, verdict }: DiffRow): string[] {
  const format = FORMATS[unit]
  const value = (one: number | null): string => (one === null ? NOTHING : format(one))
  return [
    measure === null ? name : `${measure.toUpperCase()} ${name}`,
    value(a.value),
    interval(a.interval, format),
    value(b.value),
    interval(b.interval, format),
    change === null ? NOTHING : signedPercent(change),
    VERDICTS[verdict],
  ]
}

const FORMATS = {
  'per second': formatNumber,
  share: formatShare,
  micros: formatDuration,
} as const

function interval({ low, high }: Interval, format: (value: number) => string): string {
  if (low === null && high === null) return '?'
  return `${low === null ? '?' : format(low)} … ${high === null ? '?' : format(high)}`
}

export function signedPercent(change: number): string {
  const percent = change * 100
  const digits = Math.abs(percent) < 10 ? 1 : 0
  const text = percent.toFixed(digits)
  return `${percent > 0 ? '+' : ''}${text === '-0.0' ? '0.0' : text}%`
}

function explanation({ independent }: ReportDiff): string[] {
  const count = (value: number | null): string => (value === null ? '?' : formatNumber(Math.floor(value)))
  const counts = independent.map(
    ({ measure, a, b }) => `${measure.toUpperCase()} ${count(a)} and ${count(b)}`,
  )
  return [
    'better, WORSE: the 95% intervals do not overlap. They are about the noise within each run: rates by the scatter of',
    'its seconds, percentiles by order statistics of the whole histogram. Values count as fewer independent ones where',
    'the seconds scatter more than independent values would. So many count, in A and in B:',
    `${counts.join(', ')}.`,
    'What differs from one run to the next (placement, caches, other load on the machines) is not in the intervals: a',
    'change is certain only when it comes again in further runs.',
  ]
}
