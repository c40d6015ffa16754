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
import { changed, type DeploymentChange, type DeploymentStatus } from '../../core/deployment-state.js'
import { GatewayError } from '../../core/errors.js'
import { loadQuery } from '../../io/postgres.js'
import { pageOf, type Queryable, rowOf } from '../../io/query.js'
import { loadSortedQuery } from '../../io/sorted-query.js'
import { audit } from '../audit.js'
import { keepAtMost } from './deployment-nodes.js'
import {
  DeploymentRow,
  type DeploymentSettings,
  DeploymentSpec,
  findDeployment,
  insertDeployment,
  lockDeployment,
  shownDeployment,
  updateDeployment,
} from './deployment-rows.js'
import { handle, type Handler, type HandlerContext, Versioned } from './handler.js'
import { requireLauncher, requirePlace } from './launch-place.js'
import { listing } from './listing.js'
import { costsOfDeployments } from './node-costs.js'
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

/** @throws GatewayError invalid_state */
function stateAfter({ status }: DeploymentRow, change: DeploymentChange): DeploymentStatus {
  const after = changed(status, change)
  if (after !== null) return after
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

/** Sets what is given of a deployment, and writes it into the audit log. */
async function changeTo(
  context: HandlerContext,
  action: string,
  before: DeploymentRow,
  change: Partial<DeploymentSettings>,
): Promise<DeploymentRow> {
  const after = await updateDeployment(context.db, before, change)
  await audit(context, {
    action,
    targetType: 'deployment',
    targetId: after.id,
    before: shownDeployment(before),
    after: shownDeployment(after),
  })
  return after
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
    if (strategy !== undefined) await setStrategy(db, route, strategy)
    const id = uuidv7()
    const status = node_count === 0 ? 'paused' : 'launching'
    const settings = { ...place, spec, autoScaling: auto_scaling, nodeCount: node_count, status } as const
    if (node_count > 0) requireLauncher(context.launching, provider)
    const row = await insertDeployment(db, { id, modelId: route.id, provider }, settings)
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
    const status = stateAfter(before, { kind: 'configure' })
    const { region, instance_type, auto_scaling, load_balancing_strategy: strategy, ...spec } = body
    const { gpu_type, engine, use_spot } = spec
    const sent = { region, instance_type, gpu_type, engine, use_spot }
    const moves = Object.values(sent).some((value) => value !== undefined)
    // What is not touched stays, also where a machine of now would not be placed so any more.
    const place = moves
      ? await requirePlace(db, before.model_id, sentOver({ ...before.spec, ...placeNames(before) }, sent))
      : {}
    if (strategy !== undefined) {
      const route = await lockRoute(db, before.model_id)
      if (route !== null) await setStrategy(db, route, strategy)
    }
    const after = await changeTo(context, 'deployment.update', before, {
      ...place,
      spec: DeploymentSpec.parse({ ...before.spec, ...spec }),
      autoScaling: auto_scaling === undefined ? before.auto_scaling : auto_scaling,
      status,
    })
    return versioned(after)
  }),

  handle(scaleDeployment, async ({ params: { id }, body }, context) => {
    const before = await lockDeployment(context, id)
    stateAfter(before, { kind: 'configure' })
    const wanted = body.target_node_count
    requireWithin('target_node_count', wanted, before.auto_scaling)
    const { staying, leaving } = await keepAtMost(context, {
      deploymentId: id,
      wanted,
      why: `its deployment is scaled to ${wanted}`,
      immediate: body.strategy === 'immediate',
    })
    if (staying < wanted) requireLauncher(context.launching, before.provider)
    const status = stateAfter(before, { kind: 'scale', wanted, staying, leaving })
    return versioned(await changeTo(context, 'deployment.scale', before, { nodeCount: wanted, status }))
  }),

  handle(deleteDeployment, async ({ params: { id } }, context) => {
    const before = await lockDeployment(context, id)
    const why = 'its deployment is deleted'
    const { leaving } = await keepAtMost(context, { deploymentId: id, wanted: 0, why, immediate: false })
    const status = stateAfter(before, { kind: 'delete', left: leaving })
    if (status !== before.status)
      await changeTo(context, 'deployment.delete', before, { nodeCount: 0, status })
    return { id, status }
  }),
]
