import { z } from 'zod'
import { Tier } from '../../core/contract/tenants.js'
import { GatewayError } from '../../core/errors.js'
import { loadQuery } from '../../io/postgres.js'
import { type Queryable, rowOf, rowsOf } from '../../io/query.js'
import type { HandlerContext } from './handler.js'
import { limitColumns } from './limit-columns.js'

const GET = loadQuery('tenants-get')
const LOCK = loadQuery('tenants-lock')
const KNOWN = loadQuery('tenants-known')

export const TenantRow = z.object({
  id: z.string(),
  name: z.string(),
  email: z.string(),
  tier: Tier,
  status: z.enum(['active', 'suspended']),
  ...limitColumns,
  max_monthly_spend_micros: z.coerce.number().nullable(),
  allowed_model_ids: z.array(z.string()).nullable(),
  allowed_models: z.array(z.string()).nullable(),
  version: z.coerce.number(),
  created_at: z.date(),
  updated_at: z.date(),
})
export type TenantRow = z.infer<typeof TenantRow>

const TenantDetailRow = TenantRow.extend({ api_keys_count: z.coerce.number() })
type TenantDetailRow = z.infer<typeof TenantDetailRow>

/** The tenant, locked until the transaction ends. @throws GatewayError not_found */
export async function lockTenant(db: Queryable, id: string): Promise<TenantRow> {
  const row = await rowOf(db, LOCK, TenantRow, [id])
  if (row === null) throw noTenant(id)
  return row
}

/** As {@link lockTenant}, for a change of the tenant itself. @throws GatewayError not_found, precondition_failed */
export async function lockTenantAsSeen(
  { db, requireVersion }: HandlerContext,
  id: string,
): Promise<TenantRow> {
  const row = await lockTenant(db, id)
  requireVersion(row.version)
  return row
}

/** The tenant, with the number of its keys that are not revoked. @throws GatewayError not_found */
export async function findTenant(db: Queryable, id: string): Promise<TenantDetailRow> {
  const row = await rowOf(db, GET, TenantDetailRow, [id])
  if (row === null) throw noTenant(id)
  return row
}

const KnownTenant = z.object({ id: z.string(), name: z.string(), deleted: z.boolean() })
export type KnownTenant = z.infer<typeof KnownTenant>

/** Those of some tenants that there are or ever were, by id. */
export async function knownTenants(db: Queryable, ids: readonly string[]): Promise<Map<string, KnownTenant>> {
  const rows = await rowsOf(db, KNOWN, KnownTenant, [ids])
  return new Map(rows.map((row) => [row.id, row]))
}

function noTenant(id: string): GatewayError {
  return new GatewayError('not_found', { param: 'id', message: `There is no tenant '${id}'.` })
}
