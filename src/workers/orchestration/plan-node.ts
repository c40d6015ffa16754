import { randomBytes } from 'node:crypto'
import { uuidv7 } from 'uuidv7'
import { z } from 'zod'
import { clusterNameFor } from '../../core/orchestration/cluster-name.js'
import type { Engine } from '../../core/snapshot.js'
import { loadQuery } from '../../io/postgres.js'
import { type Queryable, rowOf } from '../../io/query.js'
import type { LauncherKind } from '../launchers/launcher.js'
import { installationId } from './installation.js'
import type { Placement } from './placement.js'

const PLAN = loadQuery('nodes-plan')

const Id = z.object({ id: z.string() })
/** Names are random; one that is taken is no use. */
const MOST_NAMES = 20

export interface NodePlan {
  readonly modelId: string
  /** Null: a node by itself. */
  readonly deploymentId: string | null
  /** Of the deployment's settings. */
  readonly generation: number
  readonly launcher: LauncherKind
  readonly placement: Placement
  /** Of the launch template: as which engine the node is spoken to. */
  readonly api: Engine
  /** Who wants it, as the node's log says it. */
  readonly who: string
  readonly why: string | null
}

export interface PlannedNode {
  readonly nodeId: string
  readonly jobId: string
  readonly clusterName: string
}

/**
 * Writes down, in the caller's transaction, that a node is to be launched. The leader finds it and has it launched: a row
 * comes before anything that costs money, so that no crash leaves a machine that nobody knows of.
 */
export async function planNode(db: Queryable, plan: NodePlan): Promise<PlannedNode> {
  const { machine, region, instanceTypeId, pricePerHourMicros } = plan.placement
  const installation = await installationId(db)
  for (let attempt = 0; attempt < MOST_NAMES; attempt++) {
    const planned = {
      nodeId: uuidv7(),
      jobId: uuidv7(),
      clusterName: clusterNameFor(machine, installation, Math.random),
    }
    const row = await rowOf(db, PLAN, Id, [
      planned.nodeId,
      planned.clusterName,
      plan.modelId,
      plan.deploymentId,
      machine.provider,
      region,
      instanceTypeId,
      machine.servedModelName,
      plan.api,
      engineKey(),
      pricePerHourMicros,
      plan.launcher,
      JSON.stringify(machine),
      plan.generation,
      plan.who,
      plan.why,
      planned.jobId,
    ])
    if (row !== null) return planned
  }
  throw new Error(`${MOST_NAMES} names for a machine were taken`)
}

/** Letters and digits alone: some engines take it as an argument, where a '-' at its beginning would be one of a flag. */
function engineKey(): string {
  return randomBytes(24).toString('hex')
}
