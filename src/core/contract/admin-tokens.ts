import { z } from 'zod'
import { ADMIN_SCOPES } from '../admin-scope.js'
import { endpoint } from './endpoint.js'
import { Deleted, listOf, page, sortedBy, Timestamp, TimestampInput, Uuid } from './fields.js'

const AdminScope = z.enum(ADMIN_SCOPES).meta({
  description: 'read: every GET; operate: nodes, deployments and routes as well; admin: everything.',
})

export const AdminToken = z
  .object({
    id: Uuid,
    name: z.string(),
    prefix: z.string().meta({ description: "The token's first 11 characters." }),
    scope: AdminScope,
    status: z.enum(['active', 'revoked', 'expired']),
    created_at: Timestamp,
    last_used_at: Timestamp.nullable().meta({ description: 'To the minute.' }),
    expires_at: Timestamp.nullable(),
  })
  .meta({ id: 'AdminToken' })

/** Stands in the audit log as `admin:<name>`: nothing in it that only looks like another name. */
const TokenName = z
  .string()
  .regex(/^[!-~](?:[ -~]{0,98}[!-~])?$/, 'expected 1 to 100 printable ASCII characters')
  .refine((name) => name.toLowerCase() !== 'root', 'this name is reserved')

const tag = 'Admin tokens'

export const listAdminTokens = endpoint({
  id: 'admin-tokens.list',
  method: 'GET',
  path: '/admin/tokens',
  auth: 'admin',
  tag,
  summary: 'Lists named admin tokens, revoked ones too, newest first unless sorted',
  query: z.strictObject({ ...page, ...sortedBy('created_at', 'name', 'last_used_at', 'expires_at') }),
  reply: { 200: listOf(AdminToken) },
  errors: [],
})

export const createAdminToken = endpoint({
  id: 'admin-tokens.create',
  method: 'POST',
  path: '/admin/tokens',
  auth: 'admin',
  tag,
  summary: 'Makes a named admin token, shown this once; the audit log calls it admin:<name>',
  body: z.strictObject({
    name: TokenName.meta({ description: 'Free again when its token is revoked.' }),
    scope: AdminScope,
    expires_at: TimestampInput.nullable().default(null),
  }),
  reply: { 201: AdminToken.extend({ token: z.string() }).meta({ id: 'NewAdminToken' }) },
  errors: ['already_exists'],
})

export const deleteAdminToken = endpoint({
  id: 'admin-tokens.delete',
  method: 'DELETE',
  path: '/admin/tokens/{id}',
  auth: 'admin',
  tag,
  summary: 'Revokes a named admin token: its next call is refused; repeatable',
  params: z.strictObject({ id: Uuid }),
  reply: { 200: Deleted },
  errors: ['not_found'],
})

export const adminTokensEndpoints = [listAdminTokens, createAdminToken, deleteAdminToken]
