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

const tag = 'API keys'
const params = z.strictObject({ id: Uuid })
const oneParams = z.strictObject({ id: Uuid, key_id: Uuid })

export const listTenantApiKeys = endpoint({
  id: 'tenant-api-keys.list',
  method: 'GET',
  path: '/admin/tenants/{id}/api-keys',
  auth: 'admin',
  tag,
  summary: "Lists a tenant's API keys, newest first unless sorted",
  params,
  query: z.strictObject({
    ...page,
    ...sortedBy('created_at', 'name', 'last_used_at', 'expires_at'),
    environment: text(64).optional().meta({ description: 'Id or name.' }),
    role: ApiKeyRole.optional(),
    status: ApiKeyStatus.optional(),
    search: text(200).optional().meta({ description: 'Part of the name, or of the prefix.' }),
  }),
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
  body: z.strictObject({
    name: text(200, 'ci'),
    environment: text(64, 'production')
      .default('production')
      .meta({ description: "Id or name of one of the tenant's environments." }),
    role: ApiKeyRole.default('developer'),
    ...limitsOrNone,
    expires_at: TimestampInput.nullable().default(null),
    allowed_models: AllowedModels.default(null),
  }),
  reply: { 201: ApiKey.extend({ key: KeyShown }).meta({ id: 'NewApiKey' }) },
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
  summary: 'Revokes an API key; repeatable',
  params: oneParams,
  reply: { 200: Deleted },
  errors: ['not_found'],
})

export const apiKeysEndpoints = [
  listTenantApiKeys,
  createTenantApiKey,
  getTenantApiKey,
  patchTenantApiKey,
  deleteTenantApiKey,
]
