import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { RunningProcess } from '../child-process.js'
import { describeExit } from '../child-process.js'

/** An engine that this process started for itself. */
export interface EmbeddedStore extends AsyncDisposable {
  readonly url: string
  /** Of the engine's main process; changes when it had to be restarted. */
  readonly pid: number
  /** Stops the engine and waits until it has ended. */
  stop(): Promise<void>
}

export interface KeepRunningOptions {
  readonly name: string
  /** Asked once, after the first start. */
  readonly url: () => string
  readonly logger?: Logger | undefined
  /** Starts the engine and resolves when it answers. Called again, for the same address, after it died. */
  readonly start: () => Promise<RunningProcess>
  readonly stop: (running: RunningProcess) => Promise<void>
}

const FIRST_RESTART_MS = 100
const LONGEST_RESTART_MS = 5_000
/** An engine that lived this long had started well, so the next restart is quick again. */
const STEADY_MS = 30_000

/**
 * Starts an engine and starts it again, with backoff, whenever it ends on its own.
 * @throws when the first start fails
 */
export async function keepRunning(options: KeepRunningOptions): Promise<EmbeddedStore> {
  const { name, logger } = options
  const stopping = new AbortController()
  let current = await options.start()

  const watch = async () => {
    let pauseMs = FIRST_RESTART_MS
    let startedAt = performance.now()
    while (!stopping.signal.aborted) {
      const exit = await current.exited
      if (stopping.signal.aborted) return
      logger?.error(
        { event: 'store_died', store: name, exit: describeExit(exit) },
        `${name} ended; restarting it`,
      )
      if (performance.now() - startedAt > STEADY_MS) pauseMs = FIRST_RESTART_MS
      while (!stopping.signal.aborted) {
        await sleep(pauseMs, undefined, { signal: stopping.signal }).catch(() => {})
        if (stopping.signal.aborted) return
        pauseMs = Math.min(pauseMs * 2, LONGEST_RESTART_MS)
        try {
          current = await options.start()
          startedAt = performance.now()
          logger?.info({ event: 'store_restarted', store: name, pid: current.pid }, `${name} runs again`)
          break
        } catch (error) {
          logger?.error({ event: 'store_restart_failed', store: name, err: error }, `${name} did not start`)
        }
      }
    }
  }
  const watching = watch()

  let stopped: Promise<void> | undefined
  const stop = () =>
    (stopped ??= (async () => {
      stopping.abort()
      // A restart under way is awaited by the watcher only after its process is known, so stop what is there
      // first: the watcher ends with it.
      await options.stop(current)
      await watching
      await options.stop(current)
    })())
  return {
    url: options.url(),
    get pid() {
      return current.pid
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}
