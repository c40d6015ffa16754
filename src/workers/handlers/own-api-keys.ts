import { createApiKey, deleteApiKey, listApiKeys, rotateApiKey } from '../../core/contract/api-keys.js'
import { createApiKeyOf, listApiKeysOf, revokeApiKeyOf, rotateApiKeyOf } from './api-key-rows.js'
import { handle, type Handler, keyOf, tenantOf } from './handler.js'

/** Tenants themselves, by a key of theirs; a change is made while that key works (src/workers/key-proof.ts). */
export const ownApiKeysHandlers: readonly Handler[] = [
  handle(listApiKeys, ({ query }, context) => listApiKeysOf(tenantOf(context.actor), query, context)),

  handle(createApiKey, ({ body }, context) => {
    const { tenantId, environmentId } = keyOf(context.actor)
    return createApiKeyOf(tenantId, body, body.environment ?? environmentId, context)
  }),

  handle(rotateApiKey, ({ params, body }, context) => {
    const { tenantId } = keyOf(context.actor)
    return rotateApiKeyOf({ tenantId, keyId: params.key_id }, body.overlap_seconds, context)
  }),

  handle(deleteApiKey, ({ params }, context) => {
    const { tenantId } = keyOf(context.actor)
    return revokeApiKeyOf({ tenantId, keyId: params.key_id }, context)
  }),
]
