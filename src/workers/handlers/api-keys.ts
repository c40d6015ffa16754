import {
  createTenantApiKey,
  deleteTenantApiKey,
  getTenantApiKey,
  listTenantApiKeys,
  patchTenantApiKey,
} from '../../core/contract/api-keys.js'
import { GatewayError } from '../../core/errors.js'
import { limitsOver } from '../../core/tiers.js'
import { loadQuery } from '../../io/postgres.js'
import { pageOf, rowOf, theRowOf } from '../../io/query.js'
import { loadSortedQuery } from '../../io/sorted-query.js'
import { audit } from '../audit.js'
import { allowedModelIds } from './allowed-models.js'
import { ApiKeyRow, insertApiKey } from './api-key-insert.js'
import { findEnvironment } from './environments.js'
import { expiryOf, statusOf } from './expiry.js'
import { handle, type Handler, type HandlerContext, Versioned } from './handler.js'
import { limitsShown, limitValues } from './limit-columns.js'
import { listing } from './listing.js'
import { findTenant, lockTenant } from './tenant-rows.js'

const LIST = loadSortedQuery('api-keys-list')
const GET = loadQuery('api-keys-get')
const LOCK = loadQuery('api-keys-lock')
const UPDATE = loadQuery('api-keys-update')
const REVOKE = loadQuery('api-keys-revoke')

function shown(row: ApiKeyRow, now: Date) {
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

interface Path {
  readonly id: string
  readonly key_id: string
}

function noKey(id: string): GatewayError {
  const message = `The tenant has no API key '${id}'.`
  return new GatewayError('not_found', { param: 'key_id', message })
}

/** The key, locked. @throws GatewayError not_found, precondition_failed */
async function lock({ db, requireVersion }: HandlerContext, { id, key_id }: Path): Promise<ApiKeyRow> {
  const row = await rowOf(db, LOCK, ApiKeyRow, [key_id, id])
  if (row === null) throw noKey(key_id)
  requireVersion(row.version)
  return row
}

export const apiKeysHandlers: readonly Handler[] = [
  handle(listTenantApiKeys, async ({ params, query }, { db, now }) => {
    await findTenant(db, params.id)
    const { rows, total } = await pageOf(db, LIST(query.sort), ApiKeyRow, [
      params.id,
      query.environment ?? null,
      query.role ?? null,
      query.status ?? null,
      query.search ?? null,
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
      limits: body,
    })
    await audit(context, {
      action: 'api-key.create',
      targetType: 'api-key',
      targetId: row.id,
      tenantId: params.id,
      before: null,
      after: shown(row, now),
    })
    return new Versioned({ ...shown(row, now), key }, row.version)
  }),

  handle(getTenantApiKey, async ({ params: { id, key_id } }, { db, now }) => {
    await findTenant(db, id)
    const row = await rowOf(db, GET, ApiKeyRow, [key_id, id])
    if (row === null) throw noKey(key_id)
    return new Versioned(shown(row, now), row.version)
  }),

  handle(patchTenantApiKey, async ({ params, body }, context) => {
    const { db, now } = context
    // The tenant's lock keeps the environment from being deleted under a key that comes to life again.
    await lockTenant(db, params.id)
    const before = await lock(context, params)
    if (before.revoked_at !== null) {
      throw new GatewayError('invalid_state', { message: 'The API key is revoked.' })
    }
    const after = await theRowOf(db, UPDATE, ApiKeyRow, [
      before.id,
      body.name ?? before.name,
      body.allowed_models === undefined
        ? before.allowed_model_ids
        : await allowedModelIds(db, body.allowed_models),
      body.expires_at === undefined ? before.expires_at : expiryOf(body.expires_at, now),
      ...limitValues(limitsOver(before, body)),
    ])
    await audit(context, {
      action: 'api-key.update',
      targetType: 'api-key',
      targetId: before.id,
      tenantId: params.id,
      before: shown(before, now),
      after: shown(after, now),
    })
    return new Versioned(shown(after, now), after.version)
  }),

  handle(deleteTenantApiKey, async ({ params }, context) => {
    const { id, key_id } = params
    const row = await lock(context, params)
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
