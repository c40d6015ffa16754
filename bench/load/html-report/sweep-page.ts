import { answerText, loadOf, VERDICT_WORDS } from '../sweep/answer-text.js'
import type { SweepReport } from '../sweep/sweep-report.js'
import { formatDuration, formatNumber, formatShare, NOTHING } from '../units.js'
import { againstLoad, loadUnit } from './load-plot.js'
import { markup, type Markup, type Part } from './markup.js'
import { banner, facts, table } from './page.js'
import { machineFacts, settingsTable, sloText } from './tables.js'

/** The body of a sweep's page: the answer, latency and goodput against load, every probe. */
export function sweepBody(report: SweepReport, title: string): Part {
  const { answer, startedAt, probes, environment } = report
  const [first = '', ...others] = answerText(report)
  const isLimited = answer.ending === 'generator-limit' || answer.ending === 'interrupted'
  return [
    markup`<h1>${title}</h1>
<p class="soft">${startedAt} · ${probes.length} runs · commit ${environment.commit ?? 'unknown'}</p>
`,
    isLimited && banner(first, others.join(' ')),
    !isLimited && markup`<p class="finding"><strong>${first}</strong> ${others.join(' ')}</p>\n`,
    markup`<section>
<h2>Against load</h2>
<div class="columns">
${againstLoad(probes, report.slo)}</div>
${probeTable(report)}</section>
<section>
<h2>What was run</h2>
<div class="columns">
${searchFacts(report)}${facts('Made by', machineFacts(report))}${settingsTable(settingsOf(report))}</div>
</section>
`,
  ]
}

function probeTable({ probes, kind, answer }: SweepReport): Markup {
  const titles = [
    'sent',
    'completed/s',
    'tokens/s',
    'met the SLO',
    'failed',
    'TTFT p50',
    'TTFT p99',
    'ITL p99',
    'E2E p99',
  ]
  return table(
    'Every run, in its order',
    [{ title: loadUnit(kind) }, ...titles.map((title) => ({ title })), { title: 'SLO', text: true }],
    probes.map((probe) => {
      const { totals, ttft, itl, e2e, verdict, reason } = probe
      const asked = totals.sent - totals.aborted
      return {
        marked: loadOf(probe) === answer.highest,
        cells: [
          formatNumber(loadOf(probe)),
          formatNumber(totals.sent),
          formatNumber(totals.requestsPerSecond),
          formatNumber(totals.completionTokensPerSecond),
          asked === 0 || totals.good === null ? NOTHING : formatShare(totals.good / asked),
          formatNumber(totals.failed),
          ...[ttft.p50, ttft.p99, itl.p99, e2e.p99].map(formatDuration),
          verdict === 'met' ? VERDICT_WORDS.met : `${VERDICT_WORDS[verdict]}: ${reason}`,
        ],
      }
    }),
  )
}

function searchFacts({ range, share, slo, kind, probes }: SweepReport): Markup {
  return facts('The search', [
    ['Range', `${formatNumber(range.from)} to ${formatNumber(range.to)} ${loadUnit(kind)}`],
    ['SLO', `${sloText(slo)} for ${formatShare(share)} of the requests, none failed`],
    ['Resolution', formatShare(range.resolution)],
    ['Runs at each load', `${range.repeats}${range.repeats === 1 ? '' : ', most count'}`],
    ['Measured in each run', `${formatNumber(probes.at(0)?.measuredSeconds ?? 0)} s`],
  ])
}

/** Those of the first probe, but for what the search chose. */
function settingsOf({ settings, probes }: SweepReport): { settings: SweepReport['settings']; seed: number } {
  const { stages: _, ...rest } = settings
  return { settings: rest, seed: probes.at(0)?.seed ?? 0 }
}
