import { randomBytes } from 'node:crypto'
import { uuidv7 } from 'uuidv7'
import { z } from 'zod'
import { apiKeyDigest, apiKeyPrefix, generateApiKey } from '../../core/api-key.js'
import { ApiKeyRole } from '../../core/contract/api-keys.js'
import type { Limits } from '../../core/tiers.js'
import { loadQuery } from '../../io/postgres.js'
import { type Queryable, theRowOf } from '../../io/query.js'
import { limitColumns, limitValues } from './limit-columns.js'

const INSERT = loadQuery('api-keys-insert')

export const ApiKeyRow = z.object({
  id: z.string(),
  tenant_id: z.string(),
  name: z.string(),
  prefix: z.string(),
  environment_id: z.string(),
  environment: z.string(),
  role: ApiKeyRole,
  ...limitColumns,
  allowed_model_ids: z.array(z.string()).nullable(),
  allowed_models: z.array(z.string()).nullable(),
  expires_at: z.date().nullable(),
  revoked_at: z.date().nullable(),
  last_used_at: z.date().nullable(),
  version: z.coerce.number(),
  created_at: z.date(),
})
export type ApiKeyRow = z.infer<typeof ApiKeyRow>

export interface NewApiKey {
  readonly tenantId: string
  readonly environment: { readonly id: string; readonly name: string }
  readonly name: string
  readonly role: z.infer<typeof ApiKeyRole>
  readonly allowedModelIds: string[] | null
  readonly expiresAt: Date | null
  readonly limits: Limits
}

/** Makes a key and stores its digest; the key itself is in the answer alone. */
export async function insertApiKey(db: Queryable, spec: NewApiKey): Promise<{ key: string; row: ApiKeyRow }> {
  const key = generateApiKey(spec.environment.name === 'production' ? 'live' : 'test', randomBytes(32))
  const row = await theRowOf(db, INSERT, ApiKeyRow, [
    uuidv7(),
    spec.tenantId,
    spec.environment.id,
    spec.name,
    apiKeyDigest(key),
    apiKeyPrefix(key),
    spec.role,
    spec.allowedModelIds,
    spec.expiresAt,
    ...limitValues(spec.limits),
  ])
  return { key, row }
}
