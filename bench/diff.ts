import { parseArgs } from 'node:util'
import { UsageError, type Command } from './command.js'
import { diffText, signedPercent } from './load/diff/diff-text.js'
import { diffReports, type DiffRow } from './load/diff/report-diff.js'
import { readLoadReport } from './load/report-file.js'

const HELP = `Sets two results of bench load side by side, with what is beyond noise.

usage: diff A.json B.json [options]

  --fail-above PERCENT  exit code 1 when B is worse than A by more than this in requests/s or tokens/s, or in the p99
                        of TTFT or E2E, whether or not that is beyond noise
  --help

Warns when the runs differ in a setting other than the target's URL. Exit code 0; 2 when a file cannot be read.
`

const OPTIONS = { 'fail-above': { type: 'string' } } as const

/** Compares two reports. Exit code 1 only for a regression beyond `--fail-above`. */
export const diffCommand: Command = {
  summary: 'two results of load side by side',
  help: HELP,
  async run(args) {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: OPTIONS,
      strict: true,
      allowPositionals: true,
    })
    const [pathA, pathB] = positionals
    if (pathA === undefined || pathB === undefined || positionals.length > 2)
      throw new UsageError('diff takes two files that bench load --out wrote: diff A.json B.json')
    const limit = values['fail-above'] === undefined ? null : percent(values['fail-above'])
    const [a, b] = [await readLoadReport(pathA), await readLoadReport(pathB)]
    const diff = diffReports(a, b)
    process.stdout.write(
      `${diffText({ name: pathA, report: a }, { name: pathB, report: b }, diff).join('\n')}\n`,
    )
    if (limit === null) return 0
    const regressions = diff.rows.flatMap((row) => regressionOf(row, limit))
    for (const words of regressions) process.stdout.write(`REGRESSION: ${words}\n`)
    return regressions.length > 0 ? 1 : 0
  },
}

function percent(text: string): number {
  const value = /^\d+(\.\d+)?%?$/.test(text) ? Number.parseFloat(text) : Number.NaN
  if (Number.isFinite(value)) return value
  throw new UsageError(`--fail-above takes percent like 5 or 2.5, not "${text}"`)
}

/** Whether a row is one that counts, and is worse by more than so many percent. */
function regressionOf({ name, measure, a, b, change }: DiffRow, limit: number): string[] {
  const isLatency = name === 'p99' && (measure === 'ttft' || measure === 'e2e')
  const isThroughput = measure === null && (name === 'requests/s' || name === 'tokens/s')
  if (!isLatency && !isThroughput) return []
  const title = isLatency ? `${measure.toUpperCase()} p99` : name
  if (isLatency && a.value !== null && b.value === null) return [`B has no ${title}`]
  const worse = change === null ? 0 : isLatency ? change : -change
  return worse * 100 > limit ? [`${title} ${signedPercent(change ?? 0)}, more than ${limit}% worse`] : []
}
