import type { ResolvedKey } from '../core/resolved-key.js'
import type { Logger } from '../io/logger.js'

/** When a key was used. */
export interface KeyUse {
  readonly keyId: string
  readonly at: Date
}

export interface KeyUseOptions {
  /** Stores them; rejects when none can be relied on to be stored. */
  readonly write: (uses: readonly KeyUse[]) => Promise<void>
  readonly logger: Logger
  /** Unix milliseconds. */
  readonly now: () => number
}

/** Notes when keys are used, for their `last_used_at`. */
export interface KeyUseLog {
  /** Costs an entry in a map: on every request's way. */
  readonly note: (key: ResolvedKey) => void
  /** Writes what is due. Never rejects. */
  flush(): Promise<void>
  /** Writes all that is noted, and no more after that. */
  stop(): Promise<void>
}

const FLUSH_MS = 5_000
/** A key's use is written once in this time, at the end of it too. */
const EVERY_MS = 60_000
/** A statement is short: rows that it locks hold up who revokes a key. */
const MOST_ROWS = 500
/** What comes when so many wait to be written is noted at its next use. */
const MOST_KEYS = 200_000

export function createKeyUseLog({ write, logger, now }: KeyUseOptions): KeyUseLog {
  /** By key id, in Unix milliseconds. */
  const used = new Map<string, number>()
  const written = new Map<string, number>()
  let underWay: Promise<void> = Promise.resolve()
  let failing = false
  const timer = setInterval(() => void flush(false), FLUSH_MS)

  function due(all: boolean): KeyUse[] {
    const at = now()
    for (const [keyId, when] of written) if (when + EVERY_MS <= at) written.delete(keyId)
    const uses: KeyUse[] = []
    for (const [keyId, when] of used) {
      if (all || !written.has(keyId)) uses.push({ keyId, at: new Date(when) })
    }
    return uses
  }

  async function writeAll(uses: readonly KeyUse[]): Promise<void> {
    for (let from = 0; from < uses.length; from += MOST_ROWS) {
      const part = uses.slice(from, from + MOST_ROWS)
      await write(part)
      const at = now()
      for (const { keyId, at: when } of part) {
        written.set(keyId, at)
        // It may have been used again meanwhile.
        if (used.get(keyId) === when.getTime()) used.delete(keyId)
      }
    }
  }

  function flush(all: boolean): Promise<void> {
    underWay = underWay.then(async () => {
      try {
        await writeAll(due(all))
        failing = false
      } catch (error) {
        // What was not written is tried again the next time.
        if (!failing) logger.warn({ event: 'key_use_not_written', error })
        failing = true
      }
    })
    return underWay
  }

  return {
    note(key) {
      if (used.size < MOST_KEYS || used.has(key.keyId)) used.set(key.keyId, now())
    },
    flush: () => flush(false),
    async stop() {
      clearInterval(timer)
      await flush(true)
    },
  }
}
