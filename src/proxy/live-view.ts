import type { NodeLive } from '../core/snapshot.js'
import type { Logger } from '../io/logger.js'
import { type Polling, startPolling } from '../io/polling.js'

const READ_MS = 1_000

/**
 * Reads once a second what the leader saw of the nodes. When it cannot be read, what is known grows old and then
 * counts as unknown: a node is not held to be down because a store is.
 */
export function startLiveView(options: {
  readonly read: () => Promise<ReadonlyMap<string, NodeLive>>
  readonly apply: (live: ReadonlyMap<string, NodeLive>) => void
  readonly logger: Logger
}): Polling {
  const { read, apply, logger } = options
  return startPolling({
    everyMs: READ_MS,
    look: async () => {
      apply(await read())
    },
    event: 'node_live_unreadable',
    logger,
  })
}
