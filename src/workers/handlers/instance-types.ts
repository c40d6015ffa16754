import {
  createInstanceType,
  deleteInstanceType,
  getInstanceType,
  getInstanceTypePricing,
  type InstanceTypeChange,
  listInstanceTypes,
  patchInstanceType,
  putInstanceType,
} from '../../core/contract/instance-types.js'
import { GatewayError } from '../../core/errors.js'
import { microsOfDollars } from '../../core/money.js'
import { loadQuery } from '../../io/postgres.js'
import { pageOf, rowOf, rowsOf } from '../../io/query.js'
import { loadSortedQuery } from '../../io/sorted-query.js'
import { audit } from '../audit.js'
import { handle, type Handler, type HandlerContext, Versioned } from './handler.js'
import {
  hourlyPrices,
  InstanceTypeRow,
  insertInstanceType,
  removeInstanceType,
  requireUnusedInstanceType,
  shownInstanceType as shown,
  updateInstanceType,
} from './instance-type-rows.js'
import { listing } from './listing.js'
import { RegionRow } from './region-rows.js'
import { sentOver } from './sent-over.js'

const LIST = loadSortedQuery('instance-types-list')
const GET = loadQuery('instance-types-get')
const LOCK = loadQuery('instance-types-lock')
const REGIONS = loadQuery('regions-by-provider')

function noInstanceType(id: string): GatewayError {
  return new GatewayError('not_found', { param: 'id', message: `There is no instance type '${id}'.` })
}

async function lock({ db, requireVersion }: HandlerContext, id: string): Promise<InstanceTypeRow> {
  const row = await rowOf(db, LOCK, InstanceTypeRow, [id])
  if (row === null) throw noInstanceType(id)
  requireVersion(row.version)
  return row
}

async function change({ params: { id }, body }: InstanceTypeChange, context: HandlerContext) {
  const { db } = context
  const stored = await lock(context, id)
  const before = shown(stored)
  const wanted = sentOver(before, body)
  if (wanted.provider !== before.provider || wanted.name !== before.name) {
    await requireUnusedInstanceType(db, stored)
  }
  const row = await updateInstanceType(db, id, wanted)
  const after = shown(row)
  const target = { targetType: 'instance_type', targetId: id }
  await audit(context, { action: 'instance_type.update', ...target, before, after })
  return new Versioned(after, row.version)
}

export const instanceTypesHandlers: readonly Handler[] = [
  handle(listInstanceTypes, async ({ query }, { db }) => {
    const { max_price_per_hour: highest } = query
    const { rows, total } = await pageOf(db, LIST(query.sort), InstanceTypeRow, [
      query.provider ?? null,
      query.gpu_model ?? null,
      query.min_gpu_count ?? null,
      query.min_gpu_memory ?? null,
      query.min_vcpus ?? null,
      query.min_memory ?? null,
      highest === undefined ? null : microsOfDollars(highest),
      query.region ?? null,
      query.search ?? null,
      query.limit,
      query.offset,
    ])
    return listing(rows.map(shown), total, query)
  }),

  handle(createInstanceType, async ({ body }, context) => {
    const row = await insertInstanceType(context.db, body)
    const after = shown(row)
    const target = { targetType: 'instance_type', targetId: row.id }
    await audit(context, { action: 'instance_type.create', ...target, before: null, after })
    return new Versioned(after, row.version)
  }),

  handle(getInstanceType, async ({ params }, { db }) => {
    const row = await rowOf(db, GET, InstanceTypeRow, [params.id])
    if (row === null) throw noInstanceType(params.id)
    return new Versioned(shown(row), row.version)
  }),

  handle(putInstanceType, change),
  handle(patchInstanceType, change),

  handle(deleteInstanceType, async ({ params: { id } }, context) => {
    const before = await lock(context, id)
    await removeInstanceType(context.db, before)
    const target = { targetType: 'instance_type', targetId: id }
    await audit(context, {
      action: 'instance_type.delete',
      ...target,
      before: shown(before),
      after: null,
    })
    return { id, status: 'deleted' }
  }),

  handle(getInstanceTypePricing, async ({ params }, { db }) => {
    const type = await rowOf(db, GET, InstanceTypeRow, [params.id])
    if (type === null) throw noInstanceType(params.id)
    const regions = await rowsOf(db, REGIONS, RegionRow, [type.provider])
    const offering = regions.filter(({ code }) => type.regions?.includes(code) ?? true)
    return {
      instance_type_id: type.id,
      provider: type.provider,
      name: type.name,
      price_as_of: type.price_as_of,
      data: offering.map(({ id, code, name, price_multiplier }) => ({
        region_id: id,
        region: code,
        region_name: name,
        price_multiplier,
        ...hourlyPrices(type, price_multiplier),
      })),
    }
  }),
]
