import { NOTHING, formatDuration, formatNumber, formatShare } from '../units.js'
import type { SweepProbe, SweepReport } from './sweep-report.js'

/** The number of a load. */
export function loadOf({ load }: Pick<SweepProbe, 'load'>): number {
  return load.kind === 'rate' ? load.requestsPerSecond : load.requests
}

export const VERDICT_WORDS = {
  met: 'met',
  missed: 'missed',
  'generator-limit': 'generator was the limit',
  interrupted: 'interrupted',
} as const

const TITLES = ['load', 'sent', 'done/s', 'tokens/s', 'good', 'TTFT p50', 'p99', 'ITL p99', 'E2E p99', '']
const WIDTHS = [8, 8, 8, 9, 7, 9, 9, 9, 9]

/** Arrivals at random may send this share more or less than was asked for without a word. */
const MOST_OFF = 0.05

function line(cells: readonly string[]): string {
  return cells.map((cell, at) => cell.padStart(WIDTHS[at] ?? 0)).join('  ')
}

/** The head of the table that is written probe by probe. */
export function probeHeader(): string {
  return line(TITLES).trimEnd()
}

/** A probe's row of it. */
export function probeLine(probe: SweepProbe): string {
  const { totals, ttft, itl, e2e, verdict, reason } = probe
  const asked = totals.sent - totals.aborted
  return line([
    loadText(loadOf(probe)),
    formatNumber(totals.sent),
    formatNumber(totals.requestsPerSecond),
    formatNumber(totals.completionTokensPerSecond),
    totals.good === null || asked === 0 ? NOTHING : formatShare(totals.good / asked),
    ...[ttft.p50, ttft.p99, itl.p99, e2e.p99].map(formatDuration),
    `${VERDICT_WORDS[verdict]}${verdict === 'met' ? '' : `: ${reason.replace(/[\p{C}\s]+/gu, ' ')}`}`,
  ])
}

/** Four digits, as the search chose it. */
function loadText(load: number): string {
  return String(Number(load.toPrecision(6)))
}

/** What a sweep found, in sentences that claim no more than its probes show. */
export function answerText(report: SweepReport): string[] {
  const { kind, share, answer, probes, range } = report
  const { highest, next, ending } = answer
  const load = (value: number | null): string =>
    `${value === null ? NOTHING : loadText(value)} ${kind === 'rate' ? 'requests/s' : 'requests at once'}`
  const goal = `at least ${formatShare(share)} of the requests met the SLO and none failed`
  const reason = probes.findLast((probe) => loadOf(probe) === next && probe.verdict !== 'met')?.reason ?? ''
  switch (ending) {
    case 'found':
      return [
        `${load(highest)} is the highest load that was tried at which ${goal}.`,
        `At ${load(next)} that was missed: ${reason}.`,
        ...shortcomings(report, load(highest)),
      ]
    case 'at-end':
      return [
        `At ${load(highest)}, the end of the range, ${goal}: the limit is higher.`,
        ...shortcomings(report, load(highest)),
      ]
    case 'below-start':
      return [`At ${load(range.from)}, the start of the range, the SLO was missed: ${reason}.`]
    case 'generator-limit':
      return [
        `Stopped at ${load(next)}: the load generator was the limit: ${reason}.`,
        highest === null
          ? 'Nothing can be said of the server.'
          : `The server's limit is not below ${load(highest)}, where ${goal}.`,
      ]
    case 'interrupted':
      return [
        `Interrupted at ${load(next)}.`,
        highest === null ? 'No load was tried to its end.' : `At ${load(highest)} ${goal}.`,
      ]
  }
}

/** What the runs at the highest load cannot show: a share of so few requests, a rate that chance kept from being sent. */
function shortcomings({ probes, answer: { highest }, share }: SweepReport, where: string): string[] {
  const runs = probes.filter((probe) => loadOf(probe) === highest)
  const sent = Math.max(0, ...runs.map(({ totals }) => totals.sent))
  const rates = runs.flatMap(({ load, totals, measuredSeconds }) =>
    load.kind === 'rate' ? [totals.sent / measuredSeconds] : [],
  )
  const isOff = rates.some((rate) => Math.abs(rate - (highest ?? 0)) > MOST_OFF * (highest ?? 0))
  return [
    ...(share < 1 && sent * (1 - share) < 1
      ? [
          `Only ${sent} requests were sent at ${where}, too few to tell ${formatShare(share)} from all: make --duration longer.`,
        ]
      : []),
    ...(isOff
      ? [`Asked for ${where}, chance sent ${rates.map(formatNumber).join(' and ')}: make --duration longer.`]
      : []),
  ]
}
