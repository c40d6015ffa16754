import type { Logger } from './logger.js'

export interface PollingOptions {
  readonly everyMs: number
  readonly look: () => Promise<void>
  /** The event that says in the log that looking fails, once until it succeeds again. */
  readonly event: string
  readonly logger: Logger
}

export interface Polling {
  /** Waits for the look that is under way. */
  stop(): Promise<void>
}

/** Looks at something now and then again and again; looks never overlap in time, and one that fails ends nothing. */
export function startPolling({ everyMs, look, event, logger }: PollingOptions): Polling {
  let failing = false
  let underWay: Promise<void> | null = null

  async function tryLook(): Promise<void> {
    try {
      await look()
      failing = false
    } catch (error) {
      if (!failing) logger.warn({ event, error })
      failing = true
    }
  }
  const run = () => {
    underWay ??= tryLook().finally(() => (underWay = null))
  }
  const timer = setInterval(run, everyMs)
  run()
  return {
    async stop() {
      clearInterval(timer)
      await underWay
    },
  }
}
