import { uuidv7 } from 'uuidv7'
import { z } from 'zod'
import {
  createEnvironment,
  deleteEnvironment,
  getEnvironment,
  listEnvironments,
  patchEnvironment,
} from '../../core/contract/environments.js'
import { GatewayError } from '../../core/errors.js'
import { type Limits, limitsOver } from '../../core/tiers.js'
import { loadQuery } from '../../io/postgres.js'
import { pageOf, type Queryable, rowOf, rowsOf, theRowOf } from '../../io/query.js'
import { loadSortedQuery } from '../../io/sorted-query.js'
import { audit } from '../audit.js'
import { handle, type Handler, type HandlerContext, Versioned } from './handler.js'
import { limitColumns, limitValues } from './limit-columns.js'
import { listing } from './listing.js'
import { findTenant, lockTenant } from './tenant-rows.js'

const LIST = loadSortedQuery('environments-list')
const FIND = loadQuery('environments-find')
const GET = loadQuery('environments-get')
const LOCK = loadQuery('environments-lock')
const INSERT = loadQuery('environments-insert')
const UPDATE = loadQuery('environments-update')
const DELETE = loadQuery('environments-delete')
const ACTIVE_KEYS = loadQuery('environments-active-keys')
const REVOKE_KEYS = loadQuery('environments-revoke-keys')

/** The environment of clsk_live_ keys, which every tenant has. */
const PRODUCTION = 'production'

const EnvironmentRow = z.object({
  id: z.string(),
  name: z.string(),
  ...limitColumns,
  version: z.coerce.number(),
  created_at: z.date(),
  updated_at: z.date(),
})
type EnvironmentRow = z.infer<typeof EnvironmentRow>

function shown({ version: _version, ...row }: EnvironmentRow) {
  return { ...row, created_at: row.created_at.toISOString(), updated_at: row.updated_at.toISOString() }
}

/** Adds an environment to a tenant that exists. */
export function insertEnvironment(
  db: Queryable,
  tenantId: string,
  name: string,
  limits: Limits,
): Promise<EnvironmentRow> {
  return theRowOf(db, INSERT, EnvironmentRow, [uuidv7(), tenantId, name, ...limitValues(limits)])
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

interface Path {
  readonly id: string
  readonly env_id: string
}

function noEnvironment(id: string): GatewayError {
  const message = `The tenant has no environment '${id}'.`
  return new GatewayError('not_found', { param: 'env_id', message })
}

/**
 * The environment, locked with its tenant: so no key is added to it meanwhile.
 * @throws GatewayError not_found, precondition_failed
 */
async function lock({ db, requireVersion }: HandlerContext, { id, env_id }: Path): Promise<EnvironmentRow> {
  await lockTenant(db, id)
  const row = await rowOf(db, LOCK, EnvironmentRow, [id, env_id])
  if (row === null) throw noEnvironment(env_id)
  requireVersion(row.version)
  return row
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
    const row = await insertEnvironment(context.db, params.id, body.name, body)
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

  handle(getEnvironment, async ({ params }, { db }) => {
    await findTenant(db, params.id)
    const row = await rowOf(db, GET, EnvironmentRow, [params.id, params.env_id])
    if (row === null) throw noEnvironment(params.env_id)
    return new Versioned(shown(row), row.version)
  }),

  handle(patchEnvironment, async ({ params, body }, context) => {
    const before = await lock(context, params)
    const { name = before.name } = body
    if (before.name === PRODUCTION && name !== PRODUCTION) {
      const message = 'The environment production cannot be renamed.'
      throw new GatewayError('invalid_state', { param: 'name', message })
    }
    const values = [before.id, name, ...limitValues(limitsOver(before, body))]
    const after = await theRowOf(context.db, UPDATE, EnvironmentRow, values)
    await audit(context, {
      action: 'environment.update',
      targetType: 'environment',
      targetId: before.id,
      tenantId: params.id,
      before: shown(before),
      after: shown(after),
    })
    return new Versioned(shown(after), after.version)
  }),

  handle(deleteEnvironment, async ({ params }, context) => {
    const { db } = context
    const before = await lock(context, params)
    if (before.name === PRODUCTION) {
      throw new GatewayError('invalid_state', { message: 'The environment production cannot be deleted.' })
    }
    const keys = await rowsOf(db, ACTIVE_KEYS, z.object({ name: z.string() }), [before.id])
    if (keys.length > 0) {
      const names = keys.map((key) => `'${key.name}'`).join(', ')
      throw new GatewayError('in_use', {
        message: `The environment still has active API keys: ${names}. Revoke them first.`,
      })
    }
    await db.query(REVOKE_KEYS, [before.id])
    await db.query(DELETE, [before.id])
    await audit(context, {
      action: 'environment.delete',
      targetType: 'environment',
      targetId: before.id,
      tenantId: params.id,
      before: shown(before),
      after: null,
    })
    return { id: before.id, status: 'deleted' }
  }),
]
