import { createHash, timingSafeEqual } from 'node:crypto'
import { GatewayError } from '../core/errors.js'
import type { Authenticated } from '../io/contract-mount.js'
import type { HttpCall } from '../io/uws.js'

/**
 * Checks the X-Admin-Token header against the root token, in constant time: digests are compared, so that neither
 * content nor length shows.
 * @returns a function that throws GatewayError invalid_admin_token
 */
export function createAdminAuth(adminToken: string): (call: Pick<HttpCall, 'header'>) => Authenticated {
  const expected = digest(adminToken)
  return (call) => {
    const credential = call.header('x-admin-token') ?? ''
    if (!timingSafeEqual(digest(credential), expected)) throw new GatewayError('invalid_admin_token')
    return { actor: { kind: 'admin', name: 'root', scope: 'admin' }, credential }
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
