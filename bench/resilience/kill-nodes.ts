import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import type { KillableNode } from '../node-fleet.js'
import type { ClientView, LoadClient, PlannedRequest } from './load-client.js'

const Stats = z.object({ running: z.number() })
const LIMIT_MS = 60_000
/** A killed node stays away up to this long. */
const AWAY_MS = 300

export interface NodeKilling {
  readonly nodes: readonly KillableNode[]
  readonly kills: number
  /** Streams at once. */
  readonly streams: number
  readonly client: LoadClient
  readonly plan: Iterator<PlannedRequest>
  readonly random: () => number
  /** Resolves when every node may be asked again. */
  readonly inService: () => Promise<void>
}

export interface KilledNodes {
  readonly views: readonly ClientView[]
  /** Streams that ran at the nodes when they were killed, of each kill. */
  readonly hit: readonly number[]
}

/**
 * Kills nodes in turn under streams, each when all are in service and have streams, and starts them again.
 * @throws when a node does not come back, or gets nothing to do, within a minute
 */
export async function killNodesUnderStreams(options: NodeKilling): Promise<KilledNodes> {
  const { nodes, kills, streams, client, plan, random, inService } = options
  const stop = new AbortController()
  const load = client.run(plan, () => streams, stop.signal)
  const hit: number[] = []
  try {
    while (hit.length < kills) {
      const victim = nodes[hit.length % nodes.length]
      if (victim === undefined) throw new RangeError('there are no nodes to kill')
      await inService()
      // A node that is in service is also asked: without that the one that is killed could be the only one.
      await Promise.all(nodes.map((node) => untilRunning(node, streams / nodes.length / 10)))
      await sleep(random() * AWAY_MS)
      const running = await untilRunning(victim, 0)
      await victim.kill()
      hit.push(running)
      await sleep(random() * AWAY_MS)
      await victim.restart()
    }
  } finally {
    stop.abort()
  }
  return { views: await load, hit }
}

async function untilRunning(node: KillableNode, least: number): Promise<number> {
  const deadline = performance.now() + LIMIT_MS
  for (;;) {
    const reply = await fetch(`${node.url}/stats`)
    const { running } = Stats.parse(await reply.json())
    if (running >= least) return running
    if (performance.now() > deadline) throw new Error(`${node.url} has only ${running} streams, not ${least}`)
    await sleep(20)
  }
}
