import { createHash } from 'node:crypto'
import type { Authenticated } from '../io/contract-mount.js'
import type { HttpCall } from '../io/uws.js'

const BEARER = /^bearer ([\x21-\x7e]{1,512})$/i

/**
 * Who the caller of a node agent's endpoint says to be: the node in the path, with the digest of the bearer token as
 * proof. Nothing is decided here, since only a worker can look the node up: a missing token has the digest of none.
 */
export function nodeCaller(call: Pick<HttpCall, 'header' | 'params'>): Authenticated {
  const credential = BEARER.exec(call.header('authorization') ?? '')?.[1] ?? ''
  const tokenDigest = createHash('sha256').update(credential).digest()
  return { actor: { kind: 'node', nodeId: call.params['id'] ?? '', tokenDigest }, credential }
}
