import { parseArgs } from 'node:util'
import { UsageError, wholeNumber, type Command } from './command.js'
import { MAX_BATCH_ROWS } from '../src/workers/usage-spool-directory.js'
import { benchFlush } from './usage/flush.js'
import { benchFreshness } from './usage/freshness.js'
import { abortOnInterrupt } from './usage/interruption.js'
import { benchLatency } from './usage/latency.js'
import { benchLive } from './usage/live.js'

const RECORDS = 500_000

const HELP = `Usage in ClickHouse: how fast it gets there, how soon it counts, and how fast percentiles come out of it.

usage: usage flush [options]     carries a spool into the embedded ClickHouse, and checks that nothing is lost or twice
       usage latency [options]   generates requests, and asks the gateway for percentiles over 30 days of them
       usage freshness [options] sends requests to a gateway, and asks it all the time how many it counts

  flush
    --records N    records in the spool (${RECORDS})
    --rate N       instead: write so many records a second while they are flushed, and see what that costs
    --seconds N    of that (20)
    --batch N      most records of an insert (${MAX_BATCH_ROWS}, the gateway's own)
  latency
    --requests N   requests to generate, about 160 bytes of disk each (10000000; the goal is for 100000000)
    --days N       spread over so many days (30)
    --keep DIR     keep what was generated in DIR for the next run with the same numbers; else it is removed
  freshness
    --rate N       requests a second (20)
    --seconds N    for so long (20)
  all
    --strict       exit code 1 when the goal is missed
  --help

Exit code 1 when a run failed or was interrupted, 2 for bad options.
`

const FLUSH_OPTIONS = {
  records: { type: 'string' },
  rate: { type: 'string' },
  seconds: { type: 'string' },
  batch: { type: 'string', default: String(MAX_BATCH_ROWS) },
  strict: { type: 'boolean', default: false },
} as const

const LATENCY_OPTIONS = {
  requests: { type: 'string', default: '10000000' },
  days: { type: 'string', default: '30' },
  keep: { type: 'string' },
  strict: { type: 'boolean', default: false },
} as const

const FRESHNESS_OPTIONS = {
  rate: { type: 'string', default: '20' },
  seconds: { type: 'string', default: '20' },
  strict: { type: 'boolean', default: false },
} as const

type FlushValues = ReturnType<typeof parseArgs<{ options: typeof FLUSH_OPTIONS }>>['values']

interface Run {
  readonly strict: boolean
  /** Resolves with whether the goal was met. */
  start(signal: AbortSignal): Promise<boolean>
}

/** Reads the command's arguments. @throws UsageError, or the error of `parseArgs` */
export function runOf(args: readonly string[]): Run {
  const [what, ...rest] = args
  if (what === 'flush') {
    const { values } = parseArgs({ args: rest, options: FLUSH_OPTIONS })
    return { strict: values.strict, start: flushOf(values) }
  }
  if (what === 'latency') {
    const { values } = parseArgs({ args: rest, options: LATENCY_OPTIONS })
    const requests = wholeNumber('requests', values.requests, 1, 1e10)
    const days = wholeNumber('days', values.days, 1, 3650)
    const plan = { requests, days, keep: values.keep ?? null }
    return { strict: values.strict, start: (signal) => benchLatency(plan, signal) }
  }
  if (what === 'freshness') {
    const { values } = parseArgs({ args: rest, options: FRESHNESS_OPTIONS })
    const plan = {
      perSecond: wholeNumber('rate', values.rate, 1, 1_000),
      seconds: wholeNumber('seconds', values.seconds, 1, 3600),
    }
    return { strict: values.strict, start: (signal) => benchFreshness(plan, signal) }
  }
  throw new UsageError('say what to measure: usage flush, usage latency, or usage freshness')
}

function flushOf(values: FlushValues): Run['start'] {
  const batch = wholeNumber('batch', values.batch, 1, MAX_BATCH_ROWS)
  if (values.rate === undefined) {
    if (values.seconds !== undefined) throw new UsageError('--seconds goes with --rate')
    const records = wholeNumber('records', values.records ?? String(RECORDS), 1, 1e7)
    return (signal) => benchFlush({ records, batch }, signal)
  }
  if (values.records !== undefined) throw new UsageError('take --records or --rate, not both')
  const perSecond = wholeNumber('rate', values.rate, 1, 40_000)
  const seconds = wholeNumber('seconds', values.seconds ?? '20', 1, 3600)
  return (signal) => benchLive({ perSecond, seconds, batch }, signal)
}

/** Measures and prints. Exit code 1 when a run failed or was interrupted, or with `--strict` when a goal was missed. */
export const usageCommand: Command = {
  summary: 'usage records: flush into ClickHouse, percentiles out of it, how soon they count',
  help: HELP,
  async run(args) {
    const run = runOf(args)
    const signal = abortOnInterrupt()
    const met = await run.start(signal).catch((error: unknown) => {
      throw signal.aborted ? signal.reason : error
    })
    return met || !run.strict ? 0 : 1
  },
}
