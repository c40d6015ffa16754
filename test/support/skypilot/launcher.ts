import { setTimeout as sleep } from 'node:timers/promises'
import pino from 'pino'
import type { Machine } from '../../../src/core/machine.js'
import type { LaunchedNode, Launcher, MachineState } from '../../../src/workers/launchers/launcher.js'
import { readLaunchTemplates } from '../../../src/workers/launchers/launch-templates.js'
import {
  createSkyPilotLauncher,
  type SkyPilotLauncherOptions,
} from '../../../src/workers/launchers/skypilot-launcher.js'
import { startPlainServer } from '../plain-server.js'
import type { SkyPilotServer, SkyPilotServerInput } from '../skypilot-server.js'
import { startSkyPilotServer } from '../skypilot-server.js'
import type { Instance } from './cluster.js'
import { API_KEY } from './tasks.js'

export const NODE_TOKEN = 'token-of-the-node-4711-0815'
export const HF_TOKEN = 'hf_never-to-be-shown-4711'

export const simulatedMachine: Machine = {
  provider: 'aws',
  regions: ['us-east-1'],
  instanceType: null,
  gpuType: 'A10G',
  gpuCount: 1,
  market: 'spot',
  engine: 'simulated',
  engineArgs: [],
  diskSizeGb: null,
  model: 'sim/sim-8b',
  servedModelName: 'sim-8b',
}

let sequence = 0

/** A node that no other test has. */
export function nodeToLaunch(change: Partial<Machine> = {}): LaunchedNode {
  const end = (++sequence).toString(36).padStart(3, '0')
  return {
    id: crypto.randomUUID(),
    clusterName: `cic-aws-us-east-1-a10g-spot-tst${end}`,
    machine: { ...simulatedMachine, ...change },
    apiKey: API_KEY,
  }
}

/** A machine that costs nothing: an engine that says it is well. */
export async function startPlainInstance(): Promise<Instance> {
  const server = await startPlainServer((_request, response) => response.end())
  return { url: server.url, kill: () => server.goAway(), [Symbol.asyncDispose]: () => server.goAway() }
}

export type LauncherChange = Partial<SkyPilotLauncherOptions>

/** A launcher of a server. */
export async function launcherOf(
  server: { readonly url: string; readonly token: string },
  change: LauncherChange = {},
): Promise<Launcher> {
  return createSkyPilotLauncher({
    skypilot: { url: server.url, token: server.token },
    controlUrl: 'http://127.0.0.1:1',
    templates: await readLaunchTemplates(null),
    hfToken: HF_TOKEN,
    launchTimeoutSeconds: 600,
    logger: pino({ level: 'silent' }),
    now: Date.now,
    // Each look asks the clouds about everything: a test has no minute.
    forceEveryMs: 0,
    askJobsEveryMs: 0,
    removalPauseMs: 0,
    ...change,
  })
}

export interface ServerAndLauncher extends AsyncDisposable {
  readonly server: SkyPilotServer
  readonly launcher: Launcher
}

/** A server of plain instances and a launcher of it. */
export async function serverAndLauncher(
  { faults, ...input }: SkyPilotServerInput = {},
  change: LauncherChange = {},
): Promise<ServerAndLauncher> {
  const server = await startSkyPilotServer({
    startInstance: startPlainInstance,
    ...input,
    ...(faults && { faults }),
  })
  const launcher = await launcherOf(server, change)
  return {
    server,
    launcher,
    async [Symbol.asyncDispose]() {
      await launcher[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
    },
  }
}

/** How a node's machine is now. */
export async function stateOf(launcher: Launcher, node: LaunchedNode): Promise<MachineState> {
  const state = (await launcher.look([node])).get(node.clusterName)
  if (state === undefined) throw new Error('it is not in the answer')
  return state
}

const LIMIT_MS = 60_000

/** Looks until a node's machine is in a state, or a stage of its coming. @returns every different one on the way */
export async function looksUntil(
  launcher: Launcher,
  node: LaunchedNode,
  wanted: string,
): Promise<MachineState[]> {
  const deadline = performance.now() + LIMIT_MS
  const seen: MachineState[] = []
  for (;;) {
    const state = await stateOf(launcher, node)
    const name = nameOf(state)
    if (nameOf(seen.at(-1)) !== name) seen.push(state)
    if (name === wanted) return seen
    if (performance.now() > deadline) throw new Error(`it did not become ${wanted}: ${JSON.stringify(seen)}`)
    await sleep(20)
  }
}

/** `up`, or `coming: installing`. */
export function nameOf(state: MachineState | undefined): string {
  if (state === undefined) return ''
  return state.state === 'coming' ? `coming: ${state.stage}` : state.state
}
