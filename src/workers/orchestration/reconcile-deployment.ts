import { z } from 'zod'
import { DeploymentStatus } from '../../core/contract/deployments.js'
import { GatewayError } from '../../core/errors.js'
import { Market } from '../../core/machine.js'
import { NODE_STATUSES } from '../../core/node-status.js'
import {
  deploymentPlan,
  type DeploymentNode,
  type DeploymentPlan,
  type DeploymentView,
} from '../../core/orchestration/deployment-plan.js'
import {
  FORGOTTEN_AFTER_MS,
  isGivenUp,
  launchFailed,
  readRetry,
  type Retry,
} from '../../core/orchestration/retry.js'
import { readSpotShortage } from '../../core/scaling/spot.js'
import { loadQuery } from '../../io/postgres.js'
import { type Queryable, rowOf, rowsOf } from '../../io/query.js'
import type { Launching } from '../launchers/launching.js'
import { requireEngine } from '../handlers/engine-args.js'
import { DeploymentSpec } from './deployment-spec.js'
import { rememberFailure } from './launch-memory.js'
import { SICK_AFTER_MS } from './sick.js'
import { giveUp, type LeavingNode } from './give-up.js'
import { placeMachine } from './placement.js'
import { planNode } from './plan-node.js'

const DEPLOYMENT = loadQuery('deployments-reconcile')
const NODES = loadQuery('deployments-nodes')
const STATE = loadQuery('deployments-state')
const RETRY = loadQuery('deployments-retry')

const DeploymentRow = z.object({
  id: z.string(),
  model_id: z.string(),
  provider: z.string(),
  region: z.string().nullable(),
  instance_type: z.string().nullable(),
  spec: DeploymentSpec,
  wanted: z.number(),
  status: DeploymentStatus,
  asleep: z.boolean(),
  generation: z.number(),
  status_reason: z.string().nullable(),
  retry: z.unknown(),
  shortage: z.unknown(),
})
type DeploymentRow = z.infer<typeof DeploymentRow>

const NodeRow = z.object({
  id: z.string(),
  status: z.enum(NODE_STATUSES),
  has_address: z.boolean(),
  market: Market,
  generation: z.number(),
  is_warned: z.boolean(),
  status_changed_at: z.date(),
  created_at: z.date(),
})
type NodeRow = z.infer<typeof NodeRow>

/** What is known of a node by looking at it; see `docs/health.md`. */
export interface SeenNode {
  readonly isUnhealthy: boolean
  /** Its health check has failed for so long that it is to be replaced. */
  readonly isSick: boolean
  /** Unix milliseconds since when its health check fails; null: it does not, or nobody knows. */
  readonly unhealthySinceMs: number | null
  /** Requests that run on it. */
  readonly streams: number
}

export interface ReconcileOptions {
  readonly launching: Launching
  /** Null: nothing is known of the node. */
  readonly seen: (nodeId: string) => SeenNode | null
  /** For the nodes' logs. */
  readonly who: string
  /** Requests that run on nodes which go are not waited for. */
  readonly immediate: boolean
  /** Unix milliseconds. */
  readonly now: number
}

/**
 * Does for a deployment what it needs next, in the caller's transaction: plans nodes that are missing, lets those go that are
 * too many, and says in which state it is. It may be called at any time, by anybody, as often as they like.
 * @returns whether anything was planned or let go of
 */
export async function reconcileDeployment(
  db: Queryable,
  deploymentId: string,
  options: ReconcileOptions,
): Promise<boolean> {
  const row = await rowOf(db, DEPLOYMENT, DeploymentRow, [deploymentId])
  if (row === null) return false
  const nodes = await rowsOf(db, NODES, NodeRow, [deploymentId])
  const plan = deploymentPlan(viewOf(row, nodes, options))
  const { who, immediate } = options
  for (const [why, ids] of byReason(plan)) {
    const going = nodes.filter(({ id }) => ids.has(id)).map(leavingNode)
    await giveUp(db, going, { who, why, immediate })
  }
  await rememberSick(db, row, nodes, plan, options)
  if (immediate) {
    // Those that were let go before are not waited for any more either.
    const going = nodes.filter(({ status }) => status === 'terminating').map(leavingNode)
    await giveUp(db, going, { who, why: `its deployment is scaled to ${row.wanted}`, immediate })
  }
  const refusal = await launch(db, row, plan, options)
  const reason = refusal ?? plan.reason
  const retry = readRetry(row.retry)
  if (retry !== null && isForgotten(retry, plan, row, options.now)) await db.query(RETRY, [row.id, null])
  await db.query(STATE, [row.id, plan.status, reason])
  return plan.giveUp.length > 0 || (plan.launch.length > 0 && refusal === null)
}

/** Whether launches that failed say nothing any more: nodes have been enough for long, or none is wanted. */
function isForgotten(
  retry: Retry,
  { status }: DeploymentPlan,
  { wanted }: DeploymentRow,
  now: number,
): boolean {
  if (wanted === 0) return !isGivenUp(retry)
  return status === 'active' && now - retry.failedAtMs >= FORGOTTEN_AFTER_MS
}

/** A node that fell ill right after it began to serve counts as a launch that failed: else it would be replaced for ever. */
async function rememberSick(
  db: Queryable,
  row: DeploymentRow,
  nodes: readonly NodeRow[],
  { giveUp: going }: DeploymentPlan,
  { seen, now }: ReconcileOptions,
): Promise<void> {
  for (const node of nodes.filter(({ id }) => going.some((one) => one.id === id))) {
    const { isSick = false, unhealthySinceMs = null } = seen(node.id) ?? {}
    if (!isSick || unhealthySinceMs === null) continue
    if (unhealthySinceMs - node.status_changed_at.getTime() >= SICK_AFTER_MS) continue
    const launch = {
      deploymentId: row.id,
      market: node.market,
      plannedAtMs: node.created_at.getTime(),
      nowMs: now,
    }
    const reason = 'its health check failed soon after it began to serve'
    await rememberFailure(db, launch, { kind: 'failed', reason, lost: true })
  }
}

function leavingNode({ id, status, has_address: hasAddress }: NodeRow): LeavingNode {
  return { id, status, hasAddress }
}

function viewOf(row: DeploymentRow, nodes: readonly NodeRow[], options: ReconcileOptions): DeploymentView {
  const { fallback_on_demand_after_seconds: fallback, use_spot: useSpot } = row.spec
  return {
    nowMs: options.now,
    status: row.status,
    wanted: row.wanted,
    isAsleep: row.asleep,
    generation: row.generation,
    useSpot,
    fallbackOnDemandAfterMs: fallback === null ? null : fallback * 1_000,
    nodes: nodes.map((node): DeploymentNode => {
      const seen = options.seen(node.id)
      return {
        id: node.id,
        status: node.status,
        market: node.market,
        generation: node.generation,
        isWarned: node.is_warned,
        isSick: seen?.isSick ?? false,
        isUnhealthy: seen?.isUnhealthy ?? false,
        streams: seen?.streams ?? 0,
        plannedAtMs: node.created_at.getTime(),
      }
    }),
    retry: readRetry(row.retry),
    shortage: readSpotShortage(row.shortage),
  }
}

function byReason({ giveUp }: DeploymentPlan): Map<string, Set<string>> {
  const reasons = new Map<string, Set<string>>()
  for (const { id, why } of giveUp) reasons.set(why, (reasons.get(why) ?? new Set()).add(id))
  return reasons
}

/** @returns why nothing could be planned; null: nothing was in the way */
async function launch(
  db: Queryable,
  row: DeploymentRow,
  plan: DeploymentPlan,
  { launching, who, now }: ReconcileOptions,
): Promise<string | null> {
  if (plan.launch.length === 0) return null
  const launcher = launching.launcherFor(row.provider)
  if (launcher === null) return `no launcher is configured for the provider '${row.provider}'`
  const { provider, region, instance_type, spec } = row
  const wanted = { provider, region, instance_type, ...spec }
  for (const market of plan.launch) {
    try {
      const placement = await placeMachine(db, row.model_id, wanted, market)
      await planNode(db, {
        modelId: row.model_id,
        deploymentId: row.id,
        generation: row.generation,
        api: requireEngine(launching, spec).api,
        launcher,
        placement,
        who,
        why: `its deployment needs it: ${plan.launchReason}`,
      })
    } catch (error) {
      // The catalogue has changed since the deployment was made.
      if (!(error instanceof GatewayError)) throw error
      const failure = { kind: 'refused', reason: error.message } as const
      const times = { launchedAtMs: now, failedAtMs: now, nowMs: now }
      const retry = launchFailed(readRetry(row.retry), failure, times, Math.random)
      await db.query(RETRY, [row.id, JSON.stringify(retry)])
      return error.message
    }
  }
  return null
}
