import type { Changes } from '../io/changes.js'
import type { Logger } from '../io/logger.js'

export interface ChangeFeedOptions {
  /** The newest version. */
  readonly readVersion: () => Promise<number>
  /** All changes after a version. */
  readonly changesSince: (version: number) => Promise<Changes>
  /** Applies them; the version counts as seen only when it resolves. */
  readonly apply: (changes: Changes) => Promise<void>
  readonly logger: Logger
  /** Unix milliseconds. */
  readonly now: () => number
}

export interface ChangeFeed {
  /** When this process last knew that it had seen every change, in Unix milliseconds. */
  readonly currentAt: number
  /** The bus spoke of changes that could not be read yet. */
  readonly behind: boolean
  /** Looks for changes now: the bus said that there are some. */
  poke(): void
  /** Goes on from this version. */
  start(version: number): void
  stop(): Promise<void>
}

/** Below a second with room, since a lost message must cost no more than that. */
const POLL_MS = 700

/**
 * Follows the change feed in Postgres: at once when the bus says so, and by polling, since messages may be lost.
 * Polls never overlap.
 */
export function createChangeFeed(options: ChangeFeedOptions): ChangeFeed {
  const { readVersion, changesSince, apply, logger, now } = options
  let seen = -1
  let currentAt = now()
  let timer: NodeJS.Timeout | null = null
  let underWay: Promise<void> | null = null
  let again = false
  let failing = false
  let behind = false

  async function poll(): Promise<void> {
    const at = now()
    try {
      // Lower than what was seen: the database was restored, and `complete` will say so.
      if ((await readVersion()) !== seen) {
        const changes = await changesSince(seen)
        await apply(changes)
        seen = changes.version
      }
      currentAt = at
      if (!again) behind = false
      if (failing) logger.info({ event: 'change_feed_recovered', version: seen })
      failing = false
    } catch (error) {
      if (!failing) logger.warn({ event: 'change_feed_failed', error })
      failing = true
    }
  }

  function run(): void {
    if (underWay !== null) {
      again = true
      return
    }
    if (timer === null) return
    underWay = poll().finally(() => {
      underWay = null
      if (!again) return
      again = false
      run()
    })
  }

  return {
    get currentAt() {
      return currentAt
    },
    get behind() {
      return behind
    },
    poke() {
      behind = true
      run()
    },
    start(version) {
      seen = version
      timer = setInterval(run, POLL_MS)
      run()
    },
    async stop() {
      if (timer !== null) clearInterval(timer)
      timer = null
      await underWay
    },
  }
}
