import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { packageRoot } from '../../src/io/package-root.js'
import { UsageError, wholeNumber, type Command } from '../command.js'
import type { Scenario } from '../compare/scenarios/scenario.js'
import { startGateway, type Gateway } from '../gateway.js'
import { startNodeFleet } from '../node-fleet.js'
import { checkOutFile } from '../out-file.js'
import { readMainThreadMicros } from '../proc-stat.js'
import { summariseCpuProfile } from './cpu-profile.js'
import { summariseHeapProfile } from './heap-profile.js'
import { INSPECTOR_OPTIONS, openInspector, type Inspector } from './inspector.js'
import { createLocate } from './place.js'
import { recordCpu, recordHeap } from './recording.js'
import { reportCpu, reportHeap } from './report.js'
import { NODE_ARGUMENTS, openScenarioLoad, SCENARIOS, type ScenarioLoad } from './scenario-load.js'

const names = SCENARIOS.map(({ name }) => name).join(', ')

const HELP = `Profiles the proxy process, its main thread, while a scenario of "compare" runs through it.

usage: profile [options]

  --scenario NAME   ${names} (requests)
  --seconds N       length of the profiled load, after a warm-up (10)
  --heap            what is allocated, instead of CPU time
  --top N           functions in the table (25)
  --out FILE        where the profile goes, for DevTools or VS Code (proxy-SCENARIO.cpuprofile or .heapprofile)
  --help

Simulated nodes, the gateway on embedded stores with everything on, and one proxy process. Lines are TypeScript's.
"self" is a function's own; "attributed" adds native code, Node's internals and packages that it calls; "inclusive" all
that it calls. Other threads of the process (the usage flusher) are not in the profile.
Exit code 1 when the run failed or was interrupted, 2 for bad options.
`

const OPTIONS = {
  scenario: { type: 'string', default: 'requests' },
  seconds: { type: 'string', default: '10' },
  heap: { type: 'boolean', default: false },
  top: { type: 'string', default: '25' },
  out: { type: 'string' },
} as const

/** Long enough for the compiler to be done with the code that the scenario uses, and no longer than the profile. */
const WARM_UP_SECONDS = 5

interface Plan {
  readonly scenario: Scenario
  readonly seconds: number
  readonly heap: boolean
  readonly top: number
  readonly out: string
}

/** Reads the command's arguments. @throws UsageError, or the error of `parseArgs` */
export function profilePlanOf(args: readonly string[]): Plan {
  const { values } = parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: false })
  const scenario = SCENARIOS.find(({ name }) => name === values.scenario)
  if (scenario === undefined) throw new UsageError(`--scenario takes ${names}, not "${values.scenario}"`)
  const extension = values.heap ? 'heapprofile' : 'cpuprofile'
  return {
    scenario,
    seconds: wholeNumber('seconds', values.seconds, 1, 600),
    heap: values.heap,
    top: wholeNumber('top', values.top, 1, 1_000),
    out: values.out ?? `proxy-${scenario.name}.${extension}`,
  }
}

/** Profiles, writes the profile, and prints where the time or the memory went. */
export const profileCommand: Command = {
  summary: 'where the proxy spends its time, or its memory, under a load',
  help: HELP,
  async run(args) {
    const plan = profilePlanOf(args)
    await checkOutFile(plan.out)
    const interrupted = new Promise<never>((_resolve, reject) => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) {
        process.once(signal, () => {
          reject(new Error('interrupted'))
        })
      }
    })
    interrupted.catch(() => {})
    await profile(plan, interrupted)
    return 0
  },
}

async function profile(plan: Plan, interrupted: Promise<never>): Promise<void> {
  const orStop = <T>(work: Promise<T>): Promise<T> => Promise.race([work, interrupted])
  await using fleet = await startNodeFleet(NODE_ARGUMENTS)
  const inherited = process.env['NODE_OPTIONS'] ?? ''
  await using gateway = await startGateway({ env: { NODE_OPTIONS: `${inherited} ${INSPECTOR_OPTIONS}` } })
  await using load = await orStop(openScenarioLoad(plan.scenario, gateway, fleet))
  console.log(`${plan.scenario.title}\n`)
  await orStop(load.run(Math.min(plan.seconds, WARM_UP_SECONDS)))
  const pid = proxyOf(gateway)
  using inspector = await openInspector(gateway.process, pid)
  const lines = await orStop(record(plan, inspector, load, pid))
  console.log(`${lines.join('\n')}\n\nThe profile is in ${plan.out}.`)
}

function proxyOf(gateway: Gateway): number {
  const proxy = gateway.process.family().find(({ title }) => title.startsWith('crosslogic-proxy'))
  if (proxy === undefined) throw new Error('the gateway has no proxy process')
  return proxy.pid
}

async function record(
  { heap, seconds, out, top }: Plan,
  inspector: Inspector,
  load: ScenarioLoad,
  pid: number,
): Promise<string[]> {
  const work = async () => {
    const before = readMainThreadMicros(pid)
    const units = await load.run(seconds)
    return { units, cpuMicros: readMainThreadMicros(pid) - before }
  }
  const locate = createLocate(packageRoot)
  if (heap) {
    const { profile, result } = await recordHeap(inspector, work)
    await writeFile(out, JSON.stringify(profile))
    return [loadLine(result), ...reportHeap(summariseHeapProfile(profile), locate, result.units, top)]
  }
  const { profile, result } = await recordCpu(inspector, work)
  await writeFile(out, JSON.stringify(profile))
  return [
    loadLine(result),
    ...reportCpu(summariseCpuProfile(profile), result.cpuMicros, locate, result.units, top),
  ]
}

interface Loaded {
  readonly units: Awaited<ReturnType<ScenarioLoad['run']>>
  readonly cpuMicros: number
}

function loadLine({ units, cpuMicros }: Loaded): string {
  const { name, count, elapsedMs } = units
  return (
    `${count} ${name}s in ${(elapsedMs / 1000).toFixed(1)} s. The main thread used ` +
    `${Math.round(cpuMicros / elapsedMs / 10)}% of a processor by /proc: ` +
    `${(cpuMicros / count).toFixed(1)} µs per ${name}, the profiling itself included.`
  )
}
