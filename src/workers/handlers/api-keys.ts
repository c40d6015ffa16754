import { createTenantApiKey, deleteTenantApiKey, listTenantApiKeys } from '../../core/contract/api-keys.js'
import { GatewayError } from '../../core/errors.js'
import { loadQuery } from '../../io/postgres.js'
import { pageOf, rowOf } from '../../io/query.js'
import { loadSortedQuery } from '../../io/sorted-query.js'
import { audit } from '../audit.js'
import { allowedModelIds } from './allowed-models.js'
import { ApiKeyRow, insertApiKey } from './api-key-insert.js'
import { findEnvironment } from './environments.js'
import { expiryOf, statusOf } from './expiry.js'
import { handle, type Handler } from './handler.js'
import { listing } from './listing.js'
import { findTenant, lockTenant } from './tenant-rows.js'

const LIST = loadSortedQuery('api-keys-list')
const LOCK = loadQuery('api-keys-lock')
const REVOKE = loadQuery('api-keys-revoke')

function shown(row: ApiKeyRow, now: Date) {
  return {
    id: row.id,
    name: row.name,
    prefix: row.prefix,
    environment: row.environment,
    role: row.role,
    status: statusOf(row, now),
    rate_limit_per_minute: row.rate_limit_per_minute,
    tokens_per_minute: row.tokens_per_minute,
    max_concurrency: row.max_concurrency,
    allowed_models: row.allowed_models,
    created_at: row.created_at.toISOString(),
    last_used_at: row.last_used_at?.toISOString() ?? null,
    expires_at: row.expires_at?.toISOString() ?? null,
  } as const
}

export const apiKeysHandlers: readonly Handler[] = [
  handle(listTenantApiKeys, async ({ params, query }, { db, now }) => {
    await findTenant(db, params.id)
    const { rows, total } = await pageOf(db, LIST(query.sort), ApiKeyRow, [
      params.id,
      query.limit,
      query.offset,
    ])
    const data = rows.map((row) => shown(row, now))
    return listing(data, total, query)
  }),

  handle(createTenantApiKey, async ({ params, body }, context) => {
    const { db, now } = context
    await lockTenant(db, params.id)
    const expiresAt = expiryOf(body.expires_at, now)
    const { key, row } = await insertApiKey(db, {
      tenantId: params.id,
      environment: await findEnvironment(db, params.id, body.environment),
      name: body.name,
      role: body.role,
      allowedModelIds: await allowedModelIds(db, body.allowed_models),
      expiresAt,
    })
    await audit(context, {
      action: 'api-key.create',
      targetType: 'api-key',
      targetId: row.id,
      tenantId: params.id,
      before: null,
      after: shown(row, now),
    })
    return { ...shown(row, now), key }
  }),

  handle(deleteTenantApiKey, async ({ params: { id, key_id } }, context) => {
    const row = await rowOf(context.db, LOCK, ApiKeyRow, [key_id, id])
    if (row === null) {
      throw new GatewayError('not_found', {
        param: 'key_id',
        message: `The tenant has no API key '${key_id}'.`,
      })
    }
    if (row.revoked_at === null) {
      await context.db.query(REVOKE, [key_id])
      await audit(context, {
        action: 'api-key.revoke',
        targetType: 'api-key',
        targetId: key_id,
        tenantId: id,
        before: shown(row, context.now),
        after: shown({ ...row, revoked_at: context.now }, context.now),
      })
    }
    return { id: key_id, status: 'revoked' }
  }),
]
