import { timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import type { Actor } from '../core/contract/task.js'
import { GatewayError } from '../core/errors.js'
import { loadQuery } from '../io/postgres.js'
import { type Queryable, rowOf } from '../io/query.js'

const FIND = loadQuery('node-agent-find')

const Proof = z.object({ token_digest: z.instanceof(Buffer).nullable() })
const NO_TOKEN = Buffer.alloc(32)

/**
 * Makes sure that the caller holds the token of the node that it says to be, in constant time.
 * @throws GatewayError invalid_admin_token, in the same words for an unknown node, one without a token, another's token
 */
export async function requireNode(
  db: Queryable,
  { nodeId, tokenDigest }: Extract<Actor, { kind: 'node' }>,
): Promise<void> {
  const known = z.uuid().safeParse(nodeId).success ? await rowOf(db, FIND, Proof, [nodeId]) : null
  const digest = known?.token_digest ?? null
  const equal = timingSafeEqual(digest ?? NO_TOKEN, tokenDigest)
  if (digest !== null && equal) return
  throw new GatewayError('invalid_admin_token', {
    message: 'Incorrect node token provided. Send this node\'s own token as "Authorization: Bearer …".',
  })
}
