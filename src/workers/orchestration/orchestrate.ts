import type { Pool } from 'pg'
import type { Logger } from 'pino'
import type { NodeLive } from '../../core/snapshot.js'
import type { Launcher, LauncherKind } from '../launchers/launcher.js'
import { pause } from '../leadership.js'
import { createReconciler } from './reconcile-deployments.js'
import { createOrphanWatch } from './remove-orphans.js'
import { tendMachines } from './tend-machines.js'

export interface OrchestrateOptions {
  readonly postgres: Pool
  readonly launchers: readonly Launcher[]
  readonly launcherFor: (provider: string) => LauncherKind | null
  readonly readLive: () => Promise<ReadonlyMap<string, NodeLive>>
  readonly launchTimeoutMs: number
  readonly orphanGraceMs: number
  readonly logger: Logger
  /** Unix milliseconds. */
  readonly now: () => number
}

const RECONCILE_MS = 1_000
const ORPHANS_MS = 30_000

/**
 * Part of the leader's work: keeps deployments at what is wanted of them and brings up and removes machines, until the
 * signal. Each loop looks at what there is and does what is missing; what does not answer is asked again, and holds up no
 * other loop.
 */
export async function orchestrate(options: OrchestrateOptions, signal: AbortSignal): Promise<void> {
  const { launchers, launchTimeoutMs, orphanGraceMs, logger } = options
  const reconciler = createReconciler(options)
  const loop = (name: string, everyMs: number, look: () => Promise<void>) =>
    repeat({ name, everyMs, look, logger }, signal)
  await Promise.all([
    loop('deployments', RECONCILE_MS, () => reconciler.look()),
    ...launchers.flatMap((launcher) => {
      const orphans = createOrphanWatch({ ...options, launcher, graceMs: orphanGraceMs })
      return [
        loop(launcher.kind, launcher.lookEveryMs, () =>
          tendMachines({ ...options, launcher, launchTimeoutMs }),
        ),
        loop(`${launcher.kind} orphans`, Math.min(ORPHANS_MS, Math.max(1_000, orphanGraceMs)), () =>
          orphans.look(),
        ),
      ]
    }),
  ])
}

interface Loop {
  readonly name: string
  readonly everyMs: number
  readonly look: () => Promise<void>
  readonly logger: Logger
}

async function repeat({ name, everyMs, look, logger }: Loop, signal: AbortSignal): Promise<void> {
  let failing = false
  while (!signal.aborted) {
    try {
      await look()
      if (failing) logger.info({ event: 'orchestration_recovered', loop: name })
      failing = false
    } catch (error) {
      if (!failing && !signal.aborted) logger.warn({ event: 'orchestration_interrupted', loop: name, error })
      failing = true
    }
    await pause(everyMs, signal)
  }
}
