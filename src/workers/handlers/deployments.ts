import { isDeepStrictEqual } from 'node:util'
import { uuidv7 } from 'uuidv7'
import { z } from 'zod'
import {
  createDeployment,
  deleteDeployment,
  getDeployment,
  listDeployments,
  patchDeployment,
  scaleDeployment,
} from '../../core/contract/deployments.js'
import type { DeploymentStatus } from '../../core/deployment-state.js'
import { GatewayError } from '../../core/errors.js'
import { loadQuery } from '../../io/postgres.js'
import { pageOf, type Queryable, rowOf } from '../../io/query.js'
import { loadSortedQuery } from '../../io/sorted-query.js'
import { actorName, audit } from '../audit.js'
import { DeploymentSpec } from '../orchestration/deployment-spec.js'
import { reconcileDeployment } from '../orchestration/reconcile-deployment.js'
import { seenNode } from '../orchestration/seen-node.js'
import {
  DeploymentRow,
  type DeploymentSettings,
  findDeployment,
  insertDeployment,
  lockDeployment,
  shownDeployment,
  updateDeployment,
} from './deployment-rows.js'
import { requireEngine } from './engine-args.js'
import { handle, type Handler, type HandlerContext, Versioned } from './handler.js'
import { requireLauncher, requirePlace } from './launch-place.js'
import { listing } from './listing.js'
import { costsOfDeployments } from './node-costs.js'
import { lately } from './node-rows.js'
import { lockRoute, setStrategy } from './routes.js'
import { sentOver } from './sent-over.js'

const LIST = loadSortedQuery('deployments-list')
const BY_NAMES = loadQuery('models-by-names')

function versioned(row: DeploymentRow) {
  return new Versioned(shownDeployment(row), row.version)
}

/** The model's route, locked, so that the model stays. @throws GatewayError not_found */
async function lockModelRoute(db: Queryable, name: string) {
  const model = await rowOf(db, BY_NAMES, z.object({ model_id: z.string() }), [[name]])
  const route = model === null ? null : await lockRoute(db, model.model_id)
  if (route !== null) return route
  throw new GatewayError('not_found', { param: 'model_name', message: `There is no model '${name}'.` })
}

function placeNames({ provider, region, instance_type }: DeploymentRow) {
  return { provider, region, instance_type }
}

/** @throws GatewayError invalid_state for a deployment that ends, or has */
function requireOpen({ status }: DeploymentRow): void {
  if (status !== 'draining' && status !== 'terminated') return
  throw new GatewayError('invalid_state', { message: `The deployment is ${status}.` })
}

/** @throws GatewayError invalid_parameter when automatic scaling would not keep so many */
function requireWithin(
  param: string,
  count: number,
  scaling: z.output<typeof createDeployment.body>['auto_scaling'],
): void {
  if (count === 0 || scaling?.enabled !== true) return
  if (count >= scaling.min_nodes && count <= scaling.max_nodes) return
  throw new GatewayError('invalid_parameter', {
    param,
    message: `Invalid '${param}': automatic scaling keeps ${scaling.min_nodes} to ${scaling.max_nodes} nodes; 0 pauses.`,
  })
}

/** Whether no nodes are wanted until a request comes, and not for good. */
function sleepsAt(count: number, scaling: DeploymentRow['auto_scaling']): boolean {
  return count === 0 && scaling?.enabled === true && scaling.min_nodes === 0
}

/** Does at once what the leader would do in a moment. @throws GatewayError launcher_not_configured */
async function reconcile(context: HandlerContext, id: string, immediate: boolean): Promise<void> {
  const seen = await lately(context)
  await reconcileDeployment(context.db, id, {
    launching: {
      ...context.launching,
      launcherFor: (provider) => requireLauncher(context.launching, provider),
    },
    seen: (nodeId) => seenNode(seen.get(nodeId), null, context.now.getTime()),
    who: actorName(context.actor),
    immediate,
    now: context.now.getTime(),
  })
}

interface Change {
  readonly action: string
  readonly set: Partial<DeploymentSettings>
  /** Requests that run on nodes which go are not waited for. */
  readonly immediate?: boolean
}

/** Sets what is given of a deployment, begins what follows from it, and writes it into the audit log. */
async function changeTo(
  context: HandlerContext,
  before: DeploymentRow,
  { action, set, immediate = false }: Change,
): Promise<DeploymentRow> {
  await updateDeployment(context.db, before, set)
  await reconcile(context, before.id, immediate)
  const after = await findDeployment(context.db, before.id)
  await audit(context, {
    action,
    targetType: 'deployment',
    targetId: after.id,
    before: shownDeployment(before),
    after: shownDeployment(after),
  })
  return after
}

/** A change makes good whatever it was that failed. */
function begunAnew({ status }: DeploymentRow): DeploymentStatus {
  return status === 'failed' ? 'scaling' : status
}

/** Whether nodes of one are as those of the other: if not, they are replaced. */
function runsTheSame(
  before: DeploymentRow,
  after: Pick<DeploymentSettings, 'regionId' | 'instanceTypeId' | 'spec'>,
): boolean {
  const { fallback_on_demand_after_seconds: _before, ...was } = before.spec
  const { fallback_on_demand_after_seconds: _after, ...is } = after.spec
  const place = [before.region_id, before.instance_type_id]
  return isDeepStrictEqual([...place, was], [after.regionId, after.instanceTypeId, is])
}

export const deploymentsHandlers: readonly Handler[] = [
  handle(listDeployments, async ({ query }, context) => {
    const { rows, total } = await pageOf(context.db, LIST(query.sort), DeploymentRow, [
      query.model ?? null,
      query.provider ?? null,
      query.status ?? null,
      query.search ?? null,
      query.limit,
      query.offset,
    ])
    const costOf = await costsOfDeployments(
      context,
      rows.map(({ id }) => id),
    )
    return listing(
      rows.map((row) => ({ ...shownDeployment(row), cost: costOf(row.id) })),
      total,
      query,
    )
  }),

  handle(createDeployment, async ({ body }, context) => {
    const { model_name, node_count, region, instance_type, auto_scaling, ...rest } = body
    const { provider, load_balancing_strategy: strategy, ...spec } = rest
    const { db } = context
    requireWithin('node_count', node_count, auto_scaling)
    const route = await lockModelRoute(db, model_name)
    const place = await requirePlace(db, route.id, { provider, region, instance_type, ...spec })
    requireEngine(context.launching, spec)
    if (strategy !== undefined) await setStrategy(db, route, strategy)
    const id = uuidv7()
    const asleep = sleepsAt(node_count, auto_scaling)
    const status = node_count > 0 ? 'launching' : asleep ? 'active' : 'paused'
    const settings = { ...place, spec, autoScaling: auto_scaling, nodeCount: node_count, status } as const
    if (node_count > 0 || asleep) requireLauncher(context.launching, provider)
    await insertDeployment(db, { id, modelId: route.id, provider }, { ...settings, asleep, generation: 1 })
    await reconcile(context, id, false)
    const row = await findDeployment(db, id)
    const after = shownDeployment(row)
    const target = { targetType: 'deployment', targetId: id }
    await audit(context, { action: 'deployment.create', ...target, before: null, after })
    return versioned(row)
  }),

  handle(getDeployment, async ({ params: { id } }, context) => {
    const row = await findDeployment(context.db, id)
    const costOf = await costsOfDeployments(context, [id])
    return new Versioned({ ...shownDeployment(row), cost: costOf(id) }, row.version)
  }),

  handle(patchDeployment, async ({ params: { id }, body }, context) => {
    const { db } = context
    const before = await lockDeployment(context, id)
    requireOpen(before)
    const { region, instance_type, auto_scaling, load_balancing_strategy: strategy, ...spec } = body
    const { gpu_type, engine, engine_args, use_spot } = spec
    const sent = { region, instance_type, gpu_type, engine, use_spot }
    const moves = Object.values(sent).some((value) => value !== undefined)
    // What is not touched stays, also where a machine of now would not be placed so, or not with this engine, any more.
    const place = moves
      ? await requirePlace(db, before.model_id, sentOver({ ...before.spec, ...placeNames(before) }, sent))
      : { regionId: before.region_id, instanceTypeId: before.instance_type_id }
    if (engine !== undefined || engine_args !== undefined) {
      const was = { engine: before.spec.engine, engine_args: before.spec.engine_args }
      requireEngine(context.launching, sentOver(was, { engine, engine_args }))
    }
    if (strategy !== undefined) {
      const route = await lockRoute(db, before.model_id)
      if (route !== null) await setStrategy(db, route, strategy)
    }
    const set = {
      ...place,
      spec: DeploymentSpec.parse({ ...before.spec, ...spec }),
      autoScaling: auto_scaling === undefined ? before.auto_scaling : auto_scaling,
    }
    // One that sleeps does not when it has to keep some: nothing else would bring them.
    const least = set.autoScaling?.enabled === true ? set.autoScaling.min_nodes : 0
    const nodeCount = before.asleep ? Math.max(before.node_count, least) : before.node_count
    const after = await changeTo(context, before, {
      action: 'deployment.update',
      set: {
        ...set,
        nodeCount,
        asleep: before.asleep && sleepsAt(nodeCount, set.autoScaling),
        generation: before.generation + (runsTheSame(before, set) ? 0 : 1),
        status: begunAnew(before),
      },
    })
    return versioned(after)
  }),

  handle(scaleDeployment, async ({ params: { id }, body }, context) => {
    const before = await lockDeployment(context, id)
    requireOpen(before)
    const wanted = body.target_node_count
    requireWithin('target_node_count', wanted, before.auto_scaling)
    const after = await changeTo(context, before, {
      action: 'deployment.scale',
      set: { nodeCount: wanted, asleep: sleepsAt(wanted, before.auto_scaling), status: begunAnew(before) },
      immediate: body.strategy === 'immediate',
    })
    return versioned(after)
  }),

  handle(deleteDeployment, async ({ params: { id } }, context) => {
    const before = await lockDeployment(context, id)
    if (before.status === 'draining' || before.status === 'terminated') return { id, status: before.status }
    const { status } = await changeTo(context, before, {
      action: 'deployment.delete',
      set: { status: 'draining', asleep: false },
    })
    return { id, status }
  }),
]
