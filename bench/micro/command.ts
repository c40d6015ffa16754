import { writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { UsageError, wholeNumber, type Command } from '../command.js'
import { checkOutFile } from '../out-file.js'
import { MICRO_BENCHES } from './all.js'
import type { MicroBench } from './harness/bench.js'
import { forkCase } from './harness/fork-case.js'
import type { MicroResult } from './harness/result.js'
import { benchHeading, resultRow } from './report.js'

const names = (): string => MICRO_BENCHES.map(({ name }) => name).join(', ')

const HELP = `Measures the parts of the proxy's hot path alone, each case in a process of its own.

usage: micro [options]

  --only NAME   one bench; repeat it for more:
                ${names()}
  --ms N        length of each measurement, after the warm-up (500)
  --out FILE    the figures as JSON as well
  --help

Printed for one operation: nanoseconds (least, median and 99th percentile of batches of at least 1 ms, pauses of the
garbage collector included), bytes allocated on V8's heap and in buffers outside of it. Ctrl-C ends it early.
Exit code 1 when a measurement failed or was interrupted, 2 for bad options. A goal that is missed is told, no more.
`

const OPTIONS = {
  only: { type: 'string', multiple: true },
  ms: { type: 'string', default: '500' },
  out: { type: 'string' },
} as const

interface Plan {
  readonly benches: readonly MicroBench[]
  readonly forMs: number
  readonly out: string | null
}

/** Reads the command's arguments. @throws UsageError, or the error of `parseArgs` */
export function microPlanOf(args: readonly string[]): Plan {
  const { values } = parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: false })
  const known = MICRO_BENCHES.map(({ name }) => name)
  const chosen = values.only ?? known
  const unknown = chosen.find((name) => !known.includes(name))
  if (unknown !== undefined) throw new UsageError(`--only takes ${names()}, not "${unknown}"`)
  return {
    benches: MICRO_BENCHES.filter(({ name }) => chosen.includes(name)),
    forMs: wholeNumber('ms', values.ms, 20, 60_000),
    out: values.out ?? null,
  }
}

/** Measures, and prints each figure when it is there. */
export const microCommand: Command = {
  summary: 'parts of the hot path alone: nanoseconds and bytes of one operation',
  help: HELP,
  async run(args) {
    const plan = microPlanOf(args)
    if (plan.out !== null) await checkOutFile(plan.out)
    const interrupted = new AbortController()
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        interrupted.abort(new Error('interrupted'))
      })
    }
    const results: MicroResult[] = []
    const startedAt = new Date().toISOString()
    try {
      await measureAll(plan, interrupted.signal, results)
    } finally {
      if (plan.out !== null)
        await writeFile(plan.out, `${JSON.stringify(document(startedAt, plan, results), null, 2)}\n`)
    }
    return 0
  },
}

const processor = (): string => `${cpus().length} × ${cpus()[0]?.model ?? 'unknown processor'}`

async function measureAll(plan: Plan, signal: AbortSignal, results: MicroResult[]): Promise<void> {
  console.log(`Node ${process.version}, ${processor()}. Per operation.\n`)
  for (const bench of plan.benches) {
    console.log(benchHeading(bench).join('\n'))
    for (const subject of bench.cases) {
      const result = await forkCase(bench, subject, plan.forMs, signal)
      results.push(result)
      console.log(resultRow(result))
    }
    console.log()
  }
}

function document(startedAt: string, { forMs }: Plan, results: readonly MicroResult[]) {
  return {
    format: 'crosslogic-micro/1',
    startedAt,
    milliseconds: forMs,
    node: process.version,
    processor: processor(),
    results,
  }
}
