import { PICKLE } from './python-error.js'
import type { ReadTask, TaskPlace } from './task.js'

/** What runs on a cluster's machine. */
export interface Instance extends AsyncDisposable {
  /** Where its server listens: `http://host:port`. */
  readonly url: string
  /** What its job has printed. */
  readonly lines?: readonly string[]
  /** Resolves when its job has ended by itself, or with the machine. */
  readonly ended?: Promise<unknown>
  /** The machine is taken away: no signal that anything could catch. */
  kill(): Promise<void>
}

/** What a machine is told when it starts. */
export interface InstanceStart {
  readonly clusterName: string
  readonly place: TaskPlace
  readonly task: ReadTask
  /** Instead of `http://169.254.169.254`: the metadata of AWS, with the notice of an interruption. */
  readonly metadataUrl: string
}

export interface Cluster {
  readonly name: string
  readonly place: TaskPlace
  readonly launchedAt: number
  readonly ports: readonly string[]
  status: 'INIT' | 'UP' | 'STOPPED'
  instance: Instance | null
  jobs: number
  /** What its last job is: `SETTING_UP`, `RUNNING`, `FAILED`. */
  jobStatus: string
  autodownMinutes: number | null
  /** Whether it has been UP. */
  everUp: boolean
  /** When the machine will be taken, once that is known. */
  takenAt: Date | null
  /** The provider has taken the machine, and SkyPilot has not looked yet. */
  taken: boolean
}

export interface ClusterCounts {
  /** Launches that were heard, by cluster name. */
  readonly launches: Readonly<Record<string, number>>
  /** Machines that were started, by cluster name. */
  readonly started: Readonly<Record<string, number>>
  /** Machines that are there, by the names of their clusters: those that cost money. */
  readonly alive: readonly string[]
}

/** A cluster as `/status` has it. */
export function statusOf(cluster: Cluster): Record<string, unknown> {
  const { name, place, status, launchedAt, autodownMinutes } = cluster
  return {
    name,
    launched_at: launchedAt,
    handle: PICKLE,
    last_use: 'sky launch',
    status,
    autostop: autodownMinutes ?? -1,
    to_down: autodownMinutes !== null,
    cluster_hash: 'hash',
    metadata: {},
    cluster_ever_up: cluster.everUp,
    status_updated_at: launchedAt,
    user_hash: 'deadbeef',
    user_name: 'tester',
    workspace: 'default',
    storage_mounts_metadata: PICKLE,
    cloud: place.cloud.toUpperCase(),
    region: place.region,
    nodes: 1,
  }
}
