import { z } from 'zod'
import { toGatewayError } from '../../core/errors.js'
import { type NodeSpend, NOTHING_SPENT, shownCost, sumsByKey } from '../../core/node-cost.js'
import { loadQuery } from '../../io/postgres.js'
import { rowsOf } from '../../io/query.js'
import { fromStoreError } from '../store-errors.js'
import { clickHouseRows } from './clickhouse-rows.js'
import type { HandlerContext } from './handler.js'
import { windowOf } from './platform-periods.js'
import { Count } from './usage-rows.js'

const COSTS = loadQuery('node-costs')

/** More nodes than these are not asked for by id. */
const MOST_IDS = 500

const CostRow = z.object({
  node_id: z.string(),
  deployment_id: z.string().nullable(),
  model: z.string(),
  seconds: z.number(),
  unpriced_seconds: z.number(),
  cost_nanos: z.string().transform((text) => BigInt(text)),
})

const UseRow = z.object({ node_id: z.string(), tokens: Count, busy_seconds: Count })
type Use = Pick<z.infer<typeof UseRow>, 'tokens' | 'busy_seconds'>

const NO_USE: Use = { tokens: 0, busy_seconds: 0 }

/** What one node cost. */
export interface NodeCost extends NodeSpend {
  readonly nodeId: string
  readonly deploymentId: string | null
  /** The name of its model. */
  readonly model: string
}

/** Which nodes; all of them where nothing is said. */
export interface WhichNodes {
  readonly nodes?: readonly string[]
  readonly deployments?: readonly string[]
}

/**
 * What nodes cost in a window, and what they did in it: of every node that cost anything then. What they did is not known
 * while ClickHouse is away.
 */
export async function nodeCosts(
  context: HandlerContext,
  { startMs, endMs }: { readonly startMs: number; readonly endMs: number },
  { nodes, deployments }: WhichNodes,
): Promise<NodeCost[]> {
  const times = [new Date(startMs), new Date(endMs)]
  const rows = await rowsOf(context.db, COSTS, CostRow, [...times, nodes ?? null, deployments ?? null])
  const all = nodes === undefined && deployments === undefined
  const ids = rows.map(({ node_id }) => node_id)
  const use =
    ids.length === 0
      ? new Map<string, Use>()
      : await nodeUse(context, startMs, endMs, all || ids.length > MOST_IDS ? [] : ids)
  return rows.map((row) => {
    const did = use === null ? null : (use.get(row.node_id) ?? NO_USE)
    return {
      nodeId: row.node_id,
      deploymentId: row.deployment_id,
      model: row.model,
      seconds: row.seconds,
      unpricedSeconds: row.unpriced_seconds,
      nanos: row.cost_nanos,
      tokens: did?.tokens ?? null,
      busySeconds: did?.busy_seconds ?? null,
    }
  })
}

/** By node id; null: ClickHouse is away. */
async function nodeUse(
  context: HandlerContext,
  startMs: number,
  endMs: number,
  ids: readonly string[],
): Promise<ReadonlyMap<string, Use> | null> {
  try {
    const rows = await clickHouseRows(context, 'node-use', UseRow, {
      start: startMs / 1000,
      end: Math.ceil(endMs / 1000),
      node_ids: ids,
    })
    return new Map(rows.map((row) => [row.node_id, row]))
  } catch (thrown) {
    if (toGatewayError(fromStoreError(thrown)).code === 'overloaded') return null
    throw thrown
  }
}

/** What rows of a list are shown to have cost over the last day, by the id that `of` gives of a node. */
async function shownCosts(
  context: HandlerContext,
  which: WhichNodes,
  of: (cost: NodeCost) => string | null,
): Promise<(id: string) => ReturnType<typeof shownCost>> {
  const costs = await nodeCosts(context, windowOf('24h', context.now), which)
  const byId = sumsByKey(costs, of)
  return (id) => shownCost(byId.get(id) ?? NOTHING_SPENT)
}

/** What each of some nodes cost over the last day, by its id. */
export function costsOfNodes(context: HandlerContext, ids: readonly string[]) {
  return shownCosts(context, { nodes: ids }, ({ nodeId }) => nodeId)
}

/** What the nodes of each of some deployments cost over the last day, those that are gone as well, by its id. */
export function costsOfDeployments(context: HandlerContext, ids: readonly string[]) {
  return shownCosts(context, { deployments: ids }, ({ deploymentId }) => deploymentId)
}
