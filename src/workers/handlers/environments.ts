import { uuidv7 } from 'uuidv7'
import { z } from 'zod'
import { createEnvironment, listEnvironments } from '../../core/contract/environments.js'
import { GatewayError } from '../../core/errors.js'
import { loadQuery } from '../../io/postgres.js'
import { pageOf, type Queryable, rowOf, theRowOf } from '../../io/query.js'
import { loadSortedQuery } from '../../io/sorted-query.js'
import { audit } from '../audit.js'
import { handle, type Handler, Versioned } from './handler.js'
import { listing } from './listing.js'
import { findTenant, lockTenant } from './tenant-rows.js'

const LIST = loadSortedQuery('environments-list')
const FIND = loadQuery('environments-find')
const INSERT = loadQuery('environments-insert')

const EnvironmentRow = z.object({
  id: z.string(),
  name: z.string(),
  rate_limit_per_minute: z.number().nullable(),
  tokens_per_minute: z.coerce.number().nullable(),
  max_concurrency: z.number().nullable(),
  version: z.coerce.number(),
  created_at: z.date(),
  updated_at: z.date(),
})
type EnvironmentRow = z.infer<typeof EnvironmentRow>

function shown({ version: _version, ...row }: EnvironmentRow) {
  return { ...row, created_at: row.created_at.toISOString(), updated_at: row.updated_at.toISOString() }
}

/** Adds an environment to a tenant that exists. */
export function insertEnvironment(db: Queryable, tenantId: string, name: string): Promise<EnvironmentRow> {
  return theRowOf(db, INSERT, EnvironmentRow, [uuidv7(), tenantId, name])
}

/** A tenant's environment by id or name. @throws GatewayError not_found with `environment` */
export async function findEnvironment(
  db: Queryable,
  tenantId: string,
  idOrName: string,
): Promise<EnvironmentRow> {
  const row = await rowOf(db, FIND, EnvironmentRow, [tenantId, idOrName])
  if (row !== null) return row
  throw new GatewayError('not_found', {
    param: 'environment',
    message: `The tenant has no environment '${idOrName}'.`,
  })
}

export const environmentsHandlers: readonly Handler[] = [
  handle(listEnvironments, async ({ params, query }, { db }) => {
    await findTenant(db, params.id)
    const { rows, total } = await pageOf(db, LIST(query.sort), EnvironmentRow, [
      params.id,
      query.limit,
      query.offset,
    ])
    return listing(rows.map(shown), total, query)
  }),

  handle(createEnvironment, async ({ params, body }, context) => {
    await lockTenant(context.db, params.id)
    const row = await insertEnvironment(context.db, params.id, body.name)
    await audit(context, {
      action: 'environment.create',
      targetType: 'environment',
      targetId: row.id,
      tenantId: params.id,
      before: null,
      after: shown(row),
    })
    return new Versioned(shown(row), row.version)
  }),
]
