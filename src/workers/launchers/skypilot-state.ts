import type { LaunchFailureKind, LaunchStageName, Market } from '../../core/machine.js'
import type { SkyPilotErrorKind } from '../../core/skypilot-error.js'
import type { SkyPilotCluster } from '../../core/skypilot-payload.js'
import type { MachinePlace, MachineState } from './launcher.js'
import type { EngineStage } from './skypilot-jobs.js'

/** How the launch of a cluster stands, as far as it is known. */
export type LaunchSight =
  /** None is under way, and of an earlier one nothing is known. */
  | { readonly launch: 'unknown' }
  /** It was asked for, and may still be heard. */
  | { readonly launch: 'in_doubt' }
  | { readonly launch: 'waiting' | 'running' }
  | { readonly launch: 'succeeded' }
  | { readonly launch: 'failed'; readonly kind: LaunchFailureKind; readonly reason: string }

/** What SkyPilot says of one cluster, at one moment. */
export interface Sight {
  readonly market: Market
  /** Null: there is none. */
  readonly cluster: SkyPilotCluster | null
  readonly launch: LaunchSight
  readonly goingDown: boolean
  /** Since the launch was asked for; 0 when it is not known. */
  readonly elapsedMs: number
  readonly launchTimeoutMs: number
  /** Of an engine whose machine is up: whether it answers; null: nobody asked it. */
  readonly serves: boolean | null
  /** Of an engine that does not answer: how far it is. */
  readonly job: EngineStage
  /** Where it serves, if the node's agent cannot find that out. */
  readonly endpointUrl: string | null
}

/** Where each stage begins, of a hundred; within a stage the time that has passed counts. */
const BEGINS = {
  queued: 0,
  provisioning: 5,
  instance_ready: 30,
  installing: 50,
  model_loading: 70,
  health_check: 81,
} as const satisfies Partial<Record<LaunchStageName, number>>
const STAGES = Object.keys(BEGINS) as readonly (keyof typeof BEGINS)[]

/** A cluster in the terms of the controller. */
export function machineState(sight: Sight): MachineState {
  const { cluster, launch, goingDown } = sight
  if (goingDown) return { state: 'going' }
  if (launch.launch === 'failed') return { state: 'failed', kind: launch.kind, reason: launch.reason }
  if (launch.launch === 'waiting' || launch.launch === 'running') return comingState(sight, launch.launch)
  if (cluster === null) {
    if (launch.launch === 'in_doubt') return coming(sight, 'queued')
    return launch.launch === 'succeeded' ? gone(sight) : { state: 'absent' }
  }
  switch (cluster.status) {
    case 'INIT':
      // SkyPilot calls a machine INIT again when it does not get through to it: whether it serves, the probes say.
      return cluster.everUp || launch.launch === 'succeeded'
        ? upState(sight)
        : failed('SkyPilot gave up its launch, in a restart or because it was cancelled')
    case 'UP':
      return upState(sight)
    case 'STOPPED':
      return failed('the machine was stopped')
    case 'AUTOSTOPPING':
      return { state: 'going' }
    case 'PENDING':
      return coming(sight, 'queued')
    case 'UNKNOWN':
      return { state: 'up', endpointUrl: sight.endpointUrl }
  }
}

function comingState(sight: Sight, launch: 'waiting' | 'running'): MachineState {
  if (sight.elapsedMs > sight.launchTimeoutMs) {
    return failed(`the machine did not come up within ${Math.round(sight.launchTimeoutMs / 1000)} s`)
  }
  switch (sight.cluster?.status) {
    case undefined:
    case 'PENDING':
      return coming(sight, launch === 'waiting' ? 'queued' : 'provisioning')
    case 'INIT':
      return coming(sight, 'instance_ready')
    case 'UP':
    case 'STOPPED':
    case 'AUTOSTOPPING':
    case 'UNKNOWN':
      return coming(sight, 'installing')
  }
}

/** An engine that does not answer in all that time is for others to judge: they may reach it where this does not. */
function upState(sight: Sight): MachineState {
  if (sight.serves !== false || sight.elapsedMs > sight.launchTimeoutMs)
    return { state: 'up', endpointUrl: sight.endpointUrl }
  switch (sight.job.engine) {
    case 'ended':
      return failed(sight.job.reason)
    case 'setting_up':
      return coming(sight, 'installing')
    case 'running':
    case 'unknown':
      return coming(sight, 'model_loading')
  }
}

function coming({ elapsedMs, launchTimeoutMs }: Sight, stage: keyof typeof BEGINS): MachineState {
  const next = STAGES[STAGES.indexOf(stage) + 1] ?? 'health_check'
  const share = Math.min(1, Math.max(0, elapsedMs) / launchTimeoutMs)
  const progress = Math.floor(BEGINS[stage] + share * (BEGINS[next] - BEGINS[stage] - 1))
  return { state: 'coming', stage, progress }
}

/**
 * A spot machine that is taken away before its engine served is want of spot capacity: its launch had no fault. An engine that
 * ends is found out long before its machine goes.
 */
function gone({ market }: Sight): MachineState {
  if (market === 'spot')
    return { state: 'failed', kind: 'no_capacity', reason: 'the spot machine was taken away again' }
  return failed(
    'the machine is gone: it was taken away, or its engine had ended and it was idle for ten minutes',
  )
}

/** Where a cluster is; undefined while that may change, since SkyPilot tries one place after the other. */
export function placeOf(cluster: SkyPilotCluster | null): MachinePlace | undefined {
  const { status, cloud = null, region = null } = cluster ?? {}
  return status !== 'UP' || cloud === null || region === null ? undefined : { provider: cloud, region }
}

function failed(reason: string): MachineState {
  return { state: 'failed', kind: 'failed', reason }
}

/** What an error of SkyPilot's means for a launch. */
export function launchFailureKind(kind: SkyPilotErrorKind): LaunchFailureKind {
  switch (kind) {
    case 'no_capacity':
    case 'unauthorized':
      return kind
    case 'bad_task':
      return 'refused'
    case 'unreachable':
    case 'deadline':
    case 'cluster_does_not_exist':
    case 'cluster_not_up':
    case 'request_lost':
    case 'cancelled':
    case 'failed':
      return 'failed'
  }
}
