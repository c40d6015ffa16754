import { randomBytes } from 'node:crypto'
import { uuidv7 } from 'uuidv7'
import { z } from 'zod'
import { apiKeyDigest, apiKeyPrefix, generateApiKey } from '../../core/api-key.js'
import { ApiKeyRole } from '../../core/contract/api-keys.js'
import { loadQuery } from '../../io/postgres.js'
import { type Queryable, theRowOf } from '../../io/query.js'

const INSERT = loadQuery('api-keys-insert')

export const ApiKeyRow = z.object({
  id: z.string(),
  tenant_id: z.string(),
  name: z.string(),
  prefix: z.string(),
  environment: z.string(),
  role: ApiKeyRole,
  rate_limit_per_minute: z.number().nullable(),
  tokens_per_minute: z.coerce.number().nullable(),
  max_concurrency: z.number().nullable(),
  allowed_models: z.array(z.string()).nullable(),
  expires_at: z.date().nullable(),
  revoked_at: z.date().nullable(),
  last_used_at: z.date().nullable(),
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
  ])
  return { key, row }
}
