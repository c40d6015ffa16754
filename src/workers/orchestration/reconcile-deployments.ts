import type { Pool } from 'pg'
import type { Logger } from 'pino'
import { z } from 'zod'
import type { NodeLive } from '../../core/snapshot.js'
import { loadQuery, transaction } from '../../io/postgres.js'
import { rowsOf } from '../../io/query.js'
import type { Launching } from '../launchers/launching.js'
import { reconcileDeployment } from './reconcile-deployment.js'
import { seenNode } from './seen-node.js'

const OPEN = loadQuery('deployments-open')

export interface ReconcileDeploymentsOptions {
  readonly postgres: Pool
  readonly launching: Launching
  /** What is seen of nodes now, by id. */
  readonly readLive: () => Promise<ReadonlyMap<string, NodeLive>>
  readonly logger: Logger
  /** Unix milliseconds. */
  readonly now: () => number
}

/** Keeps all deployments at what is wanted of them. */
export function createReconciler({
  postgres,
  launching,
  readLive,
  logger,
  now,
}: ReconcileDeploymentsOptions) {
  /** Since when nodes' health checks have failed. A new leader counts anew. */
  const unhealthySince = new Map<string, number>()

  function follow(live: ReadonlyMap<string, NodeLive>): void {
    for (const [id, { healthy }] of live) {
      if (healthy) unhealthySince.delete(id)
      else if (!unhealthySince.has(id)) unhealthySince.set(id, now())
    }
    for (const id of unhealthySince.keys()) if (!live.has(id)) unhealthySince.delete(id)
  }

  return {
    /** Looks once at each. One that cannot be reconciled holds up no other. @throws when Postgres does not answer */
    async look(): Promise<void> {
      const live = await readLive()
      follow(live)
      for (const { id } of await rowsOf(postgres, OPEN, z.object({ id: z.string() }))) {
        try {
          const changed = await transaction(postgres, (db) =>
            reconcileDeployment(db, id, {
              launching,
              seen: (nodeId) => seenNode(live.get(nodeId), unhealthySince.get(nodeId) ?? null, now()),
              who: 'leader',
              immediate: false,
              now: now(),
            }),
          )
          if (changed) logger.info({ event: 'deployment_reconciled', deployment: id })
        } catch (error) {
          logger.warn({ event: 'deployment_not_reconciled', deployment: id, error })
        }
      }
    },
  }
}
