import { cpus } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { UsageError, wholeNumber, type Command } from '../command.js'
import { reportLatency, reportScenario, type Pair } from './report.js'
import { bearer, call, setUpModel, startGateway, type Gateway } from '../gateway.js'
import { startLoadGenerator, type LoadGenerator } from './load/generator.js'
import type { LoadResult } from './load/messages.js'
import { startNginx, type Nginx } from './contenders/nginx.js'
import { startNodeFleet, type NodeFleet } from '../node-fleet.js'
import { MODEL } from './scenarios/chat.js'
import { gatewayContender, nginxContender, type Contender } from './contenders/contender.js'
import { measureLatency } from './scenarios/latency.js'
import { measure, type Scenario } from './scenarios/scenario.js'
import { smallRequests } from './scenarios/small-requests.js'
import { streams } from './scenarios/streams.js'

const HELP = `Compares the CPU that the gateway needs with what nginx needs to forward to the same simulated nodes.

usage: compare [options]

  --pairs N       runs of each scenario, nginx and gateway in turn (3)
  --seconds N     length of a run (6)
  --only NAME     one scenario: requests, streams-1000, streams-200 or latency; repeat it for more
  --strict        exit code 1 when a goal is missed
  --help

The gateway runs with everything on: key authentication, routing, metering, usage spool and flush into ClickHouse.
Needs nginx, and installs it with apt-get where it may. Exit code 1 when a run failed, 2 for bad options.
`

const OPTIONS = {
  pairs: { type: 'string', default: '3' },
  seconds: { type: 'string', default: '6' },
  only: { type: 'string', multiple: true },
  strict: { type: 'boolean', default: false },
} as const

const SCENARIOS: readonly Scenario[] = [
  smallRequests,
  streams({ count: 1000, tokensPerSecond: 25, goal: 1.3 }),
  streams({ count: 200, tokensPerSecond: 100, goal: null }),
]
const LATENCY = 'latency'
const NODES = 2
/** Long enough for the compiler to be done with the code that a scenario uses. */
const FIRST_WARM_UP_SECONDS = 5
const WARM_UP_SECONDS = 1.5

interface Plan {
  readonly pairs: number
  readonly seconds: number
  readonly scenarios: readonly Scenario[]
  readonly withLatency: boolean
  readonly strict: boolean
}

/** Reads the command's arguments. @throws UsageError, or the error of `parseArgs` */
export function planOf(args: readonly string[]): Plan {
  const { values } = parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: false })
  const seconds = wholeNumber('seconds', values.seconds, 1, 600)
  const names = [...SCENARIOS.map(({ name }) => name), LATENCY]
  const chosen = values.only ?? names
  const unknown = chosen.find((name) => !names.includes(name))
  if (unknown !== undefined) throw new UsageError(`--only takes ${names.join(', ')}, not "${unknown}"`)
  return {
    pairs: wholeNumber('pairs', values.pairs, 1, 100),
    seconds,
    scenarios: SCENARIOS.filter(({ name }) => chosen.includes(name)),
    withLatency: chosen.includes(LATENCY),
    strict: values.strict,
  }
}

/** Measures and prints. Exit code 1 when a run failed or was interrupted, or with `--strict` when a goal was missed. */
export const compareCommand: Command = {
  summary: 'CPU of the gateway against nginx, in one run (the default)',
  help: HELP,
  async run(args) {
    const plan = planOf(args)
    const interrupted = new Promise<never>((_resolve, reject) => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) {
        process.once(signal, () => {
          reject(new Error('interrupted'))
        })
      }
    })
    interrupted.catch(() => {})
    const met = await compare(plan, interrupted)
    return met || !plan.strict ? 0 : 1
  },
}

interface Setting {
  readonly fleet: NodeFleet
  readonly nginx: Nginx
  readonly gateway: Gateway
  readonly apiKey: string
  readonly generator: LoadGenerator
}

/** @returns whether every goal was met */
async function compare(plan: Plan, interrupted: Promise<never>): Promise<boolean> {
  await using fleet = await startNodeFleet([
    '--count',
    String(NODES),
    '--max-running',
    '100000',
    '--keep-alive-ms',
    '300000',
  ])
  await using nginx = await startNginx(fleet.urls)
  await using gateway = await startGateway()
  const apiKey = await Promise.race([setUpModel(gateway, MODEL, fleet.urls), interrupted])
  await using generator = await startLoadGenerator()
  return await Promise.race([compareAll(plan, { fleet, nginx, gateway, apiKey, generator }), interrupted])
}

async function compareAll(
  plan: Plan,
  { fleet, nginx, gateway, apiKey, generator }: Setting,
): Promise<boolean> {
  printPreface(plan, nginx)
  const a = nginxContender(nginx)
  const b = gatewayContender(gateway, apiKey)
  // The request with which the gateway was found to serve.
  const sent = { requests: 1, tokens: 1 }
  let allMet = true
  for (const scenario of plan.scenarios) {
    const pairs: Pair[] = []
    for (let pair = 0; pair < plan.pairs; pair += 1) {
      const warmUpSeconds = pair === 0 ? FIRST_WARM_UP_SECONDS : WARM_UP_SECONDS
      const options = { seconds: plan.seconds, warmUpSeconds }
      const onResult = ({ completed, tokens }: LoadResult): void => {
        sent.requests += completed
        // A small request is for one token.
        sent.tokens += scenario.unit === 'token' ? tokens : completed
      }
      pairs.push({
        nginx: await measure(scenario, a, generator, options),
        gateway: await measure(scenario, b, generator, { ...options, onResult }),
      })
    }
    const { lines, met } = reportScenario(scenario, pairs)
    console.log(`${lines.join('\n')}\n`)
    allMet &&= met
  }
  if (plan.withLatency) {
    const seconds = Math.min(plan.seconds, 5)
    const [url = ''] = fleet.urls
    const direct = {
      name: 'direct',
      host: new URL(url).hostname,
      port: Number(new URL(url).port),
      headers: {},
    }
    const latencyOf = (target: Pick<Contender, 'name' | 'host' | 'port' | 'headers'>) =>
      measureLatency(target, generator, seconds, (requests) => {
        if (target !== b) return
        sent.requests += requests
        sent.tokens += requests
      })
    const lines = reportLatency(await latencyOf(direct), await latencyOf(a), await latencyOf(b))
    console.log(`${lines.join('\n')}\n`)
  }
  await checkBill(gateway, apiKey, sent)
  return allMet
}

function printPreface({ pairs, seconds }: Plan, nginx: Nginx): void {
  const processors = cpus()
  console.log(
    `nginx ${nginx.version} (proxy_buffering off, 1 worker, no log) against the gateway (auth, routing, metering, spool,\n` +
      `flush into ClickHouse; 1 proxy process), both before the same ${NODES} simulated nodes.\n` +
      `Node ${process.version}, ${processors.length} × ${processors[0]?.model ?? 'unknown processor'}. ${pairs} pairs of ${seconds} s, A B A B.\n` +
      `Counted: user and system time in /proc/PID/stat, of nginx master + worker and of the gateway's proxy process with all\n` +
      `its threads. "besides": the gateway's other processes. "busy": share of the whole machine. Ratios: min – median – max.\n`,
  )
}

const Usage = z.object({ total_requests: z.number(), completion_tokens: z.number() })
const BILLED_WITHIN_MS = 15_000

/** Metering was really on: every request and token that the generator got through the gateway stands in its bill. */
async function checkBill(
  gateway: Gateway,
  apiKey: string,
  sent: { readonly requests: number; readonly tokens: number },
): Promise<void> {
  const deadline = performance.now() + BILLED_WITHIN_MS
  for (;;) {
    const bill = await call(`${gateway.tenantUrl}/v1/usage`, 'GET', bearer(apiKey), Usage)
    if (bill.total_requests === sent.requests && bill.completion_tokens === sent.tokens) {
      console.log(`Billed: ${sent.requests} requests, ${sent.tokens} tokens, exactly what was received.`)
      return
    }
    if (performance.now() > deadline) {
      throw new Error(
        `received ${sent.requests} requests and ${sent.tokens} tokens through the gateway, ` +
          `but ${bill.total_requests} and ${bill.completion_tokens} are billed`,
      )
    }
    await sleep(200)
  }
}
