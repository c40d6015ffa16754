import { join } from 'node:path'
import { GatewayError } from '../../core/errors.js'
import type { LaunchTemplate } from '../../core/launch-template.js'
import { LaunchTemplateError } from '../../core/template-text.js'
import type { Logger } from '../../io/logger.js'
import { engineEnvironment } from './engine-environment.js'
import { type LaunchedNode, LaunchError, type Launcher, type MachineState } from './launcher.js'
import { type LocalFolders, openLocalFolders } from './local-folders.js'
import { isNodeName } from './local-marks.js'
import { commandOf, type LocalLaunch } from './local-process.js'
import type { LocalProcesses } from './local-processes.js'
import type { LocalState } from './local-state.js'
import { programPath } from './program-path.js'

export interface LocalLauncherOptions {
  /** Where nodes that are launched from here lie: `DATA_DIR/nodes`. Made when missing. */
  readonly folder: string
  /** The id of the installation. Its control processes on this machine find each other's nodes by it. */
  readonly installation: string
  /** By engine. */
  readonly templates: ReadonlyMap<string, LaunchTemplate>
  /** With which engines fetch models; null: there is none. */
  readonly hfToken: string | null
  /** The environment of this program, of which engines get what they need. */
  readonly environment: NodeJS.ProcessEnv
  readonly logger: Logger
}

const LOOK_EVERY_MS = 500
const ABSENT: MachineState = { state: 'absent' }
const GOING: MachineState = { state: 'going' }

/**
 * Launches nodes as processes of this machine, and keeps them running by the rules of their templates.
 *
 * One at a time has the nodes of an installation on a machine: the one of the leader. It opens them with its first call and
 * gives them back when it is disposed of, running. While another process still has them, every call rejects with a
 * StartError, and nothing is known.
 *
 * A node whose process ends unasked is started again: it is `coming` meanwhile, also when it was up before. Whoever looks
 * leaves such a node as it is. Its probes take it out of traffic and put it back; when it is `up` again its address may be
 * another, if somebody took its port; only `failed` is its end. A machine that was booted anew, likewise.
 *
 * A node can be reached from this machine alone. So an installation whose control processes are on several machines has no
 * use for it: what one of them launched, the next leader elsewhere finds absent.
 */
export function createLocalLauncher(options: LocalLauncherOptions): Launcher {
  const { templates, hfToken, logger } = options
  const machineEnv = engineEnvironment(options.environment)
  /** Removals under way, by name. */
  const removals = new Map<string, Promise<void>>()
  /** Nodes that run what their template no longer allows. */
  const strangers = new Set<string>()
  let opening: Promise<LocalFolders> | null = null
  let closed = false

  async function opened(): Promise<LocalFolders> {
    if (closed) throw new Error('the local launcher has been closed')
    opening ??= openLocalFolders(options).catch((error: unknown) => {
      opening = null
      throw error
    })
    return opening
  }

  /** @throws LaunchError when there is no template for it */
  function launchOf({ machine, apiKey }: LaunchedNode): LocalLaunch {
    const template = templates.get(machine.engine)
    if (template === undefined) {
      throw new LaunchError('refused', `there is no launch template for the engine '${machine.engine}'`)
    }
    return {
      template,
      model: machine.model,
      servedModelName: machine.servedModelName,
      apiKey,
      // Engines that run without a GPU count as one worker.
      gpuCount: Math.max(1, machine.gpuCount),
      engineArgs: machine.engineArgs,
      secrets: hfToken === null ? {} : { hf_token: hfToken },
    }
  }

  /** @throws LaunchError when the machine has not what it would run, LaunchTemplateError and GatewayError likewise */
  function requireProgram(launch: LocalLaunch, folder: string): void {
    const { program, env } = commandOf(launch, 1)
    const needed = launch.template.limits.cpus === null ? [program] : ['taskset', program]
    const missing = needed.find(
      (name) => programPath(name, { ...machineEnv, ...env }['PATH'], folder) === null,
    )
    if (missing === undefined) return
    throw new LaunchError('refused', `${launch.template.file}: this machine has no program '${missing}'`)
  }

  /** How a node is that has a process by what lies on disk, or is being kept running. */
  async function stateIn(holder: LocalProcesses, node: LaunchedNode): Promise<MachineState> {
    const { clusterName } = node
    const known = holder.state(clusterName)
    if (known !== null) return machineStateOf(known)
    // A predecessor was told to remove it.
    if (holder.wanted(clusterName) === 'stopped') return GOING
    try {
      await holder.launch(clusterName, launchOf(node))
    } catch (error) {
      if (!isRefusal(error)) throw error
      return unadopted(holder, clusterName, refusalOf(error))
    }
    const adopted = holder.state(clusterName)
    return adopted === null ? ABSENT : machineStateOf(adopted)
  }

  /** An operator who changes a template does not end what serves: it only cannot be started again. */
  function unadopted(holder: LocalProcesses, clusterName: string, error: LaunchError): MachineState {
    const endpointUrl = holder.serving(clusterName)
    if (endpointUrl === null) return { state: 'failed', kind: error.kind, reason: error.message }
    if (!strangers.has(clusterName))
      logger.warn({ event: 'local_node_not_adopted', node: clusterName, error })
    strangers.add(clusterName)
    return { state: 'up', endpointUrl }
  }

  return {
    kind: 'local',
    hasAgents: false,
    lookEveryMs: LOOK_EVERY_MS,
    async look(nodes) {
      const folders = await opened()
      const asked = nodes.filter(({ clusterName }) => !removals.has(clusterName))
      const holders = await folders.holders(asked.map(({ clusterName }) => clusterName))
      const states = new Map<string, MachineState>()
      for (const node of nodes) {
        const { clusterName } = node
        const holder = holders.get(clusterName)
        const state = holder === undefined ? ABSENT : await stateIn(holder, node)
        states.set(clusterName, removals.has(clusterName) ? GOING : state)
      }
      return states
    },
    async launch(node) {
      const { clusterName } = node
      const folders = await opened()
      try {
        if (!isNodeName(clusterName)) throw new LaunchError('refused', `not a node's name: '${clusterName}'`)
        const launch = launchOf(node)
        requireProgram(launch, join(folders.own.root, clusterName))
        const holder = (await folders.holders([clusterName])).get(clusterName) ?? folders.own
        // It was not absent: whoever asks looks again, and asks again.
        if (removals.has(clusterName) || holder.wanted(clusterName) === 'stopped') return
        await holder.launch(clusterName, launch)
      } catch (error) {
        if (isRefusal(error)) throw refusalOf(error)
        throw error
      }
    },
    async remove(clusterName) {
      const folders = await opened()
      if (removals.has(clusterName)) return
      const holders = await folders.traces(clusterName)
      if (removals.has(clusterName) || holders.length === 0) return
      strangers.delete(clusterName)
      // A stop takes as long as the engine's grace time: whoever asked looks again.
      const removal = Promise.all(holders.map((holder) => holder.discard(clusterName)))
        .then(() => {})
        .catch((error: unknown) => {
          logger.error({ event: 'local_node_not_removed', node: clusterName, error })
        })
        .finally(() => removals.delete(clusterName))
      removals.set(clusterName, removal)
    },
    /** What is left of a node that is gone, logs above all, counts too: it is to be removed. */
    async machines() {
      return (await opened()).names()
    },
    async lastLines(clusterName, count) {
      const holder = (await (await opened()).holders([clusterName])).get(clusterName)
      return holder?.lastLines(clusterName, count) ?? []
    },
    async [Symbol.asyncDispose]() {
      closed = true
      const folders = await opening?.catch(() => null)
      await folders?.[Symbol.asyncDispose]()
      await Promise.all(removals.values())
    },
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof LaunchError || error instanceof LaunchTemplateError || error instanceof GatewayError
}

function refusalOf(error: unknown): LaunchError {
  if (error instanceof LaunchError) return error
  return new LaunchError('refused', error instanceof Error ? error.message : String(error), { cause: error })
}

function machineStateOf({ stage, progress, endpointUrl, error }: LocalState): MachineState {
  switch (stage) {
    case 'stopped':
      return ABSENT
    case 'stopping':
      return GOING
    case 'failed':
      return { state: 'failed', kind: 'failed', reason: error ?? 'it ended' }
    case 'active':
      return { state: 'up', endpointUrl }
    case 'installing':
    case 'model_loading':
    case 'health_check':
      return { state: 'coming', stage, progress: Math.min(99, progress) }
  }
}
