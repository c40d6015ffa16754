import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { packageRoot } from '../../src/io/package-root.js'
import { UsageError, wholeNumber, type Command } from '../command.js'
import type { CpuLoad } from '../compare/scenarios/cpu.js'
import { CPU_LOADS } from '../compare/scenarios/scenarios.js'
import { checkOutFile } from '../out-file.js'
import { readMainThreadMicros } from '../proc-stat.js'
import { summariseCpuProfile } from './cpu-profile.js'
import { summariseHeapProfile } from './heap-profile.js'
import { INSPECTOR_OPTIONS, openInspector } from './inspector.js'
import { createLocate } from './place.js'
import { withProxyLoad, type Loaded, type ProxyLoad } from './proxy-load.js'
import { recordCpu, recordHeap } from './recording.js'
import { reportCpu, reportHeap } from './report.js'

const names = CPU_LOADS.map(({ name }) => name).join(', ')

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
  readonly load: CpuLoad
  readonly seconds: number
  readonly heap: boolean
  readonly top: number
  readonly out: string
}

/** Reads the command's arguments. @throws UsageError, or the error of `parseArgs` */
export function profilePlanOf(args: readonly string[]): Plan {
  const { values } = parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: false })
  const load = CPU_LOADS.find(({ name }) => name === values.scenario)
  if (load === undefined) throw new UsageError(`--scenario takes ${names}, not "${values.scenario}"`)
  const extension = values.heap ? 'heapprofile' : 'cpuprofile'
  return {
    load,
    seconds: wholeNumber('seconds', values.seconds, 1, 600),
    heap: values.heap,
    top: wholeNumber('top', values.top, 1, 1_000),
    out: values.out ?? `proxy-${load.name}.${extension}`,
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
  const inherited = process.env['NODE_OPTIONS'] ?? ''
  const env = { NODE_OPTIONS: `${inherited} ${INSPECTOR_OPTIONS}` }
  await withProxyLoad(plan.load, env, (proxyLoad) =>
    Promise.race([profileUnder(proxyLoad, plan), interrupted]),
  )
}

async function profileUnder(proxyLoad: ProxyLoad, { load, seconds, heap, top, out }: Plan): Promise<void> {
  console.log(`${load.title}\n`)
  await proxyLoad.run(Math.min(seconds, WARM_UP_SECONDS))
  const { proxyPid } = proxyLoad
  using inspector = await openInspector(proxyLoad.gateway, proxyPid)
  const work = async (): Promise<Measured> => {
    const before = readMainThreadMicros(proxyPid)
    const loaded = await proxyLoad.run(seconds)
    return { loaded, cpuMicros: readMainThreadMicros(proxyPid) - before }
  }
  const locate = createLocate(packageRoot)
  const tell = (measured: Measured, report: readonly string[]): void => {
    console.log([loadLine(measured), ...report, '', `The profile is in ${out}.`].join('\n'))
  }
  if (heap) {
    const { profile, result } = await recordHeap(inspector, work)
    await writeFile(out, JSON.stringify(profile))
    tell(result, reportHeap(summariseHeapProfile(profile), locate, result.loaded, top))
  } else {
    const { profile, result } = await recordCpu(inspector, work)
    await writeFile(out, JSON.stringify(profile))
    tell(result, reportCpu(summariseCpuProfile(profile), result.cpuMicros, locate, result.loaded, top))
  }
}

interface Measured {
  readonly loaded: Loaded
  /** Of the proxy's main thread, by the kernel's account. */
  readonly cpuMicros: number
}

function loadLine({ loaded: { name, count, elapsedMs }, cpuMicros }: Measured): string {
  return (
    `${count} ${name}s in ${(elapsedMs / 1000).toFixed(1)} s. The main thread used ` +
    `${Math.round(cpuMicros / elapsedMs / 10)}% of a processor by /proc: ` +
    `${(cpuMicros / count).toFixed(1)} µs per ${name}, the profiling itself included.`
  )
}
