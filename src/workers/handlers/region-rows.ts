import { uuidv7 } from 'uuidv7'
import { z } from 'zod'
import { GatewayError } from '../../core/errors.js'
import { loadQuery } from '../../io/postgres.js'
import { type Queryable, rowsOf, theRowOf } from '../../io/query.js'
import { requireUnused } from './in-use.js'

const INSERT = loadQuery('regions-insert')
const UPDATE = loadQuery('regions-update')
const DELETE = loadQuery('regions-delete')
const USED_BY = loadQuery('regions-used-by')
const CODES = loadQuery('regions-of-provider')
const REPRICE = loadQuery('nodes-reprice')

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
export type RegionRow = z.infer<typeof RegionRow>

/** What a caller sets. */
export type RegionFields = Pick<RegionRow, 'provider' | 'code' | 'name' | 'price_multiplier'>

function columns(id: string, region: RegionFields): unknown[] {
  return [id, region.provider, region.code, region.name, region.price_multiplier]
}

export function insertRegion(db: Queryable, region: RegionFields): Promise<RegionRow> {
  return theRowOf(db, INSERT, RegionRow, columns(uuidv7(), region))
}

/** Writes a row that is locked; launched nodes in this region have its prices from now on. */
export async function updateRegion(db: Queryable, id: string, region: RegionFields): Promise<RegionRow> {
  const row = await theRowOf(db, UPDATE, RegionRow, columns(id, region))
  await db.query(REPRICE, [null, id])
  return row
}

/** Removes a region whose row is locked. @throws GatewayError in_use */
export async function removeRegion(db: Queryable, region: RegionFields & { id: string }): Promise<void> {
  await requireUnusedRegion(db, region)
  await db.query(DELETE, [region.id])
}

/** @throws GatewayError in_use that names nodes, deployments and instance types that refer to the region */
export function requireUnusedRegion(
  db: Queryable,
  { id, provider, code }: Omit<RegionFields, 'name' | 'price_multiplier'> & { id: string },
): Promise<void> {
  return requireUnused(db, USED_BY, [id, provider, code], `region '${code}' of ${provider}`)
}

/**
 * Holds the regions that are named until the transaction ends.
 * @throws GatewayError not_found with `regions[i]` for a code that the provider does not have
 */
export async function requireRegions(
  db: Queryable,
  provider: string,
  codes: readonly string[] | null,
): Promise<void> {
  if (codes === null) return
  const rows = await rowsOf(db, CODES, z.object({ code: z.string() }), [provider])
  const known = new Set(rows.map(({ code }) => code))
  codes.forEach((code, index) => {
    if (known.has(code)) return
    const message = `${provider} has no region '${code}'.`
    throw new GatewayError('not_found', { param: `regions[${index}]`, message })
  })
}
