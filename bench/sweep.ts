import type { Command } from './command.js'
import { writeSweep } from './load/html-report.js'
import { INTERRUPTED, interruptible } from './load/interrupt.js'
import { createProgress } from './load/progress.js'
import { checkWritable, writeText } from './load/report-file.js'
import { runLoad } from './load/run.js'
import { answerText, probeHeader, probeLine } from './load/sweep/answer-text.js'
import type { SweepReport } from './load/sweep/sweep-report.js'
import { sweepOf, type SweepRequest } from './load/sweep/sweep-options.js'
import { sweep } from './load/sweep/sweep.js'

const HELP = `Finds the highest load at which a server still meets an SLO: doubles the load until it is missed, then halves the gap.

usage: sweep --rate FROM:TO --slo LIST [options]

  --rate FROM:TO         open loop: requests per second, the range to search
  --concurrency FROM:TO  closed loop: requests at once
  --slo LIST             thresholds of a good request: ttft=500ms,itl=50ms,e2e=10s; itl is its mean gap
  --share PERCENT        of the requests have to meet it, and none may fail (99%)
  --resolution PERCENT   how far the highest load that met it and the next one that missed it may be apart (5%)
  --repeats N            runs at each load, an odd number; what most of them show counts (1)
  --duration TIME        of the measured part of each run (10s)
  --warm-up TIME         before it, at the same load (2s)
  --out FILE             all runs and the answer as JSON
  --report FILE          the same as one HTML page
  --help

All other options are those of load (see load --help): --url, --key, --model, --prompt-tokens, --arrivals …
Each run has a seed of its own: --seed, then one more each time.

A server that is asked for a little more than it can do falls behind slowly: a short run may still meet the SLO.
The longer each run, the sharper the answer. Where the load generator is the limit, the search stops and says so.
Exit code 0; 1 when no load met the SLO, 2 for what has to be put right first, 130 after Ctrl-C.
`

/** Searches the highest load that meets an SLO. */
export const sweepCommand: Command = {
  summary: 'the highest load that still meets an SLO',
  help: HELP,
  async run(args) {
    const request = sweepOf(args, process.env)
    await checkWritable([request.out, request.report])
    const report = await runAndShow(request)
    process.stdout.write(`\n${answerText(report).join('\n')}\n`)
    if (request.out !== null) await writeText(request.out, `${JSON.stringify(report, null, 2)}\n`)
    if (request.report !== null) await writeSweep(report, request.report)
    if (report.answer.ending === 'interrupted') return INTERRUPTED
    return report.answer.highest === null ? 1 : 0
  },
}

function runAndShow({ plan, range, share }: SweepRequest): Promise<SweepReport> {
  return interruptible((signal) => {
    let isFirst = true
    return sweep({
      plan,
      range,
      share,
      async run(probe) {
        const progress = createProgress(process.stderr)
        try {
          return await runLoad(probe, { signal, onSecond: progress.show })
        } finally {
          progress.end()
        }
      },
      onProbe(probe) {
        if (isFirst) process.stdout.write(`${probeHeader()}\n`)
        isFirst = false
        process.stdout.write(`${probeLine(probe)}\n`)
      },
    })
  })
}
