import { uuidv7 } from 'uuidv7'
import { z } from 'zod'
import {
  createRegion,
  deleteRegion,
  getRegion,
  listRegions,
  patchRegion,
  putRegion,
  regionAvailability,
  type RegionChange,
} from '../../core/contract/regions.js'
import { GatewayError } from '../../core/errors.js'
import { loadQuery } from '../../io/postgres.js'
import { pageOf, rowOf, rowsOf, theRowOf } from '../../io/query.js'
import { loadSortedQuery } from '../../io/sorted-query.js'
import { audit } from '../audit.js'
import { handle, type Handler, type HandlerContext, Versioned } from './handler.js'
import { requireUnused } from './in-use.js'
import { InstanceTypeRow, instanceTypeShown } from './instance-type-rows.js'
import { listing } from './listing.js'

const LIST = loadSortedQuery('regions-list')
const GET = loadQuery('regions-get')
const LOCK = loadQuery('regions-lock')
const INSERT = loadQuery('regions-insert')
const UPDATE = loadQuery('regions-update')
const DELETE = loadQuery('regions-delete')
const USED_BY = loadQuery('regions-used-by')
const NODES = loadQuery('regions-nodes')
const DEPLOYMENTS = loadQuery('regions-deployments')
const INSTANCE_TYPES = loadQuery('instance-types-of-provider')

export const RegionRow = z.object({
  id: z.string(),
  provider: z.string(),
  code: z.string(),
  name: z.string(),
  price_multiplier: z.number(),
  version: z.coerce.number(),
  created_at: z.date(),
  updated_at: z.date(),
})
type RegionRow = z.infer<typeof RegionRow>

const RunningNode = z.object({ cluster_name: z.string(), model_name: z.string(), status: z.string() })
const RunningDeployment = z.object({ id: z.string(), model_name: z.string(), status: z.string() })

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
  const { provider = before.provider, code = before.code, name = before.name } = body
  if (provider !== before.provider || code !== before.code) await requireUnused(db, USED_BY, 'region', id)
  await db.query(UPDATE, [id, provider, code, name, body.price_multiplier ?? before.price_multiplier])
  const row = await theRowOf(db, GET, RegionRow, [id])
  const change = { before: shown(before), after: shown(row) }
  await audit(context, { action: 'region.update', targetType: 'region', targetId: id, ...change })
  return new Versioned(shown(row), row.version)
}

export const regionsHandlers: readonly Handler[] = [
  handle(listRegions, async ({ query }, { db }) => {
    const filters = [query.provider ?? null, query.search ?? null, query.limit, query.offset]
    const { rows, total } = await pageOf(db, LIST(query.sort), RegionRow, filters)
    return listing(rows.map(shown), total, query)
  }),

  handle(createRegion, async ({ body }, context) => {
    const { db } = context
    const id = uuidv7()
    await db.query(INSERT, [id, body.provider, body.code, body.name, body.price_multiplier])
    const row = await theRowOf(db, GET, RegionRow, [id])
    const after = shown(row)
    await audit(context, { action: 'region.create', targetType: 'region', targetId: id, before: null, after })
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
    const { db } = context
    const before = shown(await lock(context, id))
    await requireUnused(db, USED_BY, 'region', id)
    await db.query(DELETE, [id])
    await audit(context, { action: 'region.delete', targetType: 'region', targetId: id, before, after: null })
    return { id, status: 'deleted' }
  }),

  handle(regionAvailability, async ({ params }, { db }) => {
    const row = await rowOf(db, GET, RegionRow, [params.id])
    if (row === null) throw noRegion(params.id)
    const types = await rowsOf(db, INSTANCE_TYPES, InstanceTypeRow, [row.provider])
    return {
      region: shown(row),
      instance_types: types.map((type) => instanceTypeShown(type, row.price_multiplier)),
      nodes: await rowsOf(db, NODES, RunningNode, [row.id]),
      deployments: await rowsOf(db, DEPLOYMENTS, RunningDeployment, [row.id]),
    }
  }),
]
