import { writeFile } from 'node:fs/promises'
import { UsageError, type Command } from './command.js'
import { LOAD_HELP } from './load/help.js'
import { planOf, type LoadOptions } from './load/options.js'
import type { LoadReport } from './load/load-report.js'
import { createProgress } from './load/progress.js'
import { runLoad } from './load/run.js'
import { summaryOf } from './load/summary.js'

export { planOf } from './load/options.js'
export { runLoad, type LoadHooks } from './load/run.js'

/** What a shell says of a program that Ctrl-C ended. */
const INTERRUPTED = 130

/** Runs a load and prints its table. Exit code 1 when no request was answered. */
export const loadCommand: Command = {
  summary: 'load on any OpenAI-compatible server, measured as its clients see it',
  help: LOAD_HELP,
  async run(args) {
    const options = planOf(args, process.env)
    await checkWritable(options)
    const report = await runAndShow(options)
    process.stdout.write(`${summaryOf(report).join('\n')}\n`)
    if (options.out !== null) await writeFile(options.out, `${JSON.stringify(report, null, 2)}\n`)
    if (report.ended === 'interrupted') return INTERRUPTED
    return report.totals.completed === 0 && report.totals.aborted === 0 ? 1 : 0
  },
}

async function runAndShow({ plan }: LoadOptions): Promise<LoadReport> {
  const interrupt = new AbortController()
  const onInterrupt = (): void => {
    if (interrupt.signal.aborted) process.exit(INTERRUPTED)
    interrupt.abort()
  }
  const progress = createProgress(process.stderr)
  process.on('SIGINT', onInterrupt)
  process.on('SIGTERM', onInterrupt)
  try {
    return await runLoad(plan, {
      signal: interrupt.signal,
      onStart(model, notes) {
        const how = plan.stream ? 'streams' : 'replies'
        process.stderr.write(`${plan.endpoint} ${how} of ${model} at ${plan.url}\n`)
        for (const note of notes) process.stderr.write(`note: ${note}\n`)
      },
      onSecond: progress.show,
    })
  } finally {
    progress.end()
    process.off('SIGINT', onInterrupt)
    process.off('SIGTERM', onInterrupt)
  }
}

/** Found out before the run rather than after it. */
async function checkWritable({ out, report }: LoadOptions): Promise<void> {
  for (const path of [out, report]) {
    if (path === null) continue
    await writeFile(path, '', { flag: 'a' }).catch((error: unknown) => {
      const words = error instanceof Error ? error.message : String(error)
      throw new UsageError(`cannot write ${path}: ${words}`, { cause: error })
    })
  }
}
