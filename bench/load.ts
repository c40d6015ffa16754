import type { Command } from './command.js'
import { LOAD_HELP } from './load/help.js'
import { writeReport } from './load/html-report.js'
import { INTERRUPTED, interruptible } from './load/interrupt.js'
import { planOf, type LoadOptions } from './load/options.js'
import type { LoadReport } from './load/load-report.js'
import { createProgress } from './load/progress.js'
import { checkWritable, writeText } from './load/report-file.js'
import { runLoad } from './load/run.js'
import { summaryOf } from './load/summary.js'

export { planOf } from './load/options.js'
export { runLoad, type LoadHooks } from './load/run.js'

/** Runs a load and prints its table. Exit code 1 when no request was answered. */
export const loadCommand: Command = {
  summary: 'load on any OpenAI-compatible server, measured as its clients see it',
  help: LOAD_HELP,
  async run(args) {
    const options = planOf(args, process.env)
    await checkWritable([options.out, options.report])
    const report = await runAndShow(options)
    process.stdout.write(`${summaryOf(report).join('\n')}\n`)
    if (options.out !== null) await writeText(options.out, `${JSON.stringify(report, null, 2)}\n`)
    if (options.report !== null) await writeReport(report, options.report)
    if (report.ended === 'interrupted') return INTERRUPTED
    return report.totals.completed === 0 && report.totals.aborted === 0 ? 1 : 0
  },
}

async function runAndShow({ plan }: LoadOptions): Promise<LoadReport> {
  const progress = createProgress(process.stderr)
  try {
    return await interruptible((signal) =>
      runLoad(plan, {
        signal,
        onStart(model, notes) {
          const how = plan.stream ? 'streams' : 'replies'
          process.stderr.write(`${plan.endpoint} ${how} of ${model} at ${plan.url}\n`)
          for (const note of notes) process.stderr.write(`note: ${note}\n`)
        },
        onSecond: progress.show,
      }),
    )
  } finally {
    progress.end()
  }
}
