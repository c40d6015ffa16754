import type { MachineWanted } from '../../core/contract/machine.js'
import type { Queryable } from '../../io/query.js'

/** Brings up machines of a provider. A launch is written down before the provider is asked, so that a crash resumes it. */
export interface Launcher {
  /** Writes down, in the caller's transaction, that a machine is to be launched: its node and a job. */
  plan(db: Queryable, wanted: PlannedNode): Promise<Launch>
}

export interface PlannedNode {
  readonly modelId: string
  /** Null: a single node. */
  readonly deploymentId: string | null
  readonly machine: MachineWanted
}

export interface Launch {
  readonly jobId: string
  readonly nodeId: string
  readonly clusterName: string
}

/** The launcher for a provider's machines; null: none is configured. In this version there is none. */
export function launcherOf(_provider: string): Launcher | null {
  return null
}
