import type { Pool } from 'pg'
import type { Logger } from 'pino'
import type { LoadBook } from '../../core/load-book.js'
import type { OrchestrationEvent } from '../../core/orchestration/orchestration-event.js'
import { readNodeLive } from '../../io/node-live.js'
import type { RedisClient } from '../../io/redis.js'
import type { Launcher } from '../launchers/launcher.js'
import { type Launching, launchingBy, NOTHING_LAUNCHED } from '../launchers/launching.js'
import { createLocalLauncher } from '../launchers/local-launcher.js'
import { createSkyPilotLauncher } from '../launchers/skypilot-launcher.js'
import { unconfiguredLauncher } from '../launchers/unconfigured-launcher.js'
import type { Orchestration } from '../leader-settings.js'
import { pause } from '../leadership.js'
import { installationId } from './installation.js'
import { createReconciler } from './reconcile-deployments.js'
import { createOrphanWatch } from './remove-orphans.js'
import { createAutoscaler } from './scale-deployments.js'
import { tendMachines } from './tend-machines.js'

export interface OrchestrateOptions {
  readonly postgres: Pool
  readonly redis: RedisClient | null
  /** What proxies tell of their load. */
  readonly loads: LoadBook
  /** Null: nothing is launched, and what others have launched is left to them. */
  readonly settings: Orchestration | null
  readonly logger: Logger
  /** Unix milliseconds. */
  readonly now: () => number
  /** For metrics. */
  readonly record: (event: OrchestrationEvent) => void
}

const AUTOSCALE_MS = 1_000
const RECONCILE_MS = 1_000
const ORPHANS_MS = 30_000

/**
 * Part of the leader's work: keeps deployments at what is wanted of them and brings up and removes machines, until the
 * signal. Each loop looks at what there is and does what is missing; what does not answer is asked again, and holds up no
 * other loop.
 */
export async function orchestrate(options: OrchestrateOptions, signal: AbortSignal): Promise<void> {
  const { postgres, redis, loads, settings, logger, now, record } = options
  const skypilot = settings?.skypilot ?? null
  const launching =
    settings === null
      ? NOTHING_LAUNCHED
      : launchingBy({ templates: settings.templates, skypilot: skypilot !== null })
  const readLive = () => readNodeLive({ postgres, redis })
  const reconciler = createReconciler({ postgres, launching, readLive, logger, now })
  const autoscaler = createAutoscaler({
    postgres,
    readLive,
    demand: (modelId) => loads.model(modelId, now()),
    logger,
    now,
    onDecision: ({ kind }) => {
      if (kind !== 'hold') record({ event: 'scaled', direction: kind })
    },
  })
  const loop = (name: string, everyMs: number, look: () => Promise<void>) =>
    repeat({ name, everyMs, look, logger }, signal)
  const loops = [
    loop('deployments', RECONCILE_MS, () => reconciler.look()),
    loop('autoscaler', AUTOSCALE_MS, () => autoscaler.look()),
  ]
  const launchers = settings === null ? [] : await openLaunchers(options, settings, launching)
  for (const launcher of launchers) {
    const orphanGraceMs = (settings?.orphanGraceSeconds ?? 0) * 1_000
    const orphans = createOrphanWatch({ postgres, launcher, graceMs: orphanGraceMs, logger, now, record })
    const launchTimeoutMs = (settings?.launchTimeoutSeconds ?? 0) * 1_000
    const orphansMs = Math.min(ORPHANS_MS, Math.max(1_000, orphanGraceMs))
    loops.push(
      loop(launcher.kind, launcher.lookEveryMs, () =>
        tendMachines({ postgres, launcher, launchTimeoutMs, logger, now, record }),
      ),
      loop(`${launcher.kind} orphans`, orphansMs, () => orphans.look()),
    )
  }
  const close = () => {
    for (const launcher of launchers) void launcher[Symbol.asyncDispose]()
  }
  signal.addEventListener('abort', close)
  await Promise.all(loops)
  signal.removeEventListener('abort', close)
  await Promise.all(launchers.map((launcher) => launcher[Symbol.asyncDispose]()))
}

async function openLaunchers(
  { postgres, logger, now }: OrchestrateOptions,
  settings: Orchestration,
  { templates }: Launching,
): Promise<Launcher[]> {
  const { nodesFolder, controlUrl, skypilot, hfToken, launchTimeoutSeconds } = settings
  const local = createLocalLauncher({
    folder: nodesFolder,
    installation: await installationId(postgres),
    templates,
    hfToken,
    environment: process.env,
    logger,
  })
  if (skypilot === null) return [local, unconfiguredLauncher('skypilot', 'SKYPILOT_URL')]
  const options = { skypilot, controlUrl, templates, hfToken, launchTimeoutSeconds, logger, now }
  return [local, createSkyPilotLauncher(options)]
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
