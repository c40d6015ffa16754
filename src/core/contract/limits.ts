import { z } from 'zod'
import type { TenantEndpoint } from './endpoint.js'
import { Timestamp } from './fields.js'

export const LimitLeft = z
  .object({
    limit: z.enum(['requests', 'tokens', 'concurrency', 'spend']).meta({
      description:
        'Requests or tokens per minute, requests at the same time, or dollars per calendar month in UTC.',
    }),
    scope: z.enum(['key', 'environment', 'tenant']).meta({ examples: ['key'] }),
    max: z.number().meta({ description: 'Of spend: dollars.', examples: [20] }),
    remaining: z.number().meta({
      description: 'What is left now. Tokens and dollars that running requests may use are not.',
      examples: [17],
    }),
    resets_at: Timestamp.nullable().meta({
      description: 'When all of it is there again, if nothing more is used; null for concurrency.',
    }),
  })
  .meta({ id: 'LimitLeft' })

/** Declared for the documentation and the client: the data plane, which holds the limits, mounts it. */
export const getLimits = {
  id: 'limits.get',
  method: 'GET',
  path: '/v1/limits',
  auth: 'key',
  roles: ['admin', 'developer', 'read-only'],
  tag: 'Usage',
  summary: 'Every limit that applies to this key, with what is left',
  description: 'Limits that are not set are left out. A request needs something of each.',
  reply: { 200: z.object({ data: z.array(LimitLeft) }) },
  errors: [],
} as const satisfies TenantEndpoint

export type LimitLeft = z.output<typeof LimitLeft>
