import { uuidv7 } from 'uuidv7'
import { z } from 'zod'
import { GatewayError } from '../../core/errors.js'
import { dollarsOfMicros, microsOfDollars } from '../../core/money.js'
import { loadQuery } from '../../io/postgres.js'
import { type Queryable, theRowOf } from '../../io/query.js'
import { requireUnused } from './in-use.js'
import { requireRegions } from './region-rows.js'

const INSERT = loadQuery('instance-types-insert')
const UPDATE = loadQuery('instance-types-update')
const DELETE = loadQuery('instance-types-delete')
const USED_BY = loadQuery('instance-types-used-by')
const REPRICE = loadQuery('nodes-reprice')

export const InstanceTypeRow = z.object({
  id: z.string(),
  provider: z.string(),
  name: z.string(),
  vcpus: z.number(),
  memory_gb: z.number(),
  gpu_model: z.string().nullable(),
  gpu_count: z.number(),
  gpu_memory_gb: z.number().nullable(),
  regions: z.array(z.string()).nullable(),
  price_on_demand_micros: z.coerce.number().nullable(),
  price_spot_micros: z.coerce.number().nullable(),
  price_as_of: z.string().nullable(),
  version: z.coerce.number(),
  created_at: z.date(),
  updated_at: z.date(),
})
export type InstanceTypeRow = z.infer<typeof InstanceTypeRow>

/** Dollars an hour in a region of this multiplier, to the micro-dollar. */
export function hourlyPrices(
  type: Pick<InstanceTypeRow, 'price_on_demand_micros' | 'price_spot_micros'>,
  multiplier: number,
) {
  const inRegion = (micros: number | null) =>
    micros === null ? null : dollarsOfMicros(Math.round(micros * multiplier))
  return {
    price_on_demand_per_hour: inRegion(type.price_on_demand_micros),
    price_spot_per_hour: inRegion(type.price_spot_micros),
  }
}

/** As the API shows it. */
export function shownInstanceType(row: InstanceTypeRow) {
  const { price_on_demand_micros: _onDemand, price_spot_micros: _spot, version: _version, ...same } = row
  return {
    ...same,
    ...hourlyPrices(row, 1),
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  }
}

/** What a caller sets. */
export type InstanceTypeFields = Omit<
  ReturnType<typeof shownInstanceType>,
  'id' | 'created_at' | 'updated_at'
>

export async function insertInstanceType(db: Queryable, type: InstanceTypeFields): Promise<InstanceTypeRow> {
  return theRowOf(db, INSERT, InstanceTypeRow, await columns(db, uuidv7(), type))
}

/** Writes a row that is locked; launched nodes of this type have its prices from now on. */
export async function updateInstanceType(
  db: Queryable,
  id: string,
  type: InstanceTypeFields,
): Promise<InstanceTypeRow> {
  const row = await theRowOf(db, UPDATE, InstanceTypeRow, await columns(db, id, type))
  await db.query(REPRICE, [id, null])
  return row
}

/** Removes an instance type whose row is locked. @throws GatewayError in_use */
export async function removeInstanceType(
  db: Queryable,
  type: Pick<InstanceTypeRow, 'id' | 'provider' | 'name'>,
): Promise<void> {
  await requireUnusedInstanceType(db, type)
  await db.query(DELETE, [type.id])
}

/** @throws GatewayError in_use that names nodes and deployments that refer to the instance type */
export function requireUnusedInstanceType(
  db: Queryable,
  { id, provider, name }: Pick<InstanceTypeRow, 'id' | 'provider' | 'name'>,
): Promise<void> {
  return requireUnused(db, USED_BY, [id], `instance type '${name}' of ${provider}`)
}

/**
 * Columns of INSERT and UPDATE, in their order; the contract has seen to it that prices are exact.
 * @throws GatewayError invalid_parameter for a GPU that is described by halves, not_found for an unknown region
 */
async function columns(db: Queryable, id: string, type: InstanceTypeFields): Promise<unknown[]> {
  requireWholeGpu(type)
  await requireRegions(db, type.provider, type.regions)
  const micros = (dollars: number | null) => (dollars === null ? null : microsOfDollars(dollars))
  return [
    id,
    type.provider,
    type.name,
    type.vcpus,
    type.memory_gb,
    type.gpu_model,
    type.gpu_count,
    type.gpu_memory_gb,
    type.regions,
    micros(type.price_on_demand_per_hour),
    micros(type.price_spot_per_hour),
    type.price_as_of,
  ]
}

function requireWholeGpu({ gpu_count, gpu_model, gpu_memory_gb }: InstanceTypeFields): void {
  const parts = { gpu_model, gpu_memory_gb }
  for (const [param, value] of Object.entries(parts)) {
    if ((gpu_count === 0) === (value === null)) continue
    const message =
      gpu_count === 0
        ? `'${param}' does not apply to an instance type with no GPU.`
        : `Missing '${param}': the instance type has ${gpu_count} GPUs.`
    throw new GatewayError('invalid_parameter', { param, message })
  }
}
