import { parseArgs } from 'node:util'
import { wholeNumber, type Command } from '../command.js'
import type { LoadReport } from '../load/load-report.js'
import { planOf as loadPlanOf } from '../load/options.js'
import { createRequestMaker } from '../load/request-maker.js'
import { runLoad } from '../load/run.js'
import { startNodeFleet } from '../node-fleet.js'
import { reportCalibration, type Pair } from './report.js'
import { locateWrk, runWrk, type Finding } from './wrk.js'

const HELP = `Holds the load generator against wrk: both load a server that answers in a fixed time, in turn.

usage: calibrate [options]

  --pairs N         runs of wrk and the generator in turn (3)
  --seconds N       length of a run (8)
  --connections N   open requests of the closed loop (100)
  --service-ms N    how long the server takes (50)
  --strict          exit code 1 when a goal is missed
  --help

The server is a process of its own. The last run is the generator's open loop at half the rate: a server that answers
in a fixed time has the same median there. Needs wrk, and installs it with apt-get where it may.
Exit code 1 when a run failed, 2 for bad options.
`

const OPTIONS = {
  pairs: { type: 'string', default: '3' },
  seconds: { type: 'string', default: '8' },
  connections: { type: 'string', default: '100' },
  'service-ms': { type: 'string', default: '50' },
  strict: { type: 'boolean', default: false },
} as const

const MODEL = 'sim-8b'
/** Connections are open and code is compiled by then. */
const WARM_UP_SECONDS = 1

interface Plan {
  readonly pairs: number
  readonly seconds: number
  readonly connections: number
  readonly serviceMs: number
  readonly strict: boolean
}

/** Reads the command's arguments. @throws UsageError, or the error of `parseArgs` */
export function planOf(args: readonly string[]): Plan {
  const { values } = parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: false })
  return {
    pairs: wholeNumber('pairs', values.pairs, 1, 100),
    seconds: wholeNumber('seconds', values.seconds, 1, 600),
    connections: wholeNumber('connections', values.connections, 1, 10_000),
    serviceMs: wholeNumber('service-ms', values['service-ms'], 1, 10_000),
    strict: values.strict,
  }
}

/** Measures and prints. Exit code 1 when a run failed, or with `--strict` when a goal was missed. */
export const calibrateCommand: Command = {
  summary: 'the load generator against wrk',
  help: HELP,
  async run(args) {
    const plan = planOf(args)
    const interrupt = new AbortController()
    const onSignal = (): void => {
      interrupt.abort(new Error('interrupted'))
    }
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, onSignal)
    const met = await calibrate(plan, interrupt.signal)
    return met || !plan.strict ? 0 : 1
  },
}

/** @throws when it is interrupted, or a request failed */
async function calibrate(plan: Plan, signal: AbortSignal): Promise<boolean> {
  const { pairs, seconds, connections, serviceMs } = plan
  const program = await locateWrk()
  await using server = await startNodeFleet(
    [
      ['--model', MODEL],
      ['--ttft-ms', String(serviceMs)],
      ['--max-running', '100000'],
      ['--keep-alive-ms', '300000'],
    ].flat(),
  )
  const [url = ''] = server.urls
  const request = ['--url', url, '--no-stream', '--prompt-tokens', '16', '--output-tokens', '1']
  const runGenerator = (load: readonly string[]): Promise<Finding> =>
    measure([...request, '--warm-up', `${WARM_UP_SECONDS}s`, '--duration', `${seconds}s`, ...load], signal)
  const body = bodyOf(request)
  console.log(
    `wrk and the load generator in turn on a server that answers in ${serviceMs} ms: ${pairs} pairs of ${seconds} s,\n` +
      `${connections} connections, the same POST\n`,
  )
  const target = { url: `${url}/v1/chat/completions`, body, connections, signal }
  await runWrk(program, { ...target, seconds: WARM_UP_SECONDS })
  const measured: Pair[] = []
  for (let pair = 0; pair < pairs; pair += 1) {
    measured.push({
      wrk: await runWrk(program, { ...target, seconds }),
      generator: await runGenerator(['--concurrency', String(connections)]),
    })
  }
  const rate = (connections / serviceMs) * 500
  const { lines, met } = reportCalibration(measured, await runGenerator(['--rate', String(rate)]))
  console.log(lines.join('\n'))
  return met
}

/** What both tools send. */
function bodyOf(args: readonly string[]): string {
  const { bytes } = createRequestMaker(loadPlanOf(args).plan, MODEL, null)(0)
  return bytes.subarray(bytes.indexOf('\r\n\r\n') + 4).toString()
}

/** @throws when a request failed */
async function measure(args: readonly string[], signal: AbortSignal): Promise<Finding> {
  const { totals, e2e, errors, generator }: LoadReport = await runLoad(loadPlanOf(args).plan, { signal })
  signal.throwIfAborted()
  const [error] = errors
  if (error !== undefined)
    throw new Error(`${totals.failed} requests failed: ${error.kind}: ${error.example}`)
  if (generator.limited !== null) console.log(`note: the generator was the limit: ${generator.limited}`)
  return { requestsPerSecond: totals.requestsPerSecond, medianMicros: e2e.p50 ?? 0 }
}
