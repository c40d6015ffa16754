import type { ModelFigures } from '../core/model-figures.js'
import { within } from '../io/within.js'

/** Figures of this age are given out as they are. */
const FRESH_MS = 5_000
/** Older ones are given out while new ones are read, up to this age: then they say nothing of now. */
const STALE_MS = 30_000
/** Who asks when nothing is known waits no longer than this from the begin of the read. */
const WAIT_MS = 400

export interface RecentFiguresOptions {
  /** Reads them all; a worker thread does it. */
  readonly read: () => Promise<readonly ModelFigures[]>
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number
}

/**
 * The figures of models, read when somebody asks for them and kept for some seconds, so that a burst of calls is one
 * query. What cannot be read in time is not known: the map is empty then, and nothing is thrown.
 * @returns figures by model id
 */
export function createRecentFigures({
  read,
  now,
}: RecentFiguresOptions): () => Promise<ReadonlyMap<string, ModelFigures>> {
  let known: ReadonlyMap<string, ModelFigures> = new Map()
  let readAt = -Infinity
  let askedAt = -Infinity
  let underWay: Promise<void> | null = null

  async function refresh(): Promise<void> {
    try {
      const figures = await read()
      known = new Map(figures.map((row) => [row.modelId, row]))
      readAt = now()
    } catch {
      // Nobody waits for figures; what was known grows old.
    } finally {
      underWay = null
    }
  }

  return async () => {
    if (now() - askedAt >= FRESH_MS && underWay === null) {
      // Also after a failure: a store that is down is not asked more often than one that works.
      askedAt = now()
      underWay = refresh()
    }
    if (now() - readAt < STALE_MS) return known
    const waitMs = askedAt + WAIT_MS - now()
    if (underWay !== null && waitMs > 0) await within(waitMs, underWay)
    return now() - readAt < STALE_MS ? known : new Map()
  }
}
