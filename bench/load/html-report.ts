import { againstLoad, ttftByOpenRequests } from './html-report/load-plot.js'
import { markup, type Markup, type Part } from './html-report/markup.js'
import { banner, page } from './html-report/page.js'
import { percentileCurves } from './html-report/percentile-curve.js'
import { sweepBody } from './html-report/sweep-page.js'
import {
  environmentTable,
  errorTable,
  percentileTable,
  secondTable,
  settingsTable,
  stepTable,
  tiles,
  totalsTable,
} from './html-report/tables.js'
import { timeline } from './html-report/timeline.js'
import type { LoadReport } from './load-report.js'
import { writeText } from './report-file.js'
import type { SweepReport } from './sweep/sweep-report.js'
import { formatNumber } from './units.js'

/**
 * A load run as one self-contained HTML page with its plots as inline SVG: it needs no network and no script. All
 * text of the report is escaped.
 * @throws when a histogram of the report cannot be decoded
 */
export function renderReport(report: LoadReport): string {
  const { charts, secondsPerPoint } = timeline(report)
  const title = `Load test of ${targetOf(report)}`
  return page(title, [
    markup`<h1>${title}</h1>
<p class="soft">${report.startedAt} · ${formatNumber(report.measuredSeconds)} s measured · ${formatNumber(report.totals.sent)} requests · seed ${report.seed} · commit ${report.environment.commit ?? 'unknown'}</p>
`,
    warnings(report),
    tiles(report),
    section('Latency', [percentileCurves(report), percentileTable(report)]),
    section('Over time', [
      markup`<div class="columns">\n${charts}</div>\n`,
      secondsPerPoint > 1 &&
        markup`<p class="note">Each point stands for ${secondsPerPoint} seconds: the mean of requests and tokens, the greatest of open requests and latencies.</p>\n`,
    ]),
    section('Against load', loadSection(report)),
    section('Errors', errorTable(report)),
    section('What was run', [
      markup`<div class="columns">\n${totalsTable(report)}${environmentTable(report)}${settingsTable(report)}</div>\n`,
    ]),
    markup`<details><summary>Figures of each second</summary>\n${secondTable(report.timeline)}</details>\n`,
  ])
}

/** Writes the page to a file. @throws UsageError when it cannot be written */
export async function writeReport(report: LoadReport, path: string): Promise<void> {
  await writeText(path, renderReport(report))
}

/** A sweep as such a page. */
export function renderSweep(report: SweepReport): string {
  const title = `Highest load of ${targetOf(report)} within an SLO`
  return page(title, sweepBody(report, title))
}

/** Writes the page to a file. @throws UsageError when it cannot be written */
export async function writeSweep(report: SweepReport, path: string): Promise<void> {
  await writeText(path, renderSweep(report))
}

/** What the page is about, out of settings that may hold anything. */
function targetOf({ settings }: Pick<LoadReport, 'settings'>): string {
  const words = ['model', 'url'].map((name) => settings[name]).filter((value) => typeof value === 'string')
  return words.length === 0 ? 'a server' : words.join(' at ')
}

function warnings({ generator, ended, totals, errors }: LoadReport): Part {
  const [worst] = errors.toSorted((a, b) => b.count - a.count)
  return [
    generator.limited !== null &&
      banner(
        'The load generator was the limit.',
        `These figures are about it rather than about the server: ${generator.limited}.`,
      ),
    ended === 'interrupted' &&
      banner('The run was interrupted.', 'The figures are of what was measured until then.'),
    totals.completed === 0 &&
      banner('No request was completed.', worst === undefined ? '' : `Most failed with: ${worst.example}`),
  ]
}

function section(title: string, body: Part): Markup {
  return markup`<section>\n<h2>${title}</h2>\n${body}</section>\n`
}

function loadSection(report: LoadReport): Part {
  const { steps, slo } = report
  const kind = steps.at(0)?.load.kind
  const comparable = steps.filter(({ load }) => load.kind === kind)
  if (comparable.length > 1)
    return [markup`<div class="columns">\n${againstLoad(comparable, slo)}</div>\n`, stepTable(comparable)]
  const scatter = ttftByOpenRequests(report)
  return [
    scatter === null
      ? markup`<p>No streamed answer began after the warm-up, so there is no TTFT to show.</p>\n`
      : scatter,
    markup`<p class="note">One step of load was run. With ramps or steps, or with bench sweep, this shows latency and throughput at each load.</p>\n`,
  ]
}
