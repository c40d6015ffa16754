import {
  createTenantApiKey,
  deleteTenantApiKey,
  getTenantApiKey,
  listTenantApiKeys,
  patchTenantApiKey,
  rotateTenantApiKey,
} from '../../core/contract/api-keys.js'
import { GatewayError } from '../../core/errors.js'
import { limitsOver } from '../../core/tiers.js'
import { loadQuery } from '../../io/postgres.js'
import { theRowOf } from '../../io/query.js'
import { audit } from '../audit.js'
import { allowedModelIds } from './allowed-models.js'
import { ApiKeyRow } from './api-key-insert.js'
import {
  apiKeyShown,
  createApiKeyOf,
  findApiKey,
  type KeyOfTenant,
  listApiKeysOf,
  lockApiKeyAsSeen,
  revokeApiKeyOf,
  rotateApiKeyOf,
} from './api-key-rows.js'
import { expiryOf } from './expiry.js'
import { handle, type Handler, Versioned } from './handler.js'
import { limitValues } from './limit-columns.js'
import { findTenant, lockTenant } from './tenant-rows.js'

const UPDATE = loadQuery('api-keys-update')

interface Path {
  readonly id: string
  readonly key_id: string
}

const named = ({ id, key_id }: Path): KeyOfTenant => ({ tenantId: id, keyId: key_id })

/** The platform's administrators, for any tenant. */
export const apiKeysHandlers: readonly Handler[] = [
  handle(listTenantApiKeys, async ({ params, query }, context) => {
    await findTenant(context.db, params.id)
    return listApiKeysOf(params.id, query, context)
  }),

  handle(createTenantApiKey, async ({ params, body }, context) => {
    await lockTenant(context.db, params.id)
    return createApiKeyOf(params.id, body, body.environment, context)
  }),

  handle(getTenantApiKey, async ({ params }, { db, now }) => {
    await findTenant(db, params.id)
    const row = await findApiKey(db, named(params))
    return new Versioned(apiKeyShown(row, now), row.version)
  }),

  handle(patchTenantApiKey, async ({ params, body }, context) => {
    const { db, now } = context
    // The tenant's lock keeps the environment from being deleted under a key that comes to life again.
    await lockTenant(db, params.id)
    const before = await lockApiKeyAsSeen(context, named(params))
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
      before: apiKeyShown(before, now),
      after: apiKeyShown(after, now),
    })
    return new Versioned(apiKeyShown(after, now), after.version)
  }),

  handle(rotateTenantApiKey, async ({ params, body }, context) => {
    await lockTenant(context.db, params.id)
    return rotateApiKeyOf(named(params), body.overlap_seconds, context)
  }),

  handle(deleteTenantApiKey, ({ params }, context) => revokeApiKeyOf(named(params), context)),
]
