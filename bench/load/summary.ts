import { columns } from './columns.js'
import type { Distribution, LoadReport, LoadStep } from './load-report.js'
import { formatDuration, formatNumber, formatShare } from './units.js'

/** The table at the end of a run, for people. */
export function summaryOf(report: LoadReport): string[] {
  const { totals, errors, generator, steps } = report
  return [
    ...(report.ended === 'interrupted' ? ['Interrupted: what was measured so far.', ''] : []),
    ...countLines(report),
    '',
    ...distributionLines(report),
    ...(steps.length > 1 ? ['', ...stepLines(steps)] : []),
    ...(errors.length > 0 ? ['', ...errorLines(errors, totals.failed)] : []),
    '',
    ...generatorLines(generator),
  ]
}

function countLines(report: LoadReport): string[] {
  const { totals, measuredSeconds } = report
  const open = totals.sent - totals.completed - totals.failed - totals.aborted
  const fates = [
    `${formatNumber(totals.completed)} completed`,
    `${formatNumber(totals.failed)} failed`,
    ...(totals.aborted > 0 ? [`${formatNumber(totals.aborted)} left on purpose`] : []),
    ...(open > 0 ? [`${formatNumber(open)} still open`] : []),
  ]
  const lines = [
    [
      'requests',
      `${formatNumber(totals.sent)} sent in ${formatNumber(measuredSeconds)} s: ${fates.join(', ')}`,
    ],
    [
      'throughput',
      `${formatNumber(totals.requestsPerSecond)} requests/s, ${formatNumber(totals.completionTokensPerSecond)} tokens/s`,
    ],
    [
      'tokens',
      `${formatNumber(totals.promptTokens)} in prompts, ${formatNumber(totals.completionTokens)} in answers${countedBy(report)}`,
    ],
  ]
  if (totals.good !== null && totals.goodputPerSecond !== null) {
    const share = totals.sent === 0 ? '' : ` (${formatShare(totals.good / totals.sent)} of those sent)`
    lines.push([
      'goodput',
      `${formatNumber(totals.goodputPerSecond)} requests/s: ${formatNumber(totals.good)} met ${sloOf(report.slo)}${share}`,
    ])
  }
  return lines.map(([name = '', value = '']) => `${name.padEnd(10)}  ${value}`)
}

function sloOf(slo: LoadReport['slo']): string {
  const parts: readonly (readonly [string, number | undefined])[] = [
    ['TTFT', slo?.ttftMicros],
    ['ITL', slo?.itlMicros],
    ['E2E', slo?.e2eMicros],
  ]
  return parts
    .flatMap(([name, micros]) => (micros === undefined ? [] : [`${name} ≤ ${formatDuration(micros)}`]))
    .join(', ')
}

/** Whose count the tokens are, where it is not the server's alone. */
function countedBy({ counted }: LoadReport): string {
  if (counted === undefined) return ''
  const parts = [
    ...(counted.byFrames > 0
      ? [
          `${formatNumber(counted.byFrames)} streams had no usage: their frames were counted, their prompts not`,
        ]
      : []),
    ...(counted.not > 0 ? [`${formatNumber(counted.not)} replies had no usage and count for nothing`] : []),
  ]
  return parts.length === 0 ? '' : ` (${parts.join('; ')})`
}

const PERCENTILES = ['mean', 'p50', 'p90', 'p95', 'p99', 'p999', 'max'] as const

function distributionLines(report: LoadReport): string[] {
  const named: readonly (readonly [string, Distribution])[] = [
    ['TTFT', report.ttft],
    ['ITL', report.itl],
    ['E2E', report.e2e],
  ]
  const rows = named.filter(([, { count }]) => count > 0)
  if (rows.length === 0) return ['No request was answered.']
  return columns([
    ['', ...PERCENTILES.map((name) => (name === 'p999' ? 'p99.9' : name)), 'of'],
    ...rows.map(([name, distribution]) => [
      name,
      ...PERCENTILES.map((one) => formatDuration(distribution[one])),
      formatNumber(distribution.count),
    ]),
  ])
}

function stepLines(steps: readonly LoadStep[]): string[] {
  const withGood = steps.some(({ totals }) => totals.good !== null)
  return columns([
    [
      'load',
      'from',
      'to',
      'sent',
      'failed',
      'done/s',
      'tokens/s',
      ...(withGood ? ['good/s'] : []),
      'TTFT p50',
      'p99',
      'ITL p50',
      'p99',
      'E2E p50',
      'p99',
    ],
    ...steps.map(({ load, fromSecond, toSecond, totals, ttft, itl, e2e }) => [
      load.kind === 'rate'
        ? `${formatNumber(load.requestsPerSecond)}/s`
        : `${formatNumber(load.requests)} open`,
      `${formatNumber(fromSecond)} s`,
      `${formatNumber(toSecond)} s`,
      ...[totals.sent, totals.failed, totals.requestsPerSecond, totals.completionTokensPerSecond].map(
        formatNumber,
      ),
      ...(withGood ? [formatNumber(totals.goodputPerSecond ?? 0)] : []),
      ...[ttft.p50, ttft.p99, itl.p50, itl.p99, e2e.p50, e2e.p99].map(formatDuration),
    ]),
  ])
}

const SHOWN_ERRORS = 20

function errorLines(errors: LoadReport['errors'], failed: number): string[] {
  const shown = errors.slice(0, SHOWN_ERRORS)
  const lines = columns([
    ['failed', 'status', 'code', 'count', 'share'],
    ...shown.map(({ kind, status, code, count }) => [
      kind,
      status === null ? '–' : String(status),
      code ?? '–',
      formatNumber(count),
      formatShare(count / Math.max(1, failed)),
    ]),
  ])
  const examples = shown.map(({ example }) => example.replaceAll(/\s+/g, ' '))
  return [
    ...lines.map((line, at) => (at === 0 ? line : `${line}  ${examples[at - 1] ?? ''}`)),
    ...(errors.length > shown.length ? [`… and ${errors.length - shown.length} other kinds`] : []),
  ]
}

function generatorLines({
  loopLagP99,
  loopLagMax,
  cpu,
  sendDelay,
  limited,
}: LoadReport['generator']): string[] {
  const delay =
    sendDelay.count === 0
      ? ''
      : `, sent ${formatDuration(sendDelay.p50)} late (p99 ${formatDuration(sendDelay.p99)})`
  const state = `generator   ${formatShare(cpu)} of a processor, loop lag p99 ${formatDuration(loopLagP99)}, max ${formatDuration(loopLagMax)}${delay}`
  return limited === null
    ? [state]
    : [
        state,
        `THE GENERATOR WAS THE LIMIT: ${limited}. The figures above are its own, not the server's alone.`,
      ]
}
