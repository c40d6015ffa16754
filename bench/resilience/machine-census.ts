import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { readProcessStat } from '../proc-stat.js'

/** Which machines there are, by whoever has them: nothing that the gateway says of itself. */
export interface MachineCensus {
  /** Names of the nodes whose machines are there, one for each machine. */
  alive(): Promise<readonly string[]>
  /** How often each machine was launched, by the name of its node. */
  launches(): Promise<ReadonlyMap<string, number>>
}

const LOOK_MS = 100
/** What a node's process is once it has become its engine. */
const ENGINE = 'bench/nodes.js'

/**
 * Of the nodes on this machine: counts processes whose working directory lies in a folder of nodes. Disposal kills what is
 * left of them.
 */
export function localCensus(folders: readonly string[]): MachineCensus & Disposable {
  /** Engines seen, by the name of their node. */
  const engines = new Map<string, Set<string>>()
  const look = () => {
    const found: string[] = []
    for (const { name, pid } of processesOfNodes(folders)) {
      found.push(name)
      const startTicks = readProcessStat(pid)?.startTicks
      if (startTicks === undefined || !commandOf(pid).includes(ENGINE)) continue
      engines.set(name, (engines.get(name) ?? new Set()).add(`${pid}/${startTicks}`))
    }
    return found
  }
  const watch = setInterval(look, LOOK_MS)
  return {
    alive: () => Promise.resolve(look()),
    launches: () => Promise.resolve(new Map([...engines].map(([name, seen]) => [name, seen.size]))),
    [Symbol.dispose]() {
      clearInterval(watch)
      for (const { pid } of processesOfNodes(folders)) process.kill(pid, 'SIGKILL')
    },
  }
}

function processesOfNodes(folders: readonly string[]): { name: string; pid: number }[] {
  const found: { name: string; pid: number }[] = []
  for (const pid of readdirSync('/proc').map(Number).filter(Number.isInteger)) {
    const cwd = workingDirectoryOf(pid)
    const folder = folders.find((path) => cwd.startsWith(`${path}/`))
    const name = folder === undefined ? undefined : cwd.slice(folder.length + 1).split(/[/ ]/)[0]
    if (name !== undefined) found.push({ name, pid })
  }
  return found
}

function workingDirectoryOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    // It has ended, or is another user's.
    return ''
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

/** What the stand-in of a provider says of itself. */
export interface ProviderCounts {
  readonly launches: Readonly<Record<string, number>>
  readonly started: Readonly<Record<string, number>>
  readonly alive: readonly string[]
}

/** Of a provider that keeps count. */
export function providerCensus(provider: { counts(): Promise<ProviderCounts> }): MachineCensus {
  return {
    alive: async () => (await provider.counts()).alive,
    async launches() {
      const { launches, started } = await provider.counts()
      const names = new Set([...Object.keys(launches), ...Object.keys(started)])
      return new Map([...names].map((name) => [name, Math.max(launches[name] ?? 0, started[name] ?? 0)]))
    },
  }
}
