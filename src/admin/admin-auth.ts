import { createHash, timingSafeEqual } from 'node:crypto'
import { adminTokenDigest, isWellFormedAdminToken } from '../core/admin-token.js'
import type { FoundAdminToken } from '../core/contract/task.js'
import { GatewayError } from '../core/errors.js'
import type { Authenticated } from '../io/contract-mount.js'
import type { HttpCall } from '../io/uws.js'

export interface AdminAuthOptions {
  /** The root token. */
  readonly adminToken: string
  /** Looks up a named token by its SHA-256 digest, in the database itself: a revoked one is refused at once. */
  readonly findToken: (digest: Uint8Array) => Promise<FoundAdminToken | null>
}

/**
 * Checks the X-Admin-Token header. The root token is compared in constant time, digests with digests, so that neither
 * content nor length shows; only what has the shape and the checksum of a named token is looked up.
 * @returns a function that throws, or rejects with, GatewayError invalid_admin_token
 */
export function createAdminAuth({ adminToken, findToken }: AdminAuthOptions) {
  const expected = digest(adminToken)

  async function named(credential: string): Promise<Authenticated> {
    const found = await findToken(adminTokenDigest(credential))
    if (found === null) throw new GatewayError('invalid_admin_token')
    return { actor: { kind: 'admin', name: found.name, scope: found.scope }, credential }
  }

  return (call: Pick<HttpCall, 'header'>): Authenticated | Promise<Authenticated> => {
    const credential = call.header('x-admin-token') ?? ''
    if (timingSafeEqual(digest(credential), expected)) {
      return { actor: { kind: 'admin', name: 'root', scope: 'admin' }, credential }
    }
    if (!isWellFormedAdminToken(credential)) throw new GatewayError('invalid_admin_token')
    return named(credential)
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
