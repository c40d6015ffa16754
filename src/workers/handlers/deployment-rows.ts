import { z } from 'zod'
import { AutoScaling, DeploymentStatus } from '../../core/contract/deployments.js'
import { RouteStrategy } from '../../core/contract/routes.js'
import { GatewayError } from '../../core/errors.js'
import { DEFAULT_ROUTE } from '../../core/snapshot.js'
import { loadQuery } from '../../io/postgres.js'
import { type Queryable, rowOf, theRowOf } from '../../io/query.js'
import { DeploymentSpec } from '../orchestration/deployment-spec.js'
import type { HandlerContext } from './handler.js'

const GET = loadQuery('deployments-get')
const LOCK = loadQuery('deployments-lock')
const INSERT = loadQuery('deployments-insert')
const UPDATE = loadQuery('deployments-update')

export const DeploymentRow = z.object({
  id: z.string(),
  model_id: z.string(),
  model_name: z.string(),
  provider: z.string(),
  region_id: z.string().nullable(),
  region: z.string().nullable(),
  instance_type_id: z.string().nullable(),
  instance_type: z.string().nullable(),
  spec: DeploymentSpec,
  auto_scaling: AutoScaling.nullable(),
  node_count: z.number(),
  live_nodes: z.number(),
  status: DeploymentStatus,
  status_reason: z.string().nullable(),
  asleep: z.boolean(),
  generation: z.number(),
  strategy: RouteStrategy.nullable(),
  version: z.coerce.number(),
  created_at: z.date(),
  updated_at: z.date(),
})
export type DeploymentRow = z.infer<typeof DeploymentRow>

/** A deployment as the API shows it. */
export function shownDeployment(deployment: DeploymentRow) {
  const {
    spec,
    strategy,
    region_id: _region,
    instance_type_id: _type,
    version: _version,
    generation: _generation,
    ...row
  } = deployment
  return {
    ...row,
    ...spec,
    load_balancing_strategy: strategy ?? DEFAULT_ROUTE.strategy,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  }
}

function noDeployment(id: string): GatewayError {
  return new GatewayError('not_found', { param: 'id', message: `There is no deployment '${id}'.` })
}

/** @throws GatewayError not_found */
export async function findDeployment(db: Queryable, id: string): Promise<DeploymentRow> {
  const row = await rowOf(db, GET, DeploymentRow, [id])
  if (row === null) throw noDeployment(id)
  return row
}

/** The deployment of this id, locked. @throws GatewayError not_found, precondition_failed */
export async function lockDeployment(
  { db, requireVersion }: HandlerContext,
  id: string,
): Promise<DeploymentRow> {
  if ((await rowOf(db, LOCK, z.object({ id: z.string() }), [id])) === null) throw noDeployment(id)
  const row = await theRowOf(db, GET, DeploymentRow, [id])
  requireVersion(row.version)
  return row
}

/** What can be set of a deployment. */
export interface DeploymentSettings {
  readonly regionId: string | null
  readonly instanceTypeId: string | null
  readonly spec: DeploymentSpec
  readonly autoScaling: z.infer<typeof AutoScaling> | null
  readonly nodeCount: number
  readonly status: z.infer<typeof DeploymentStatus>
  /** No nodes are wanted until a request comes. */
  readonly asleep: boolean
  /** Grows when its nodes are to be replaced. */
  readonly generation: number
}

function columns(settings: DeploymentSettings): unknown[] {
  const { regionId, instanceTypeId, spec, autoScaling, nodeCount, status, asleep, generation } = settings
  const scaling = autoScaling === null ? null : JSON.stringify(autoScaling)
  return [regionId, instanceTypeId, JSON.stringify(spec), scaling, nodeCount, status, asleep, generation]
}

/** Inserts a deployment. */
export async function insertDeployment(
  db: Queryable,
  { id, modelId, provider }: { readonly id: string; readonly modelId: string; readonly provider: string },
  settings: DeploymentSettings,
): Promise<void> {
  await db.query(INSERT, [id, modelId, provider, ...columns(settings)])
}

/** Sets what is given, the rest stays. */
export async function updateDeployment(
  db: Queryable,
  before: DeploymentRow,
  change: Partial<DeploymentSettings>,
): Promise<void> {
  const settings = {
    regionId: before.region_id,
    instanceTypeId: before.instance_type_id,
    spec: before.spec,
    autoScaling: before.auto_scaling,
    nodeCount: before.node_count,
    status: before.status,
    asleep: before.asleep,
    generation: before.generation,
    ...change,
  }
  await db.query(UPDATE, [before.id, ...columns(settings)])
}
