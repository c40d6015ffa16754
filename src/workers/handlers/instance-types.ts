import { uuidv7 } from 'uuidv7'
import {
  createInstanceType,
  deleteInstanceType,
  getInstanceType,
  type InstanceTypeChange,
  instanceTypePricing,
  listInstanceTypes,
  patchInstanceType,
  putInstanceType,
} from '../../core/contract/instance-types.js'
import { GatewayError } from '../../core/errors.js'
import { microsOfDollars } from '../../core/money.js'
import { loadQuery } from '../../io/postgres.js'
import { pageOf, rowOf, rowsOf, theRowOf } from '../../io/query.js'
import { loadSortedQuery } from '../../io/sorted-query.js'
import { audit } from '../audit.js'
import { handle, type Handler, type HandlerContext, Versioned } from './handler.js'
import { requireUnused } from './in-use.js'
import { dollarsAt, InstanceTypeRow, instanceTypeShown } from './instance-type-rows.js'
import { listing } from './listing.js'
import { RegionRow } from './regions.js'

const LIST = loadSortedQuery('instance-types-list')
const GET = loadQuery('instance-types-get')
const LOCK = loadQuery('instance-types-lock')
const INSERT = loadQuery('instance-types-insert')
const UPDATE = loadQuery('instance-types-update')
const DELETE = loadQuery('instance-types-delete')
const USED_BY = loadQuery('instance-types-used-by')
const REGIONS = loadQuery('regions-of-provider')

type InstanceTypeFields = Omit<ReturnType<typeof instanceTypeShown>, 'id' | 'created_at' | 'updated_at'>

/** Columns of INSERT and UPDATE, in their order; the contract has seen to it that prices are exact. */
function columns(id: string, type: InstanceTypeFields): unknown[] {
  return [
    id,
    type.provider,
    type.name,
    type.vcpus,
    type.memory_gb,
    type.gpu_model,
    type.gpu_count,
    type.gpu_memory_gb,
    type.price_per_hour === null ? null : microsOfDollars(type.price_per_hour),
    type.price_spot_per_hour === null ? null : microsOfDollars(type.price_spot_per_hour),
    type.price_as_of,
  ]
}

function noInstanceType(id: string): GatewayError {
  return new GatewayError('not_found', { param: 'id', message: `There is no instance type '${id}'.` })
}

async function lock({ db, requireVersion }: HandlerContext, id: string): Promise<InstanceTypeRow> {
  const row = await rowOf(db, LOCK, InstanceTypeRow, [id])
  if (row === null) throw noInstanceType(id)
  requireVersion(row.version)
  return row
}

/** The fields that were sent, over those that were there. */
function merged(before: InstanceTypeFields, body: InstanceTypeChange['body']): InstanceTypeFields {
  const kept = <T>(sent: T | undefined, there: T): T => (sent === undefined ? there : sent)
  return {
    provider: kept(body.provider, before.provider),
    name: kept(body.name, before.name),
    vcpus: kept(body.vcpus, before.vcpus),
    memory_gb: kept(body.memory_gb, before.memory_gb),
    gpu_model: kept(body.gpu_model, before.gpu_model),
    gpu_count: kept(body.gpu_count, before.gpu_count),
    gpu_memory_gb: kept(body.gpu_memory_gb, before.gpu_memory_gb),
    price_per_hour: kept(body.price_per_hour, before.price_per_hour),
    price_spot_per_hour: kept(body.price_spot_per_hour, before.price_spot_per_hour),
    price_as_of: kept(body.price_as_of, before.price_as_of),
  }
}

async function change({ params: { id }, body }: InstanceTypeChange, context: HandlerContext) {
  const { db } = context
  const before = instanceTypeShown(await lock(context, id))
  const wanted = merged(before, body)
  if (wanted.provider !== before.provider || wanted.name !== before.name) {
    await requireUnused(db, USED_BY, 'instance type', id)
  }
  await db.query(UPDATE, columns(id, wanted))
  const row = await theRowOf(db, GET, InstanceTypeRow, [id])
  const after = instanceTypeShown(row)
  const target = { targetType: 'instance-type', targetId: id }
  await audit(context, { action: 'instance-type.update', ...target, before, after })
  return new Versioned(after, row.version)
}

export const instanceTypesHandlers: readonly Handler[] = [
  handle(listInstanceTypes, async ({ query }, { db }) => {
    const { max_price_per_hour: most } = query
    const { rows, total } = await pageOf(db, LIST(query.sort), InstanceTypeRow, [
      query.provider ?? null,
      query.gpu_model ?? null,
      query.min_gpu_count ?? null,
      query.min_gpu_memory_gb ?? null,
      most === undefined ? null : Math.floor(most * 1_000_000),
      query.search ?? null,
      query.limit,
      query.offset,
    ])
    return listing(
      rows.map((row) => instanceTypeShown(row)),
      total,
      query,
    )
  }),

  handle(createInstanceType, async ({ body }, context) => {
    const { db } = context
    const id = uuidv7()
    await db.query(INSERT, columns(id, body))
    const row = await theRowOf(db, GET, InstanceTypeRow, [id])
    const after = instanceTypeShown(row)
    const target = { targetType: 'instance-type', targetId: id }
    await audit(context, { action: 'instance-type.create', ...target, before: null, after })
    return new Versioned(after, row.version)
  }),

  handle(getInstanceType, async ({ params }, { db }) => {
    const row = await rowOf(db, GET, InstanceTypeRow, [params.id])
    if (row === null) throw noInstanceType(params.id)
    return new Versioned(instanceTypeShown(row), row.version)
  }),

  handle(putInstanceType, change),
  handle(patchInstanceType, change),

  handle(deleteInstanceType, async ({ params: { id } }, context) => {
    const { db } = context
    const before = instanceTypeShown(await lock(context, id))
    await requireUnused(db, USED_BY, 'instance type', id)
    await db.query(DELETE, [id])
    const target = { targetType: 'instance-type', targetId: id }
    await audit(context, { action: 'instance-type.delete', ...target, before, after: null })
    return { id, status: 'deleted' }
  }),

  handle(instanceTypePricing, async ({ params }, { db }) => {
    const row = await rowOf(db, GET, InstanceTypeRow, [params.id])
    if (row === null) throw noInstanceType(params.id)
    const regions = await rowsOf(db, REGIONS, RegionRow, [row.provider])
    return {
      instance_type: instanceTypeShown(row),
      data: regions.map(({ id, code, price_multiplier }) => ({
        region_id: id,
        region: code,
        price_multiplier,
        price_per_hour: dollarsAt(row.price_on_demand_micros, price_multiplier),
        price_spot_per_hour: dollarsAt(row.price_spot_micros, price_multiplier),
      })),
    }
  }),
]
