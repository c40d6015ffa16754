import { SkyPilotError } from '../../core/skypilot-error.js'
import type { SkyPilot } from '../../io/skypilot.js'
import { createSlots } from './slots.js'

/** How far an engine is that does not answer yet. */
export type EngineStage =
  | { readonly engine: 'setting_up' | 'running' | 'unknown' }
  /** It has ended, and its machine is of no use. */
  | { readonly engine: 'ended'; readonly reason: string }

/** The jobs of clusters: SkyPilot asks the machine itself about them, so they are not asked for at every look. */
export interface Jobs {
  /** @param hide values that must not appear in the reason */
  stageOf(clusterName: string, hide: readonly string[]): Promise<EngineStage>
  forget(clusterName: string): void
}

export interface JobsOptions {
  readonly client: SkyPilot
  readonly signal: AbortSignal
  /** Unix milliseconds. */
  readonly now: () => number
  /** Between two questions about one cluster. */
  readonly askEveryMs: number
}

const AT_ONCE = 8
const ASK_MS = 20_000
const REASON_LINES = 5
const MOST_REASON = 1_000

export function createJobs({ client, signal, now, askEveryMs }: JobsOptions): Jobs {
  const known = new Map<string, { readonly askedAt: number; readonly stage: EngineStage }>()
  const slots = createSlots(AT_ONCE)
  const limits = { signal, deadlineMs: ASK_MS }

  async function ask(clusterName: string, hide: readonly string[]): Promise<EngineStage> {
    try {
      const stage = await client.jobStage(clusterName, limits)
      if (stage !== 'ended') return { engine: stage ?? 'unknown' }
      const lines = await client.jobLog(clusterName, REASON_LINES, { ...limits, hide }).catch(() => [])
      const said = lines.join('\n').slice(-MOST_REASON)
      return { engine: 'ended', reason: `the engine ended before it served${said === '' ? '' : `: ${said}`}` }
    } catch (error) {
      // A machine that is busy with a model may not answer in time.
      if (error instanceof SkyPilotError) return { engine: 'unknown' }
      throw error
    }
  }

  return {
    async stageOf(clusterName, hide) {
      const last = known.get(clusterName)
      if (last !== undefined && now() - last.askedAt < askEveryMs) return last.stage
      const askedAt = now()
      const stage = await slots.run(() => ask(clusterName, hide))
      known.set(clusterName, { askedAt, stage })
      return stage
    },
    forget(clusterName) {
      known.delete(clusterName)
    },
  }
}
