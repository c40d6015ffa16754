import type { NodeStatus } from '../../core/node-status.js'
import { loadQuery } from '../../io/postgres.js'
import type { Queryable } from '../../io/query.js'

const SET_STATUS = loadQuery('nodes-set-status')

export interface LeavingNode {
  readonly id: string
  readonly status: NodeStatus
  /** Requests may run on it. */
  readonly hasAddress: boolean
}

/**
 * Lets nodes go: those that serve run dry first, unless `immediate`.
 * @param who for their logs
 */
export async function giveUp(
  db: Queryable,
  nodes: readonly LeavingNode[],
  { who, why, immediate }: { readonly who: string; readonly why: string; readonly immediate: boolean },
): Promise<void> {
  const runsDry = ({ status, hasAddress }: LeavingNode) => !immediate && hasAddress && status !== 'failed'
  const ids = (group: readonly LeavingNode[]) => group.map(({ id }) => id)
  const terminating = nodes.filter((node) => runsDry(node) && node.status !== 'terminating')
  const terminated = nodes.filter((node) => !runsDry(node))
  if (terminating.length > 0) await db.query(SET_STATUS, [ids(terminating), 'terminating', who, why])
  if (terminated.length > 0) await db.query(SET_STATUS, [ids(terminated), 'terminated', who, why])
}
