import type { LaunchFailureKind, LaunchStageName, Machine } from '../../core/machine.js'

/** Brings up and removes machines. */
export type LauncherKind = 'local' | 'skypilot'

/** A node as a launcher sees it. */
export interface LaunchedNode {
  readonly id: string
  /** Names its machine at the provider, and never another one. */
  readonly clusterName: string
  readonly machine: Machine
  /** What the engine asks of its clients as a bearer token. */
  readonly apiKey: string
}

/** Where a machine is that is there. */
export interface MachinePlace {
  /** As the catalogue names it. */
  readonly provider: string
  /** Code of the region. */
  readonly region: string
}

/** What a launcher finds of a node's machine. Its place: where that is settled, and the launcher knows it. */
export type MachineState =
  /** There is none, and none is on its way. */
  | { readonly state: 'absent' }
  | {
      readonly state: 'coming'
      readonly stage: LaunchStageName
      /** 0 to 99. */
      readonly progress: number
      readonly place?: MachinePlace
    }
  /** It is there. Its address, where the launcher knows that it serves; null: the node's agent will say so. */
  | { readonly state: 'up'; readonly endpointUrl: string | null; readonly place?: MachinePlace }
  /** It did not come up, or is lost. Something may be left of it, to be removed. */
  | { readonly state: 'failed'; readonly kind: LaunchFailureKind; readonly reason: string }
  | { readonly state: 'going' }

/** A launcher that refuses, in words for whoever asked. */
export class LaunchError extends Error {
  override readonly name = 'LaunchError'
  readonly kind: LaunchFailureKind

  constructor(kind: LaunchFailureKind, message: string, options?: ErrorOptions) {
    super(message, options)
    this.kind = kind
  }
}

/**
 * What brings up machines of some providers. All of it is level-triggered: whoever calls looks again and again, after a
 * crash in another process, and asks for what is not there yet. So nothing is remembered that cannot be found again at
 * the provider, and every call may be repeated. Nothing waits for a machine: a call resolves when it was heard.
 */
export interface Launcher extends AsyncDisposable {
  readonly kind: LauncherKind
  /** Whether its nodes have an agent, which registers them and needs a token. */
  readonly hasAgents: boolean
  /** Milliseconds between two looks. */
  readonly lookEveryMs: number
  /**
   * How the machines of nodes are by now, by cluster name; all of them are in the answer.
   * @param nodes every node whose machine is wanted or not known to be gone
   * @throws when the provider does not answer: then nothing is known
   */
  look(nodes: readonly LaunchedNode[]): Promise<ReadonlyMap<string, MachineState>>
  /**
   * Asks for a node's machine, which was found absent.
   * @param token the node's own, for its agent
   * @throws LaunchError when it is refused
   */
  launch(node: LaunchedNode, token: string): Promise<void>
  /** Asks for the end of a machine and of whatever launch of it is under way; there may be none. */
  remove(clusterName: string): Promise<void>
  /**
   * Machines of this installation at the provider, by cluster name, whether any node knows of them or not.
   * @param installation its id
   */
  machines(installation: string): Promise<readonly string[]>
  /** The last lines that a node's engine printed, secrets hidden; none where they cannot be had. */
  lastLines(clusterName: string, count: number): Promise<readonly string[]>
}
