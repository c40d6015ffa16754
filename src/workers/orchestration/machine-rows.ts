import { createHash, randomBytes } from 'node:crypto'
import type { Pool } from 'pg'
import { z } from 'zod'
import { Machine, Market } from '../../core/machine.js'
import { NODE_STATUSES } from '../../core/node-status.js'
import type { MachineNode } from '../../core/orchestration/machine-step.js'
import { loadQuery } from '../../io/postgres.js'
import { type Queryable, rowOf, rowsOf } from '../../io/query.js'
import type { LaunchedNode, LauncherKind } from '../launchers/launcher.js'

const OPEN = loadQuery('machines-open')
const ASK = loadQuery('machines-ask')
const THROUGH = loadQuery('launches-through')
const SETTLE = loadQuery('launches-settle')

const Id = z.object({ id: z.string() })

const Row = z
  .object({
    id: z.string(),
    cluster_name: z.string(),
    machine: Machine,
    api_key: z.string(),
    status: z.enum(NODE_STATUSES),
    status_changed_at: z.date(),
    deployment_id: z.string().nullable(),
    created_at: z.date(),
    launch_asked_at: z.date().nullable(),
    region: z.string().nullable(),
    endpoint_url: z.string().nullable(),
    is_drained: z.boolean(),
    terminates_at: z.date().nullable(),
    job_id: z.string().nullable(),
    stage: z.string().nullable(),
    progress: z.number().nullable(),
  })
  .transform((row) => ({
    launched: {
      id: row.id,
      clusterName: row.cluster_name,
      machine: row.machine,
      apiKey: row.api_key,
    } satisfies LaunchedNode,
    node: {
      status: row.status,
      plannedAtMs: row.created_at.getTime(),
      askedAtMs: row.launch_asked_at?.getTime() ?? null,
      isDrained: row.is_drained,
      endpointUrl: row.endpoint_url,
      terminatesAtMs: row.terminates_at?.getTime() ?? null,
    } satisfies MachineNode,
    /** Unix milliseconds since when its status is what it is. */
    statusSinceMs: row.status_changed_at.getTime(),
    deploymentId: row.deployment_id,
    /** Code; null: it may be in any of several. */
    region: row.region,
    askedAt: row.launch_asked_at,
    jobId: row.job_id,
    stage: row.stage,
    progress: row.progress,
  }))

/** A launched node whose machine is not known to be gone. */
export type MachineRow = z.output<typeof Row>

/** All of a launcher's, the oldest first. */
export function openMachines(postgres: Pool, kind: LauncherKind): Promise<MachineRow[]> {
  return rowsOf(postgres, OPEN, Row, [kind])
}

/**
 * Writes down that a machine is about to be asked for, with a token that its agent gets; the one of an ask before, if any, is
 * void.
 * @returns the token; null: it is not to be asked for any more
 */
export async function claimLaunch(postgres: Pool, row: MachineRow, nowMs: number): Promise<string | null> {
  const token = randomBytes(32).toString('base64url')
  const digest = createHash('sha256').update(token).digest()
  const values = [row.launched.id, digest, new Date(nowMs), row.askedAt]
  return (await rowOf(postgres, ASK, Id, values)) === null ? null : token
}

const Through = z.object({
  id: z.string(),
  cluster_name: z.string(),
  deployment_id: z.string().nullable(),
  market: Market.nullable(),
  created_at: z.date(),
})
/** A launch that ended with a node that serves. */
export type LaunchThrough = z.infer<typeof Through>

/** Launches whose nodes serve by now, and whose jobs do not say so yet. */
export function launchesThrough(db: Queryable, kind: LauncherKind): Promise<LaunchThrough[]> {
  return rowsOf(db, THROUGH, Through, [kind])
}

/** Ends the job of one of them. @returns false: somebody else has */
export async function settleLaunch(db: Queryable, jobId: string, nowMs: number): Promise<boolean> {
  return (await rowOf(db, SETTLE, Id, [jobId, new Date(nowMs)])) !== null
}
