import { z } from 'zod'
import type { Actor } from '../core/contract/task.js'
import { GatewayError } from '../core/errors.js'
import { loadQuery } from '../io/postgres.js'
import { type Queryable, rowOf } from '../io/query.js'
import { lockTenant } from './handlers/tenant-rows.js'

const HOLD = loadQuery('api-keys-hold')

/**
 * Makes sure that the key that calls works, and goes on doing so until the transaction ends; its tenant is locked. The port
 * may not have heard yet that it was revoked, and what made keys then, or had them shown again, would outlive its own end.
 * @throws GatewayError invalid_api_key, tenant_suspended
 */
export async function requireKey(
  db: Queryable,
  { tenantId, keyId }: Extract<Actor, { kind: 'key' }>,
): Promise<void> {
  const tenant = await lockTenant(db, tenantId).catch((error: unknown) => {
    // It was deleted, and its keys with it.
    if (error instanceof GatewayError && error.code === 'not_found') throw new GatewayError('invalid_api_key')
    throw error
  })
  if ((await rowOf(db, HOLD, z.object({ id: z.string() }), [keyId, tenantId])) === null) {
    throw new GatewayError('invalid_api_key')
  }
  if (tenant.status === 'suspended') throw new GatewayError('tenant_suspended')
}
