/**
 * The launcher of this machine, as tests use it; and as a program, `local-launching.js <folder> <installation>
 * <name>:<behaviour>…`, a leader to be killed at any moment: it looks at these nodes, launches those that are absent and
 * prints what becomes of them. `<name>:<behaviour>:remove` removes one once it is up.
 */
import { realpathSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import pino from 'pino'
import type { LaunchTemplate } from '../../src/core/launch-template.js'
import { processTable } from '../../src/io/process-identity.js'
import type { LaunchedNode, MachineState } from '../../src/workers/launchers/launcher.js'
import { createLocalLauncher } from '../../src/workers/launchers/local-launcher.js'
import { INSTALLATION_MARK } from '../../src/workers/launchers/local-marks.js'
import { environmentOf, livingMembers, NODE_MARK } from '../../src/workers/launchers/process-group.js'
import { API_KEY, fakeLaunch } from './local-launcher.js'
import { eventually } from './processes.js'

const BEHAVIOURS = ['serves', 'exits', 'prints-much', 'ignores-sigterm', 'never-ready', 'forks']

/** Templates of the fake engine; each behaviour is an engine. */
export function fakeTemplates(more = 'stop: { grace_seconds: 1 }'): Map<string, LaunchTemplate> {
  return new Map(BEHAVIOURS.map((behaviour) => [behaviour, fakeLaunch(behaviour, more).template]))
}

/** On a machine with much else to do. */
export const PATIENCE_MS = 90_000

let sequence = 0

/** A name that no other test of this machine has. */
export function freshName(): string {
  return `cic-local-any-cpu-od-t${process.pid}-${++sequence}`
}

export function nodeOf(
  clusterName: string,
  engine: string,
  machine: Partial<LaunchedNode['machine']> = {},
): LaunchedNode {
  return {
    id: crypto.randomUUID(),
    clusterName,
    apiKey: API_KEY,
    machine: {
      provider: 'local',
      regions: [],
      instanceType: null,
      gpuType: null,
      gpuCount: 0,
      market: 'on_demand',
      engine,
      engineArgs: [],
      diskSizeGb: null,
      model: 'some/model',
      servedModelName: 'served',
      ...machine,
    },
  }
}

/** A launcher of an installation; disposal stops all that the installation has on this machine. */
export function openLocal(
  folder: string,
  installation: string,
  templates: ReadonlyMap<string, LaunchTemplate> = fakeTemplates(),
) {
  const log: string[] = []
  const launcher = createLocalLauncher({
    folder,
    installation,
    templates,
    hfToken: null,
    environment: process.env,
    logger: pino({ serializers: { error: pino.stdSerializers.err } }, { write: (line) => log.push(line) }),
  })
  const stateOf = async (node: LaunchedNode): Promise<MachineState> =>
    (await launcher.look([node])).get(node.clusterName) ?? { state: 'absent' }
  return {
    launcher,
    log,
    stateOf,
    /** Waits until a node is in a state; whoever else it is in then is returned. */
    async until<S extends MachineState['state']>(
      node: LaunchedNode,
      state: S,
    ): Promise<Extract<MachineState, { state: S }>> {
      const is = (found: MachineState): found is Extract<MachineState, { state: S }> => found.state === state
      let last = await stateOf(node)
      const reached = async () => {
        last = await stateOf(node)
        if (last.state === 'failed' && state !== 'failed') throw new Error(last.reason)
        return is(last)
      }
      await eventually(`${node.clusterName} is ${state}`, reached, PATIENCE_MS)
      if (is(last)) return last
      throw new Error(`it is ${last.state}`)
    },
    async [Symbol.asyncDispose]() {
      for (const name of await launcher.machines(installation).catch(() => [])) await launcher.remove(name)
      await eventually('nothing is left', async () => {
        const left = await launcher.machines(installation).catch(() => [])
        return left.length === 0
      })
      await launcher[Symbol.asyncDispose]()
    },
  }
}

/** The main processes of an installation's nodes, as they lead their sessions: `name pid`. */
export function livingNodes(installation: string): string[] {
  return processTable()
    .filter(({ pid, session }) => pid === session)
    .map(({ pid }) => ({ pid, environment: environmentOf(pid) }))
    .filter(({ environment }) => environment.includes(`${INSTALLATION_MARK}=${installation}`))
    .map(({ pid, environment }) => {
      const mark = environment.find((variable) => variable.startsWith(`${NODE_MARK}=`)) ?? ''
      return `${basename(mark)} ${pid}`
    })
}

/** All living processes of a node in a folder. */
export async function membersOf(folder: string, clusterName: string): Promise<number[]> {
  const group = { folder: join(await realpath(folder), clusterName), leader: null, seen: [] }
  return livingMembers(group).map(({ pid }) => pid)
}

async function main([folder = '', installation = '', ...wanted]: readonly string[]): Promise<void> {
  const { launcher } = openLocal(folder, installation)
  const orders = wanted.map((order) => order.split(':'))
  const nodes = orders.map(([name = '', behaviour = '']) => nodeOf(name, behaviour))
  const leaving = new Set(orders.filter(([, , verb]) => verb === 'remove').map(([name]) => name))
  const told = new Map<string, string>()
  for (; ; await sleep(20)) {
    for (const [name, { state }] of await launcher.look(nodes)) {
      const node = nodes.find(({ clusterName }) => clusterName === name)
      if (told.get(name) !== state) process.stdout.write(`${name} ${state}\n`)
      told.set(name, state)
      if (state === 'absent' && node !== undefined) await launcher.launch(node, 'unused')
      if (state === 'up' && leaving.has(name)) await launcher.remove(name)
    }
  }
}

const [, script] = process.argv
if (script !== undefined && realpathSync(script) === fileURLToPath(import.meta.url))
  await main(process.argv.slice(2))
