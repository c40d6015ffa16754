import type { LaunchFailureKind, LaunchStageName } from '../machine.js'
import type { NodeStatus } from '../node-status.js'

/** A machine as its launcher found it: see src/workers/launchers/launcher.ts. */
export type MachineFound =
  | { readonly state: 'absent' | 'going' }
  | { readonly state: 'coming'; readonly stage: LaunchStageName; readonly progress: number }
  | { readonly state: 'up'; readonly endpointUrl: string | null }
  | { readonly state: 'failed'; readonly kind: LaunchFailureKind; readonly reason: string }

/** A launched node whose machine is not known to be gone. Times in Unix milliseconds. */
export interface MachineNode {
  readonly status: NodeStatus
  readonly plannedAtMs: number
  /** The launcher was asked for the machine, or was about to be; null: never. */
  readonly askedAtMs: number | null
  /** Nothing is waited for any more: its machine may go. */
  readonly isDrained: boolean
  /** Null: it has none yet. */
  readonly endpointUrl: string | null
  /** The machine is taken away then; null: nobody has said so. */
  readonly terminatesAtMs: number | null
}

/** What is to be done about a machine now; null: nothing. */
export type MachineStep =
  | { readonly do: 'launch' }
  | { readonly do: 'note'; readonly stage: LaunchStageName; readonly progress: number }
  /** It serves at this address. */
  | { readonly do: 'serve'; readonly endpointUrl: string }
  /** Its engine was started again, at this address. */
  | { readonly do: 'move'; readonly endpointUrl: string }
  /** Its launch is over without a machine. `isExplained`: the reason says why, rather than that time is up. */
  | {
      readonly do: 'fail'
      readonly kind: LaunchFailureKind
      readonly reason: string
      readonly isExplained: boolean
    }
  /** It served and is gone, or going, without having been asked to. */
  | { readonly do: 'lose'; readonly reason: string }
  | { readonly do: 'remove' }
  /** Nothing is left of it. */
  | { readonly do: 'gone' }
  | null

/**
 * An ask that was on its way when its process died may be heard this much later. Until then nothing is asked again, and
 * nothing taken for gone.
 */
export const DOUBT_MS = 10_000
/** A machine that was to be taken away is given up this long after it should have been. */
const OVERDUE_MS = 5_000

/**
 * What to do about one machine, by what its row says and what was found. It depends on nothing else, so that a process that
 * dies at any point is followed by one that goes on.
 */
export function machineStep(
  node: MachineNode,
  found: MachineFound,
  nowMs: number,
  launchTimeoutMs: number,
): MachineStep {
  const { status, askedAtMs } = node
  const isInDoubt = askedAtMs !== null && Math.abs(nowMs - askedAtMs) < DOUBT_MS
  if (status === 'failed' || node.isDrained) {
    if (found.state === 'going') return null
    return found.state === 'absent' && !isInDoubt ? { do: 'gone' } : { do: 'remove' }
  }
  if (status === 'launching') {
    if (found.state === 'failed')
      return { do: 'fail', kind: found.kind, reason: found.reason, isExplained: true }
    if (found.state === 'up' && found.endpointUrl !== null)
      return { do: 'serve', endpointUrl: found.endpointUrl }
    if (nowMs - node.plannedAtMs >= launchTimeoutMs) {
      const reason = `it was not up within ${Math.round(launchTimeoutMs / 1_000)} s`
      return { do: 'fail', kind: 'failed', reason, isExplained: false }
    }
    if (found.state === 'absent') return isInDoubt ? null : { do: 'launch' }
    if (found.state === 'coming') return { do: 'note', stage: found.stage, progress: found.progress }
    // Its agent registers it when its engine serves.
    return found.state === 'up' ? { do: 'note', stage: 'model_loading', progress: 80 } : null
  }
  if (found.state === 'absent') return { do: 'lose', reason: 'its machine is gone' }
  if (found.state === 'failed') return { do: 'lose', reason: found.reason }
  if (node.terminatesAtMs !== null && nowMs >= node.terminatesAtMs + OVERDUE_MS)
    return { do: 'lose', reason: 'its machine was to be taken away by now' }
  if (found.state === 'up' && found.endpointUrl !== null && found.endpointUrl !== node.endpointUrl)
    return { do: 'move', endpointUrl: found.endpointUrl }
  return null
}
