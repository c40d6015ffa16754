import { parseArgs } from 'node:util'
import { UsageError, type Command } from './command.js'
import { writeReport } from './load/html-report.js'
import { readLoadReport } from './load/report-file.js'

const HELP = `Makes the page of load --report out of what load --out wrote.

usage: report FILE.json --out FILE.html
`

/** Renders a stored result as HTML. */
export const reportCommand: Command = {
  summary: 'a result of load as one HTML page',
  help: HELP,
  async run(args) {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: { out: { type: 'string' } },
      strict: true,
      allowPositionals: true,
    })
    const [path] = positionals
    if (path === undefined || positionals.length > 1 || values.out === undefined)
      throw new UsageError('report takes one file and where the page goes: report FILE.json --out FILE.html')
    await writeReport(await readLoadReport(path), values.out)
    return 0
  },
}
