import type { Distribution, LoadReport, LoadSecond, LoadStep } from '../load-report.js'
import { formatDuration, formatNumber, formatShare, NOTHING } from '../units.js'
import { loadUnit, loadValue } from './load-plot.js'
import { markup, type Markup, type Part } from './markup.js'
import { facts, table, type Column } from './page.js'

type Totals = LoadReport['totals']

/** Of the requests that the client did not leave on purpose, so many. */
function shareOf(part: number, { sent, aborted }: Totals): string {
  return sent > aborted ? formatShare(part / (sent - aborted)) : NOTHING
}

/** The few figures that most readers came for. */
export function tiles({ totals, ttft, itl, e2e }: LoadReport): Markup {
  const streamed = ttft.count > 0
  const all: (readonly [string, string, string?])[] = [
    ['Requests', formatNumber(totals.requestsPerSecond), '/s'],
    ...(totals.completionTokens === 0
      ? []
      : ([['Completion tokens', formatNumber(totals.completionTokensPerSecond), '/s']] as const)),
    ...(totals.good === null || totals.goodputPerSecond === null
      ? []
      : ([
          [`Goodput (${shareOf(totals.good, totals)})`, formatNumber(totals.goodputPerSecond), '/s'],
        ] as const)),
    ...(streamed ? ([['TTFT p99', formatDuration(ttft.p99)]] as const) : []),
    ...(itl.count > 0 ? ([['ITL p99', formatDuration(itl.p99)]] as const) : []),
    ['E2E p99', formatDuration(e2e.p99)],
  ]
  return markup`<dl class="tiles">
${all.map(([name, value, unit]) => markup`<div class="tile"><dt>${name}</dt><dd>${value}${unit !== undefined && markup`<small>${unit}</small>`}</dd></div>\n`)}<div class="tile"><dt>Failed</dt><dd class="${totals.failed > 0 ? 'bad' : 'none'}">${formatNumber(totals.failed)}<small> of ${formatNumber(totals.sent)}</small></dd></div>
</dl>
`
}

export function totalsTable({ totals, measuredSeconds, slo }: LoadReport): Markup {
  const rows: (readonly [string, Part])[] = [
    ['Measured', `${formatNumber(measuredSeconds)} s`],
    ['Requests sent', formatNumber(totals.sent)],
    ['Completed', `${formatNumber(totals.completed)} (${formatNumber(totals.requestsPerSecond)}/s)`],
    ['Failed', `${formatNumber(totals.failed)} (${shareOf(totals.failed, totals)})`],
    ['Left by the client on purpose', formatNumber(totals.aborted)],
    ['Prompt tokens', formatNumber(totals.promptTokens)],
    [
      'Completion tokens',
      `${formatNumber(totals.completionTokens)} (${formatNumber(totals.completionTokensPerSecond)}/s)`,
    ],
    ['SLO', sloText(slo)],
  ]
  if (totals.good !== null && totals.goodputPerSecond !== null)
    rows.push([
      'Goodput: requests that met it',
      `${formatNumber(totals.good)} (${shareOf(totals.good, totals)}, ${formatNumber(totals.goodputPerSecond)}/s)`,
    ])
  return facts('Totals of the measured part, without the warm-up', rows)
}

/** As it would be written after `--slo`. */
export function sloText(slo: LoadReport['slo']): string {
  const thresholds = [
    ['TTFT', slo?.ttftMicros],
    ['ITL', slo?.itlMicros],
    ['E2E', slo?.e2eMicros],
  ] as const
  const words = thresholds.flatMap(([name, micros]) =>
    micros === undefined ? [] : [`${name} ≤ ${formatDuration(micros)}`],
  )
  return words.length === 0 ? 'none was set' : words.join(', ')
}

const PERCENTILES = [
  ['mean', 'mean'],
  ['min', 'min'],
  ['p50', 'p50'],
  ['p90', 'p90'],
  ['p95', 'p95'],
  ['p99', 'p99'],
  ['p99.9', 'p999'],
  ['max', 'max'],
] as const

export function percentileTable({ ttft, itl, e2e }: LoadReport): Markup {
  const row = (name: string, distribution: Distribution): { cells: Part[] } => ({
    cells: [
      name,
      formatNumber(distribution.count),
      ...PERCENTILES.map(([, key]) => formatDuration(distribution[key])),
    ],
  })
  return table(
    'TTFT: intended send to first token. ITL: between two tokens. E2E: intended send to last byte.',
    [{ title: '' }, { title: 'values' }, ...PERCENTILES.map(([title]) => ({ title }))],
    [row('TTFT', ttft), row('ITL', itl), row('E2E', e2e)],
  )
}

export function errorTable({ errors, totals }: LoadReport): Markup {
  if (errors.length === 0)
    return markup`<p>${totals.failed === 0 ? 'None.' : 'The report does not name them.'}</p>\n`
  return table(
    'By kind, HTTP status and error code; the message is the first one’s',
    [
      { title: 'kind', text: true },
      { title: 'status' },
      { title: 'code', text: true },
      { title: 'count' },
      { title: 'first message', text: true },
    ],
    errors
      .toSorted((a, b) => b.count - a.count)
      .map(({ kind, status, code, count, example }) => ({
        cells: [kind, status ?? NOTHING, code ?? NOTHING, formatNumber(count), example],
      })),
  )
}

export function stepTable(steps: readonly LoadStep[]): Markup {
  const [first] = steps
  const columns: Column[] = [
    { title: first === undefined ? 'load' : loadUnit(first.load.kind) },
    ...[
      'seconds',
      'completed/s',
      'good/s',
      'tokens/s',
      'failed',
      'TTFT p50',
      'TTFT p99',
      'ITL p99',
      'E2E p99',
    ].map((title) => ({ title })),
  ]
  return table(
    'Each step of the load',
    columns,
    steps.map(({ load, fromSecond, toSecond, totals, ttft, itl, e2e }) => ({
      cells: [
        formatNumber(loadValue(load)),
        `${formatNumber(fromSecond)} – ${formatNumber(toSecond)}`,
        formatNumber(totals.requestsPerSecond),
        totals.goodputPerSecond === null ? NOTHING : formatNumber(totals.goodputPerSecond),
        formatNumber(totals.completionTokensPerSecond),
        formatNumber(totals.failed),
        formatDuration(ttft.p50),
        formatDuration(ttft.p99),
        formatDuration(itl.p99),
        formatDuration(e2e.p99),
      ],
    })),
  )
}

export function secondTable(seconds: readonly LoadSecond[]): Markup {
  const titles = ['second', 'sent', 'completed', 'failed', 'aborted', 'tokens', 'open']
  const latencies = ['TTFT p50', 'TTFT p99', 'ITL p50', 'ITL p99', 'E2E p50', 'E2E p99']
  const rows = seconds.map((one) => ({
    cells: [
      one.second,
      ...[one.sent, one.completed, one.failed, one.aborted, one.completionTokens, one.open].map(formatNumber),
      ...[one.ttftP50, one.ttftP99, one.itlP50, one.itlP99, one.e2eP50, one.e2eP99].map(formatDuration),
    ],
  }))
  return table(
    'The seconds before 0 are the warm-up',
    [...titles, ...latencies].map((title) => ({ title })),
    rows,
  )
}

export function settingsTable({ settings, seed }: Pick<LoadReport, 'settings' | 'seed'>): Markup {
  const rows = Object.entries(settings).map(([name, value]) => [name, settingText(value)] as const)
  return facts('Settings', rows.some(([name]) => name === 'seed') ? rows : [...rows, ['seed', String(seed)]])
}

function settingText(value: unknown): string {
  if (typeof value === 'string') return value
  if (value === null || value === undefined) return NOTHING
  return JSON.stringify(value)
}

/** When, by what and on which machine something was measured. */
export function machineFacts({
  environment,
  startedAt,
}: Pick<LoadReport, 'environment' | 'startedAt'>): (readonly [string, string])[] {
  const { version, commit, node, os, processor, processors, memoryBytes } = environment
  return [
    ['Started', startedAt],
    ['Version', version],
    ['Commit', commit ?? 'not a checkout'],
    ['Node.js', node],
    ['System', os],
    ['Processors', `${processors} × ${processor}`],
    ['Memory', `${formatNumber(memoryBytes / 2 ** 30)} GiB`],
  ]
}

export function environmentTable(report: LoadReport): Markup {
  const { cpu, loopLagP50, loopLagP99, loopLagMax, sendDelay } = report.generator
  const spread = (p50: number | null, p99: number | null, max: number | null): string =>
    `p50 ${formatDuration(p50)}, p99 ${formatDuration(p99)}, max ${formatDuration(max)}`
  return facts('Made by', [
    ...machineFacts(report),
    ['Generator’s processor', `${formatShare(cpu)} of one`],
    ['Generator’s loop lag', spread(loopLagP50, loopLagP99, loopLagMax)],
    [
      'Requests sent late by',
      sendDelay.count === 0
        ? 'no schedule: closed loop'
        : spread(sendDelay.p50, sendDelay.p99, sendDelay.max),
    ],
  ])
}
