import { z } from 'zod'
import type { ResolvedKey } from '../core/resolved-key.js'
import { limitsSchema, TIERS } from '../core/tiers.js'
import { loadQuery } from './postgres.js'
import type { Queryable } from './query.js'

const FIND = loadQuery('key-find')

const NANOS_PER_MICRO = 1_000

const KeyRow = z
  .object({
    id: z.string(),
    name: z.string(),
    environment_id: z.string(),
    tenant_id: z.string(),
    tenant_status: z.enum(['active', 'suspended']),
    tier: z.enum(TIERS),
    role: z.enum(['admin', 'developer', 'read-only']),
    allowed_models: z.array(z.string()).nullable(),
    tenant_allowed_models: z.array(z.string()).nullable(),
    key_limits: limitsSchema,
    environment_limits: limitsSchema,
    tenant_limits: limitsSchema,
    max_monthly_spend_micros: z.coerce.number().nullable(),
    expires_at: z.date().nullable(),
    version: z.coerce.number(),
  })
  .transform((row) => ({
    keyId: row.id,
    keyName: row.name,
    environmentId: row.environment_id,
    tenantId: row.tenant_id,
    tenantStatus: row.tenant_status,
    tier: row.tier,
    role: row.role,
    allowedModels: row.allowed_models,
    tenantAllowedModels: row.tenant_allowed_models,
    limits: { key: row.key_limits, environment: row.environment_limits, tenant: row.tenant_limits },
    monthlyBudgetNanos:
      row.max_monthly_spend_micros === null ? null : row.max_monthly_spend_micros * NANOS_PER_MICRO,
    expiresAt: row.expires_at?.getTime() ?? null,
    version: row.version,
  }))

const Digest = z.object({ digest: z.string() })

/**
 * The API keys of SHA-256 digests, in one statement and by digest in hexadecimal, with what they inherit, and the change
 * counter of the same moment. Those that there are not, that are revoked or expired, or whose environment or tenant is
 * deleted are left out; a suspended tenant's keys are found.
 */
export async function findKeys(
  postgres: Queryable,
  digests: readonly Buffer[],
): Promise<Map<string, ResolvedKey>> {
  const { rows } = await postgres.query(FIND, [digests])
  return new Map(rows.map((row) => [Digest.parse(row).digest, KeyRow.parse(row)]))
}
