import { z } from 'zod'
import { createApiKey, deleteApiKey, listApiKeys, rotateApiKey } from '../../core/contract/api-keys.js'
import { GatewayError } from '../../core/errors.js'
import { loadQuery } from '../../io/postgres.js'
import { rowOf } from '../../io/query.js'
import { createApiKeyOf, listApiKeysOf, revokeApiKeyOf, rotateApiKeyOf } from './api-key-rows.js'
import { handle, type Handler, type HandlerContext, tenantOf } from './handler.js'
import { lockTenant } from './tenant-rows.js'

const HOLD = loadQuery('api-keys-hold')

interface Manager {
  readonly tenantId: string
  /** Of the key that calls. */
  readonly environmentId: string
}

/**
 * Whose keys are to be changed; the tenant is locked, and the key that calls works until the change is done. The port
 * may not have heard yet that it was revoked, and what made keys then would outlive its own end.
 * @throws GatewayError invalid_api_key, tenant_suspended
 */
async function managing({ db, actor }: HandlerContext): Promise<Manager> {
  if (actor.kind !== 'key') throw new GatewayError('not_found')
  const { tenantId, keyId, environmentId } = actor
  const tenant = await lockTenant(db, tenantId).catch((error: unknown) => {
    // It was deleted, and its keys with it.
    if (error instanceof GatewayError && error.code === 'not_found') throw new GatewayError('invalid_api_key')
    throw error
  })
  if ((await rowOf(db, HOLD, z.object({ id: z.string() }), [keyId, tenantId])) === null) {
    throw new GatewayError('invalid_api_key')
  }
  if (tenant.status === 'suspended') throw new GatewayError('tenant_suspended')
  return { tenantId, environmentId }
}

/** Tenants themselves, by a key of theirs. */
export const ownApiKeysHandlers: readonly Handler[] = [
  handle(listApiKeys, ({ query }, context) => listApiKeysOf(tenantOf(context.actor), query, context)),

  handle(createApiKey, async ({ body }, context) => {
    const { tenantId, environmentId } = await managing(context)
    return createApiKeyOf(tenantId, body, body.environment ?? environmentId, context)
  }),

  handle(rotateApiKey, async ({ params, body }, context) => {
    const { tenantId } = await managing(context)
    return rotateApiKeyOf({ tenantId, keyId: params.key_id }, body.overlap_seconds, context)
  }),

  handle(deleteApiKey, async ({ params }, context) => {
    const { tenantId } = await managing(context)
    return revokeApiKeyOf({ tenantId, keyId: params.key_id }, context)
  }),
]
