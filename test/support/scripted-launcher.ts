import type {
  LaunchedNode,
  Launcher,
  LauncherKind,
  MachineState,
} from '../../src/workers/launchers/launcher.js'

/** What became of a launch: a state of the machine, or what the call throws. */
export type LaunchEnd = MachineState | Error

/** A launcher that does as it is told, like a provider: slow, failing, losing, refusing. Nothing is launched. */
export interface ScriptedLauncher extends Omit<Launcher, 'hasAgents'> {
  /** What there is at the provider, by cluster name. */
  readonly present: Map<string, MachineState>
  /** Every launch that was asked for, in order. */
  readonly launches: { readonly name: string; readonly token: string }[]
  readonly removals: string[]
  /** What engines printed, by cluster name. */
  readonly printed: Map<string, readonly string[]>
  /** What comes of a launch; default: it is on its way. */
  onLaunch: (node: LaunchedNode) => LaunchEnd
  /** Whether its nodes have agents; default: they do. */
  hasAgents: boolean
  /** Called after a look has read, before it answers. A look that throws knows nothing. */
  onLook: () => Promise<void>
  /** What is left of a machine that is removed; default: nothing. */
  onRemove: (clusterName: string) => MachineState | Error
}

export function scriptedLauncher(kind: LauncherKind = 'local'): ScriptedLauncher {
  const present = new Map<string, MachineState>()
  const launcher: ScriptedLauncher = {
    kind,
    hasAgents: true,
    lookEveryMs: 1_000,
    present,
    launches: [],
    removals: [],
    printed: new Map(),
    onLaunch: () => ({ state: 'coming', stage: 'provisioning', progress: 10 }),
    onLook: () => Promise.resolve(),
    onRemove: () => ({ state: 'absent' }),
    async look(nodes) {
      const found = new Map(
        nodes.map(({ clusterName }) => [
          clusterName,
          present.get(clusterName) ?? { state: 'absent' as const },
        ]),
      )
      await launcher.onLook()
      return found
    },
    launch(node, token) {
      launcher.launches.push({ name: node.clusterName, token })
      const end = launcher.onLaunch(node)
      if (end instanceof Error) return Promise.reject(end)
      present.set(node.clusterName, end)
      return Promise.resolve()
    },
    remove(clusterName) {
      launcher.removals.push(clusterName)
      const left = launcher.onRemove(clusterName)
      if (left instanceof Error) return Promise.reject(left)
      if (left.state === 'absent') present.delete(clusterName)
      else present.set(clusterName, left)
      return Promise.resolve()
    },
    machines: () => Promise.resolve([...present.keys()]),
    lastLines: (clusterName, count) =>
      Promise.resolve(launcher.printed.get(clusterName)?.slice(-count) ?? []),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
  return launcher
}
