import { z } from 'zod'
import { endpoint } from './endpoint.js'
import {
  AllowedModels,
  allowedModelsShown,
  changesOf,
  Deleted,
  KeyShown,
  limits,
  limitsOrNone,
  listOf,
  page,
  sortedBy,
  text,
  Timestamp,
  TimestampInput,
  Uuid,
} from './fields.js'

/** A week: time enough to bring a new key everywhere. */
const MOST_OVERLAP_SECONDS = 604_800

export const ApiKeyRole = z.enum(['admin', 'developer', 'read-only'])
export const ApiKeyStatus = z.enum(['active', 'revoked', 'expired'])

export const ApiKey = z
  .object({
    id: Uuid,
    name: z.string().meta({ examples: ['ci'] }),
    prefix: z
      .string()
      .meta({ description: "The key's first 16 characters.", examples: ['clsk_live_7Yb2mQ'] }),
    environment: z.string().meta({ examples: ['production'] }),
    role: ApiKeyRole,
    status: ApiKeyStatus,
    ...limits,
    allowed_models: allowedModelsShown,
    created_at: Timestamp,
    last_used_at: Timestamp.nullable(),
    expires_at: Timestamp.nullable(),
  })
  .meta({ id: 'ApiKey' })

/** The one reply that shows the key itself. */
const NewApiKey = ApiKey.extend({ key: KeyShown }).meta({ id: 'NewApiKey' })

const ListQuery = z.strictObject({
  ...page,
  ...sortedBy('created_at', 'name', 'last_used_at', 'expires_at'),
  environment: text(64).optional().meta({ description: 'Id or name.' }),
  role: ApiKeyRole.optional(),
  status: ApiKeyStatus.optional(),
  search: text(200).optional().meta({ description: 'Part of the name, or of the prefix.' }),
})
export type ApiKeyListQuery = z.output<typeof ListQuery>

/** What a new key is made with, its environment apart. */
const NewKey = z.strictObject({
  name: text(200, 'ci'),
  role: ApiKeyRole.default('developer'),
  ...limitsOrNone,
  expires_at: TimestampInput.nullable().default(null),
  allowed_models: AllowedModels.default(null),
})
export type NewKey = z.output<typeof NewKey>

const Rotation = z.strictObject({
  overlap_seconds: z
    .number()
    .int()
    .min(0)
    .max(MOST_OVERLAP_SECONDS)
    .default(0)
    .meta({ description: 'How long the old key lives on, at most until its own expiry; 0: not at all.' }),
})

const tag = 'API keys'
const params = z.strictObject({ id: Uuid })
const keyParams = z.strictObject({ key_id: Uuid })
const oneParams = z.strictObject({ id: Uuid, key_id: Uuid })

export const listTenantApiKeys = endpoint({
  id: 'tenant-api-keys.list',
  method: 'GET',
  path: '/admin/tenants/{id}/api-keys',
  auth: 'admin',
  tag,
  summary: "Lists a tenant's API keys, newest first unless sorted",
  params,
  query: ListQuery,
  reply: { 200: listOf(ApiKey) },
  errors: ['not_found'],
})

export const createTenantApiKey = endpoint({
  id: 'tenant-api-keys.create',
  method: 'POST',
  path: '/admin/tenants/{id}/api-keys',
  auth: 'admin',
  tag,
  versioned: true,
  summary:
    'Creates an API key, shown this once; clsk_live_ in the environment production, clsk_test_ in all others',
  params,
  body: NewKey.extend({
    environment: text(64, 'production')
      .default('production')
      .meta({ description: "Id or name of one of the tenant's environments." }),
  }),
  reply: { 201: NewApiKey },
  errors: ['not_found'],
})

export const getTenantApiKey = endpoint({
  id: 'tenant-api-keys.get',
  method: 'GET',
  path: '/admin/tenants/{id}/api-keys/{key_id}',
  auth: 'admin',
  tag,
  versioned: true,
  summary: 'Shows an API key, never the key itself',
  params: oneParams,
  reply: { 200: ApiKey },
  errors: ['not_found'],
})

export const patchTenantApiKey = endpoint({
  id: 'tenant-api-keys.patch',
  method: 'PATCH',
  path: '/admin/tenants/{id}/api-keys/{key_id}',
  auth: 'admin',
  tag,
  versioned: true,
  summary: 'Sets the fields that are sent, within a second; a revoked key stays as it is',
  params: oneParams,
  body: changesOf({
    name: text(200),
    ...limits,
    expires_at: TimestampInput.nullable(),
    allowed_models: AllowedModels,
  }),
  reply: { 200: ApiKey },
  errors: ['invalid_state', 'not_found'],
})

export const deleteTenantApiKey = endpoint({
  id: 'tenant-api-keys.delete',
  method: 'DELETE',
  path: '/admin/tenants/{id}/api-keys/{key_id}',
  auth: 'admin',
  tag,
  versioned: true,
  summary: 'Revokes an API key and ends the requests that it is used for, within a second; repeatable',
  params: oneParams,
  reply: { 200: Deleted },
  errors: ['not_found'],
})

const rotation = {
  method: 'POST',
  tag,
  versioned: true,
  summary: 'Makes a key like this one, shown this once, and ends this one at once or after an overlap',
  body: Rotation,
  reply: { 201: NewApiKey },
  errors: ['invalid_state', 'not_found'],
} as const

export const rotateTenantApiKey = endpoint({
  id: 'tenant-api-keys.rotate',
  path: '/admin/tenants/{id}/api-keys/{key_id}/rotate',
  auth: 'admin',
  params: oneParams,
  ...rotation,
})

const readers = ['admin', 'developer', 'read-only'] as const
const managers = ['admin'] as const

export const listApiKeys = endpoint({
  id: 'api-keys.list',
  method: 'GET',
  path: '/v1/api-keys',
  auth: 'key',
  roles: readers,
  tag,
  summary: "Lists your account's API keys, newest first unless sorted",
  query: ListQuery,
  reply: { 200: listOf(ApiKey) },
  errors: [],
})

export const createApiKey = endpoint({
  id: 'api-keys.create',
  method: 'POST',
  path: '/v1/api-keys',
  auth: 'key',
  roles: managers,
  tag,
  versioned: true,
  summary:
    'Creates an API key, shown this once; clsk_live_ in the environment production, clsk_test_ in all others',
  body: NewKey.extend({
    environment: text(64, 'production').optional().meta({
      description: "Id or name of one of your account's environments; default that of the key that calls.",
    }),
  }),
  reply: { 201: NewApiKey },
  errors: ['not_found'],
})

export const rotateApiKey = endpoint({
  id: 'api-keys.rotate',
  path: '/v1/api-keys/{key_id}/rotate',
  auth: 'key',
  roles: managers,
  params: keyParams,
  ...rotation,
})

export const deleteApiKey = endpoint({
  id: 'api-keys.delete',
  method: 'DELETE',
  path: '/v1/api-keys/{key_id}',
  auth: 'key',
  roles: managers,
  tag,
  versioned: true,
  summary: 'Revokes an API key and ends the requests that it is used for, within a second; repeatable',
  params: keyParams,
  reply: { 200: Deleted },
  errors: ['not_found'],
})

export const apiKeysEndpoints = [
  listTenantApiKeys,
  createTenantApiKey,
  getTenantApiKey,
  patchTenantApiKey,
  rotateTenantApiKey,
  deleteTenantApiKey,
]

export const ownApiKeysEndpoints = [listApiKeys, createApiKey, rotateApiKey, deleteApiKey]
