import type { ApiKeyListQuery, NewKey } from '../../core/contract/api-keys.js'
import { GatewayError } from '../../core/errors.js'
import { loadQuery } from '../../io/postgres.js'
import { pageOf, type Queryable, rowOf, theRowOf } from '../../io/query.js'
import { loadSortedQuery } from '../../io/sorted-query.js'
import { audit } from '../audit.js'
import { allowedModelIds } from './allowed-models.js'
import { ApiKeyRow, insertApiKey } from './api-key-insert.js'
import { findEnvironment } from './environments.js'
import { expiryOf, statusOf } from './expiry.js'
import { type HandlerContext, Versioned } from './handler.js'
import { limitsShown } from './limit-columns.js'
import { listing } from './listing.js'

/** What both ports do with a tenant's keys. Who may, and that the tenant is locked, is for the callers to see to. */

const LIST = loadSortedQuery('api-keys-list')
const GET = loadQuery('api-keys-get')
const LOCK = loadQuery('api-keys-lock')
const REVOKE = loadQuery('api-keys-revoke')
const EXPIRE = loadQuery('api-keys-expire')

export function apiKeyShown(row: ApiKeyRow, now: Date) {
  return {
    id: row.id,
    name: row.name,
    prefix: row.prefix,
    environment: row.environment,
    role: row.role,
    status: statusOf(row, now),
    ...limitsShown(row),
    allowed_models: row.allowed_models,
    created_at: row.created_at.toISOString(),
    last_used_at: row.last_used_at?.toISOString() ?? null,
    expires_at: row.expires_at?.toISOString() ?? null,
  } as const
}

/** Names one of a tenant's keys; whether there is such a one is still to be seen. */
export interface KeyOfTenant {
  readonly tenantId: string
  readonly keyId: string
}

function noKey(id: string): GatewayError {
  return new GatewayError('not_found', { param: 'key_id', message: `There is no API key '${id}'.` })
}

/** @throws GatewayError not_found */
export async function findApiKey(db: Queryable, { tenantId, keyId }: KeyOfTenant): Promise<ApiKeyRow> {
  const row = await rowOf(db, GET, ApiKeyRow, [keyId, tenantId])
  if (row === null) throw noKey(keyId)
  return row
}

/** The key, locked; another tenant's is as unknown as none. @throws GatewayError not_found */
async function lockApiKey(db: Queryable, { tenantId, keyId }: KeyOfTenant): Promise<ApiKeyRow> {
  const row = await rowOf(db, LOCK, ApiKeyRow, [keyId, tenantId])
  if (row === null) throw noKey(keyId)
  return row
}

/** {@link lockApiKey}, for a change of this key. @throws GatewayError not_found, precondition_failed */
export async function lockApiKeyAsSeen(
  { db, requireVersion }: HandlerContext,
  key: KeyOfTenant,
): Promise<ApiKeyRow> {
  const row = await lockApiKey(db, key)
  requireVersion(row.version)
  return row
}

/** One page of a tenant's keys. */
export async function listApiKeysOf(tenantId: string, query: ApiKeyListQuery, { db, now }: HandlerContext) {
  const { rows, total } = await pageOf(db, LIST(query.sort), ApiKeyRow, [
    tenantId,
    query.environment ?? null,
    query.role ?? null,
    query.status ?? null,
    query.search ?? null,
    query.limit,
    query.offset,
  ])
  const data = rows.map((row) => apiKeyShown(row, now))
  return listing(data, total, query)
}

/**
 * Makes a key, shown in the answer alone.
 * @param environment id or name of one of the tenant's
 * @throws GatewayError not_found for an environment or a model that there is not, invalid_parameter for a past expiry
 */
export async function createApiKeyOf(
  tenantId: string,
  spec: NewKey,
  environment: string,
  context: HandlerContext,
) {
  const { db, now } = context
  const expiresAt = expiryOf(spec.expires_at, now)
  const { key, row } = await insertApiKey(db, {
    tenantId,
    environment: await findEnvironment(db, tenantId, environment),
    name: spec.name,
    role: spec.role,
    allowedModelIds: await allowedModelIds(db, spec.allowed_models),
    expiresAt,
    limits: spec,
  })
  await audit(context, {
    action: 'api-key.create',
    targetType: 'api-key',
    targetId: row.id,
    tenantId,
    before: null,
    after: apiKeyShown(row, now),
  })
  return new Versioned({ ...apiKeyShown(row, now), key }, row.version)
}

/**
 * Makes a key with all that another one has, which lives on for the overlap and no longer; without one it is revoked,
 * so that nothing brings it back.
 * @throws GatewayError not_found; invalid_state for a key that does not work any more
 */
export async function rotateApiKeyOf(
  { tenantId, keyId }: KeyOfTenant,
  overlapSeconds: number,
  context: HandlerContext,
) {
  const { db, now } = context
  const old = await lockApiKey(db, { tenantId, keyId })
  const status = statusOf(old, now)
  if (status !== 'active') {
    throw new GatewayError('invalid_state', { message: `The API key is ${status}: make a new one.` })
  }
  const { key, row } = await insertApiKey(db, {
    tenantId,
    environment: { id: old.environment_id, name: old.environment },
    name: old.name,
    role: old.role,
    allowedModelIds: old.allowed_model_ids,
    expiresAt: old.expires_at,
    limits: old,
  })
  const ended = await endAfter(old, overlapSeconds, context)
  await audit(context, {
    action: 'api-key.rotate',
    targetType: 'api-key',
    targetId: keyId,
    tenantId,
    before: apiKeyShown(old, now),
    after: { ...apiKeyShown(ended, now), replaced_by: apiKeyShown(row, now) },
  })
  return new Versioned({ ...apiKeyShown(row, now), key }, row.version)
}

async function endAfter(old: ApiKeyRow, seconds: number, { db, now }: HandlerContext): Promise<ApiKeyRow> {
  if (seconds > 0) return theRowOf(db, EXPIRE, ApiKeyRow, [old.id, seconds])
  await db.query(REVOKE, [old.id])
  return { ...old, revoked_at: now }
}

/** Ends a key for good; of one that is revoked already nothing changes. @throws GatewayError not_found */
export async function revokeApiKeyOf(key: KeyOfTenant, context: HandlerContext) {
  const { db, now } = context
  const row = await lockApiKeyAsSeen(context, key)
  if (row.revoked_at === null) {
    await db.query(REVOKE, [row.id])
    await audit(context, {
      action: 'api-key.revoke',
      targetType: 'api-key',
      targetId: row.id,
      tenantId: key.tenantId,
      before: apiKeyShown(row, now),
      after: apiKeyShown({ ...row, revoked_at: now }, now),
    })
  }
  return { id: row.id, status: 'revoked' }
}
