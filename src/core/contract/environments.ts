import { z } from 'zod'
import { endpoint } from './endpoint.js'
import { limits, limitsShown, listOf, page, Slug, sortedBy, Timestamp, Uuid } from './fields.js'

export const Environment = z
  .object({
    id: Uuid,
    name: z.string().meta({ examples: ['staging'] }),
    ...limitsShown,
    created_at: Timestamp,
    updated_at: Timestamp,
  })
  .meta({ id: 'Environment' })

const tag = 'Environments'
const params = z.strictObject({ id: Uuid })

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
  body: z.strictObject({ name: Slug.meta({ examples: ['staging'] }), ...limits }),
  reply: { 201: Environment },
  errors: ['already_exists', 'not_found'],
})

export const environmentsEndpoints = [listEnvironments, createEnvironment]
