import { z } from 'zod'
import { endpoint } from './endpoint.js'
import {
  changesOf,
  Deleted,
  limits,
  limitsOrNone,
  listOf,
  page,
  Slug,
  sortedBy,
  Timestamp,
  Uuid,
} from './fields.js'

export const Environment = z
  .object({
    id: Uuid,
    name: z.string().meta({ examples: ['staging'] }),
    ...limits,
    created_at: Timestamp,
    updated_at: Timestamp,
  })
  .meta({ id: 'Environment' })

const tag = 'Environments'
const params = z.strictObject({ id: Uuid })
const oneParams = z.strictObject({ id: Uuid, env_id: Uuid })

export const listEnvironments = endpoint({
  id: 'environments.list',
  method: 'GET',
  path: '/admin/tenants/{id}/environments',
  auth: 'admin',
  tag,
  summary: "Lists a tenant's environments, newest first unless sorted",
  params,
  query: z.strictObject({ ...page, ...sortedBy('created_at', 'name') }),
  reply: { 200: listOf(Environment) },
  errors: ['not_found'],
})

export const createEnvironment = endpoint({
  id: 'environments.create',
  method: 'POST',
  path: '/admin/tenants/{id}/environments',
  auth: 'admin',
  tag,
  versioned: true,
  summary: 'Creates an environment; the one named production has clsk_live_ keys, all others clsk_test_ keys',
  params,
  body: z.strictObject({ name: Slug.meta({ examples: ['staging'] }), ...limitsOrNone }),
  reply: { 201: Environment },
  errors: ['already_exists', 'not_found'],
})

export const getEnvironment = endpoint({
  id: 'environments.get',
  method: 'GET',
  path: '/admin/tenants/{id}/environments/{env_id}',
  auth: 'admin',
  tag,
  versioned: true,
  summary: 'Shows an environment',
  params: oneParams,
  reply: { 200: Environment },
  errors: ['not_found'],
})

export const patchEnvironment = endpoint({
  id: 'environments.patch',
  method: 'PATCH',
  path: '/admin/tenants/{id}/environments/{env_id}',
  auth: 'admin',
  tag,
  versioned: true,
  summary: 'Sets the fields that are sent; production keeps its name',
  params: oneParams,
  body: changesOf({ name: Slug, ...limits }),
  reply: { 200: Environment },
  errors: ['already_exists', 'invalid_state', 'not_found'],
})

export const deleteEnvironment = endpoint({
  id: 'environments.delete',
  method: 'DELETE',
  path: '/admin/tenants/{id}/environments/{env_id}',
  auth: 'admin',
  tag,
  versioned: true,
  summary: 'Removes an environment that has no active key left; production stays',
  params: oneParams,
  reply: { 200: Deleted },
  errors: ['in_use', 'invalid_state', 'not_found'],
})

export const environmentsEndpoints = [
  listEnvironments,
  createEnvironment,
  getEnvironment,
  patchEnvironment,
  deleteEnvironment,
]
