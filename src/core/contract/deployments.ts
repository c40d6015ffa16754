import { z } from 'zod'
import { DEPLOYMENT_STATUSES } from '../deployment-state.js'
import { Cost } from './cost.js'
import { endpoint } from './endpoint.js'
import {
  changesOf,
  Deleted,
  listOf,
  ModelName,
  ModelShown,
  page,
  sortedBy,
  text,
  Timestamp,
  Uuid,
} from './fields.js'
import { LaunchedEngine, machine, machineWanted } from './machine.js'
import { RouteStrategy } from './routes.js'

export const DeploymentStatus = z.enum(DEPLOYMENT_STATUSES)

const MOST_NODES = 1000

/** How many nodes a deployment has at which load. It acts on one that is not paused. */
export const AutoScaling = z.object({
  enabled: z.boolean(),
  min_nodes: z.number().int(),
  max_nodes: z.number().int(),
  target_concurrency: z.number().nullable().meta({ description: 'Running requests for each node.' }),
  target_ttft_ms: z.number().int().nullable(),
})

const AutoScalingInput = z
  .strictObject({
    enabled: z.boolean(),
    min_nodes: z.number().int().min(0).max(MOST_NODES).default(1),
    max_nodes: z.number().int().min(1).max(MOST_NODES),
    target_concurrency: z
      .number()
      .min(1)
      .max(1_000_000)
      .nullable()
      .default(null)
      .meta({ description: 'Running requests for each node.' }),
    target_ttft_ms: z.number().int().min(1).max(3_600_000).nullable().default(null),
  })
  .refine(({ min_nodes, max_nodes }) => min_nodes <= max_nodes, {
    path: ['max_nodes'],
    message: 'it must not be less than min_nodes, which is 1 unless sent',
  })
  .nullable()
  .meta({
    description:
      'A deployment that is not paused has min_nodes to max_nodes nodes then; null: as many as are set.',
  })

export const Deployment = z
  .object({
    id: Uuid,
    model_id: Uuid,
    model_name: ModelShown,
    provider: z.string().meta({ examples: ['aws'] }),
    region: z
      .string()
      .nullable()
      .meta({ examples: ['us-east-1'] }),
    instance_type: z
      .string()
      .nullable()
      .meta({ examples: ['p5.48xlarge'] }),
    gpu_type: z
      .string()
      .nullable()
      .meta({ examples: ['H100'] }),
    engine: LaunchedEngine,
    engine_args: z.array(z.string()),
    use_spot: z.boolean(),
    fallback_on_demand_after_seconds: z.number().int().nullable(),
    disk_size_gb: z.number().int().nullable(),
    load_balancing_strategy: RouteStrategy.meta({ description: "Of the model's route." }),
    auto_scaling: AutoScaling.nullable(),
    node_count: z.number().int().meta({ description: 'Nodes that are wanted.' }),
    live_nodes: z.number().int().meta({ description: 'Nodes that are not terminated.' }),
    status: DeploymentStatus.meta({
      description:
        'paused: no nodes are wanted; failed: launches failed, and no more are tried until it is changed or scaled.',
    }),
    status_reason: z
      .string()
      .nullable()
      .meta({ description: 'What is in the way, or was.', examples: [null] }),
    asleep: z.boolean().meta({
      description: 'No nodes are wanted until a request for the model comes, which waits and wakes it.',
    }),
    created_at: Timestamp,
    updated_at: Timestamp,
  })
  .meta({ id: 'Deployment' })

const DeploymentWithCost = Deployment.extend({
  cost: Cost.meta({ description: 'Of its nodes, those that are gone as well.' }),
}).meta({ id: 'DeploymentWithCost' })

const nodeCount = z.number().int().min(0).max(MOST_NODES)
const fallback = z
  .number()
  .int()
  .min(0)
  .max(86_400)
  .nullable()
  .meta({ description: 'With use_spot: wait this long for a spot machine; null: for ever.' })
const strategy = RouteStrategy.meta({ description: "Sets the strategy of the model's route." })

const tag = 'Deployments'
const params = z.strictObject({ id: Uuid })

export const listDeployments = endpoint({
  id: 'deployments.list',
  method: 'GET',
  path: '/admin/deployments',
  auth: 'admin',
  tag,
  summary: 'Lists deployments, newest first unless sorted',
  query: z.strictObject({
    ...page,
    ...sortedBy('created_at', 'model_name', 'provider', 'status', 'node_count', 'updated_at'),
    model: ModelName.optional().meta({ description: 'Name or alias of a model.' }),
    provider: text(100).optional(),
    status: DeploymentStatus.optional(),
    search: text(200)
      .optional()
      .meta({ description: 'Part of its model, provider, region or instance type, in any case.' }),
  }),
  reply: { 200: listOf(DeploymentWithCost) },
  errors: [],
})

export const createDeployment = endpoint({
  id: 'deployments.create',
  method: 'POST',
  path: '/admin/deployments',
  auth: 'admin',
  scope: 'operate',
  tag,
  versioned: true,
  summary: 'Keeps a number of nodes of a model; the work goes on in the background',
  body: z.strictObject({
    model_name: ModelName.meta({ description: 'Name or alias of a model.' }),
    node_count: nodeCount.default(1).meta({
      description: 'Nodes that are wanted; 0: paused, or asleep where automatic scaling has min_nodes 0.',
    }),
    ...machineWanted,
    fallback_on_demand_after_seconds: fallback.default(null),
    load_balancing_strategy: strategy.optional(),
    auto_scaling: AutoScalingInput.default(null),
  }),
  reply: { 202: Deployment },
  errors: ['launcher_not_configured', 'not_found'],
})

export const getDeployment = endpoint({
  id: 'deployments.get',
  method: 'GET',
  path: '/admin/deployments/{id}',
  auth: 'admin',
  tag,
  versioned: true,
  summary: 'Shows a deployment',
  params,
  reply: { 200: DeploymentWithCost },
  errors: ['not_found'],
})

export const patchDeployment = endpoint({
  id: 'deployments.patch',
  method: 'PATCH',
  path: '/admin/deployments/{id}',
  auth: 'admin',
  scope: 'operate',
  tag,
  versioned: true,
  summary:
    'Sets the fields that are sent; nodes of other machines or engines than before are replaced one by one',
  params,
  body: changesOf({
    region: machine.region,
    instance_type: machine.instance_type,
    gpu_type: machine.gpu_type,
    engine: machine.engine,
    engine_args: machine.engine_args,
    use_spot: machine.use_spot,
    disk_size_gb: machine.disk_size_gb,
    fallback_on_demand_after_seconds: fallback,
    load_balancing_strategy: strategy,
    auto_scaling: AutoScalingInput,
  }),
  reply: { 200: Deployment },
  errors: ['invalid_state', 'not_found'],
})

export const scaleDeployment = endpoint({
  id: 'deployments.scale',
  method: 'PUT',
  path: '/admin/deployments/{id}/scale',
  auth: 'admin',
  scope: 'operate',
  tag,
  versioned: true,
  summary: 'Sets how many nodes are wanted; those that are too many go, the newest first',
  params,
  body: z.strictObject({
    target_node_count: nodeCount,
    strategy: z
      .enum(['gradual', 'immediate'])
      .default('gradual')
      .meta({ description: 'gradual: running requests finish; immediate: they are not waited for.' }),
  }),
  reply: { 202: Deployment },
  errors: ['invalid_state', 'launcher_not_configured', 'not_found'],
})

export const deleteDeployment = endpoint({
  id: 'deployments.delete',
  method: 'DELETE',
  path: '/admin/deployments/{id}',
  auth: 'admin',
  scope: 'operate',
  tag,
  versioned: true,
  summary: 'Drains its nodes and ends with the last one; repeatable',
  params,
  reply: { 200: Deleted },
  errors: ['not_found'],
})

export const deploymentsEndpoints = [
  listDeployments,
  createDeployment,
  getDeployment,
  patchDeployment,
  scaleDeployment,
  deleteDeployment,
]
