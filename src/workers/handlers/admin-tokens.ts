import { randomBytes } from 'node:crypto'
import { uuidv7 } from 'uuidv7'
import { z } from 'zod'
import { ADMIN_SCOPES } from '../../core/admin-scope.js'
import { adminTokenDigest, adminTokenPrefix, generateAdminToken } from '../../core/admin-token.js'
import { createAdminToken, deleteAdminToken, listAdminTokens } from '../../core/contract/admin-tokens.js'
import { GatewayError } from '../../core/errors.js'
import { loadQuery } from '../../io/postgres.js'
import { pageOf, rowOf, theRowOf } from '../../io/query.js'
import { loadSortedQuery } from '../../io/sorted-query.js'
import { audit } from '../audit.js'
import { expiryOf, statusOf } from './expiry.js'
import { handle, type Handler } from './handler.js'
import { listing } from './listing.js'

const LIST = loadSortedQuery('admin-tokens-list')
const INSERT = loadQuery('admin-tokens-insert')
const LOCK = loadQuery('admin-tokens-lock')
const REVOKE = loadQuery('admin-tokens-revoke')

const TokenRow = z.object({
  id: z.string(),
  name: z.string(),
  prefix: z.string(),
  scope: z.enum(ADMIN_SCOPES),
  expires_at: z.date().nullable(),
  revoked_at: z.date().nullable(),
  last_used_at: z.date().nullable(),
  created_at: z.date(),
})
type TokenRow = z.infer<typeof TokenRow>

function shown(row: TokenRow, now: Date) {
  return {
    id: row.id,
    name: row.name,
    prefix: row.prefix,
    scope: row.scope,
    status: statusOf(row, now),
    created_at: row.created_at.toISOString(),
    last_used_at: row.last_used_at?.toISOString() ?? null,
    expires_at: row.expires_at?.toISOString() ?? null,
  }
}

export const adminTokensHandlers: readonly Handler[] = [
  handle(listAdminTokens, async ({ query }, { db, now }) => {
    const { rows, total } = await pageOf(db, LIST(query.sort), TokenRow, [query.limit, query.offset])
    const data = rows.map((row) => shown(row, now))
    return listing(data, total, query)
  }),

  handle(createAdminToken, async ({ body }, context) => {
    const token = generateAdminToken(randomBytes(32))
    const row = await theRowOf(context.db, INSERT, TokenRow, [
      uuidv7(),
      body.name,
      adminTokenDigest(token),
      adminTokenPrefix(token),
      body.scope,
      expiryOf(body.expires_at, context.now),
    ])
    const after = shown(row, context.now)
    await audit(context, {
      action: 'admin-token.create',
      targetType: 'admin-token',
      targetId: row.id,
      before: null,
      after,
    })
    return { ...after, token }
  }),

  handle(deleteAdminToken, async ({ params: { id } }, context) => {
    const row = await rowOf(context.db, LOCK, TokenRow, [id])
    if (row === null) {
      throw new GatewayError('not_found', { param: 'id', message: `There is no admin token '${id}'.` })
    }
    if (row.revoked_at === null) {
      await context.db.query(REVOKE, [id])
      await audit(context, {
        action: 'admin-token.revoke',
        targetType: 'admin-token',
        targetId: id,
        before: shown(row, context.now),
        after: shown({ ...row, revoked_at: context.now }, context.now),
      })
    }
    return { id, status: 'revoked' }
  }),
]
