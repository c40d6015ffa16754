import { z } from 'zod'
import { NodeStatus } from '../../core/contract/nodes.js'
import { loadQuery } from '../../io/postgres.js'
import { rowsOf } from '../../io/query.js'
import { actorName } from '../audit.js'
import type { HandlerContext } from './handler.js'

const NODES = loadQuery('deployments-nodes')
const SET_STATUS = loadQuery('nodes-set-status')

const DeployedNode = z.object({ id: z.string(), status: NodeStatus, has_address: z.boolean() })
type DeployedNode = z.infer<typeof DeployedNode>

export interface FewerNodes {
  readonly deploymentId: string
  /** How many may stay. */
  readonly wanted: number
  /** For the nodes' logs. */
  readonly why: string
  /** Running requests are not waited for. */
  readonly immediate: boolean
}

/**
 * Gives up the nodes that a deployment has beyond what is wanted, and those that have failed.
 * @returns how many `staying` and how many are not terminated yet, `leaving`
 */
export async function keepAtMost(
  context: HandlerContext,
  { deploymentId, wanted, why, immediate }: FewerNodes,
): Promise<{ staying: number; leaving: number }> {
  const nodes = await rowsOf(context.db, NODES, DeployedNode, [deploymentId])
  const over = (node: DeployedNode) => node.status === 'failed' || node.status === 'terminating'
  const present = nodes.filter((node) => !over(node))
  const surplus = present.slice(0, Math.max(0, present.length - wanted))
  const leaving = await giveUp(context, [...nodes.filter(over), ...surplus], why, immediate)
  return { staying: present.length - surplus.length, leaving }
}

/** Terminates nodes; those that serve run dry first, unless `immediate`. @returns how many do */
async function giveUp(
  { db, actor }: HandlerContext,
  nodes: readonly DeployedNode[],
  why: string,
  immediate: boolean,
): Promise<number> {
  const runsDry = ({ status, has_address }: DeployedNode) => !immediate && has_address && status !== 'failed'
  const dry = nodes.filter(runsDry)
  const terminating = dry.filter(({ status }) => status !== 'terminating')
  const terminated = nodes.filter((node) => !runsDry(node))
  const who = actorName(actor)
  const ids = (group: readonly DeployedNode[]) => group.map(({ id }) => id)
  if (terminating.length > 0) await db.query(SET_STATUS, [ids(terminating), 'terminating', who, why])
  if (terminated.length > 0) await db.query(SET_STATUS, [ids(terminated), 'terminated', who, why])
  return dry.length
}
