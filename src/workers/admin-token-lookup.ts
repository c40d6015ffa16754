import { z } from 'zod'
import { ADMIN_SCOPES } from '../core/admin-scope.js'
import type { FoundAdminToken } from '../core/contract/task.js'
import { loadQuery } from '../io/postgres.js'
import { type Queryable, rowOf } from '../io/query.js'

const FIND = loadQuery('admin-token-find')

const Found = z.object({ name: z.string(), scope: z.enum(ADMIN_SCOPES) })

/**
 * The admin token of a SHA-256 digest, whose use is noted; null when there is none, it is revoked or expired. Never from
 * a cache: a revoked token's next call must fail.
 */
export function findAdminToken(db: Queryable, digest: Uint8Array): Promise<FoundAdminToken | null> {
  return rowOf(db, FIND, Found, [Buffer.from(digest)])
}
