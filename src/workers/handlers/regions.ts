import { z } from 'zod'
import {
  createRegion,
  deleteRegion,
  getRegion,
  getRegionAvailability,
  listRegions,
  patchRegion,
  putRegion,
  type RegionChange,
} from '../../core/contract/regions.js'
import { NodeStatus } from '../../core/contract/nodes.js'
import { GatewayError } from '../../core/errors.js'
import { loadQuery } from '../../io/postgres.js'
import { pageOf, rowOf, rowsOf } from '../../io/query.js'
import { loadSortedQuery } from '../../io/sorted-query.js'
import { audit } from '../audit.js'
import { handle, type Handler, type HandlerContext, Versioned } from './handler.js'
import { hourlyPrices, InstanceTypeRow } from './instance-type-rows.js'
import { listing } from './listing.js'
import { insertRegion, RegionRow, removeRegion, requireUnusedRegion, updateRegion } from './region-rows.js'
import { sentOver } from './sent-over.js'

const LIST = loadSortedQuery('regions-list')
const GET = loadQuery('regions-get')
const LOCK = loadQuery('regions-lock')
const INSTANCE_TYPES = loadQuery('instance-types-in-region')
const NODES = loadQuery('regions-nodes')
const DEPLOYMENTS = loadQuery('regions-deployments')

const NodeThere = z.object({
  id: z.string(),
  cluster_name: z.string(),
  model_name: z.string(),
  instance_type: z.string().nullable(),
  status: NodeStatus,
})
const DeploymentThere = z.object({
  id: z.string(),
  model_name: z.string(),
  instance_type: z.string().nullable(),
  target_node_count: z.number(),
  status: z.string(),
})

function shown({ version: _version, ...row }: RegionRow) {
  return { ...row, created_at: row.created_at.toISOString(), updated_at: row.updated_at.toISOString() }
}

function noRegion(id: string): GatewayError {
  return new GatewayError('not_found', { param: 'id', message: `There is no region '${id}'.` })
}

async function lock({ db, requireVersion }: HandlerContext, id: string): Promise<RegionRow> {
  const row = await rowOf(db, LOCK, RegionRow, [id])
  if (row === null) throw noRegion(id)
  requireVersion(row.version)
  return row
}

async function change({ params: { id }, body }: RegionChange, context: HandlerContext) {
  const { db } = context
  const before = await lock(context, id)
  const wanted = sentOver(before, body)
  // Nodes and instance types name it by these.
  if (wanted.provider !== before.provider || wanted.code !== before.code) {
    await requireUnusedRegion(db, before)
  }
  const row = await updateRegion(db, id, wanted)
  const after = shown(row)
  const target = { targetType: 'region', targetId: id }
  await audit(context, { action: 'region.update', ...target, before: shown(before), after })
  return new Versioned(after, row.version)
}

export const regionsHandlers: readonly Handler[] = [
  handle(listRegions, async ({ query }, { db }) => {
    const { provider = null, search = null, limit, offset } = query
    const { rows, total } = await pageOf(db, LIST(query.sort), RegionRow, [provider, search, limit, offset])
    return listing(rows.map(shown), total, query)
  }),

  handle(createRegion, async ({ body }, context) => {
    const row = await insertRegion(context.db, body)
    const after = shown(row)
    const target = { targetType: 'region', targetId: row.id }
    await audit(context, { action: 'region.create', ...target, before: null, after })
    return new Versioned(after, row.version)
  }),

  handle(getRegion, async ({ params }, { db }) => {
    const row = await rowOf(db, GET, RegionRow, [params.id])
    if (row === null) throw noRegion(params.id)
    return new Versioned(shown(row), row.version)
  }),

  handle(putRegion, change),
  handle(patchRegion, change),

  handle(deleteRegion, async ({ params: { id } }, context) => {
    const before = await lock(context, id)
    await removeRegion(context.db, before)
    const target = { targetType: 'region', targetId: id }
    await audit(context, { action: 'region.delete', ...target, before: shown(before), after: null })
    return { id, status: 'deleted' }
  }),

  handle(getRegionAvailability, async ({ params }, { db }) => {
    const region = await rowOf(db, GET, RegionRow, [params.id])
    if (region === null) throw noRegion(params.id)
    const { id, provider, code, price_multiplier } = region
    const types = await rowsOf(db, INSTANCE_TYPES, InstanceTypeRow, [provider, code])
    return {
      region_id: id,
      provider,
      code,
      instance_types: types.map((type) => ({
        id: type.id,
        name: type.name,
        vcpus: type.vcpus,
        memory_gb: type.memory_gb,
        gpu_model: type.gpu_model,
        gpu_count: type.gpu_count,
        gpu_memory_gb: type.gpu_memory_gb,
        ...hourlyPrices(type, price_multiplier),
        price_as_of: type.price_as_of,
      })),
      nodes: await rowsOf(db, NODES, NodeThere, [provider, code]),
      deployments: await rowsOf(db, DEPLOYMENTS, DeploymentThere, [id]),
    }
  }),
]
