import type { NodeLive } from '../core/snapshot.js'
import type { Logger } from '../io/logger.js'

export interface LiveView {
  stop(): Promise<void>
}

const READ_MS = 1_000

/**
 * Reads once a second what the leader saw of the nodes. When it cannot be read, what is known grows old and then
 * counts as unknown: a node is not held to be down because a store is.
 */
export function startLiveView(options: {
  readonly read: () => Promise<ReadonlyMap<string, NodeLive>>
  readonly apply: (live: ReadonlyMap<string, NodeLive>) => void
  readonly logger: Logger
}): LiveView {
  const { read, apply, logger } = options
  let failing = false
  let underWay: Promise<void> | null = null

  async function look(): Promise<void> {
    try {
      apply(await read())
      failing = false
    } catch (error) {
      if (!failing) logger.warn({ event: 'node_live_unreadable', error })
      failing = true
    }
  }
  const run = () => {
    underWay ??= look().finally(() => (underWay = null))
  }
  const timer = setInterval(run, READ_MS)
  run()
  return {
    async stop() {
      clearInterval(timer)
      await underWay
    },
  }
}
