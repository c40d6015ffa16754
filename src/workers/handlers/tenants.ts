import { uuidv7 } from 'uuidv7'
import {
  activateTenant,
  createTenant,
  deleteTenant,
  getTenant,
  listTenants,
  patchTenant,
  putTenant,
  suspendTenant,
  type TenantChange,
} from '../../core/contract/tenants.js'
import { dollarsOfMicros } from '../../core/money.js'
import { loadQuery } from '../../io/postgres.js'
import { pageOf, theRowOf } from '../../io/query.js'
import { loadSortedQuery } from '../../io/sorted-query.js'
import { audit } from '../audit.js'
import { allowedModelIds } from './allowed-models.js'
import { insertApiKey } from './api-key-insert.js'
import { insertEnvironment } from './environments.js'
import { handle, type Handler, type HandlerContext, Versioned } from './handler.js'
import { listing } from './listing.js'
import { findTenant, lockTenantAsSeen, TenantRow } from './tenant-rows.js'

const LIST = loadSortedQuery('tenants-list')
const INSERT = loadQuery('tenants-insert')
const UPDATE = loadQuery('tenants-update')
const DELETE = loadQuery('tenants-delete')

function shown(row: TenantRow) {
  return {
    id: row.id,
    name: row.name,
    email: row.email,
    tier: row.tier,
    status: row.status,
    rate_limit_per_minute: row.rate_limit_per_minute,
    tokens_per_minute: row.tokens_per_minute,
    max_concurrency: row.max_concurrency,
    max_monthly_spend_usd:
      row.max_monthly_spend_micros === null ? null : dollarsOfMicros(row.max_monthly_spend_micros),
    allowed_models: row.allowed_models,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  }
}

/** Writes the row with some columns replaced, and what that changed into the audit log. */
async function update(
  context: HandlerContext,
  action: string,
  before: TenantRow,
  changes: Partial<Pick<TenantRow, 'name' | 'email' | 'tier' | 'allowed_model_ids' | 'status'>>,
) {
  const { id, name, email, tier, allowed_model_ids, status } = { ...before, ...changes }
  const after = await theRowOf(context.db, UPDATE, TenantRow, [
    id,
    name,
    email,
    tier,
    allowed_model_ids,
    status,
  ])
  const change = {
    targetType: 'tenant',
    targetId: id,
    tenantId: id,
    before: shown(before),
    after: shown(after),
  }
  await audit(context, { action, ...change })
  return new Versioned(shown(after), after.version)
}

async function change({ params, body }: TenantChange, context: HandlerContext) {
  const before = await lockTenantAsSeen(context, params.id)
  const { name = before.name, email = before.email, tier = before.tier, allowed_models } = body
  const allowed =
    allowed_models === undefined
      ? before.allowed_model_ids
      : await allowedModelIds(context.db, allowed_models)
  return update(context, 'tenant.update', before, { name, email, tier, allowed_model_ids: allowed })
}

export const tenantsHandlers: readonly Handler[] = [
  handle(listTenants, async ({ query }, { db }) => {
    const filters = [
      query.tier ?? null,
      query.status ?? null,
      query.search ?? null,
      query.limit,
      query.offset,
    ]
    const { rows, total } = await pageOf(db, LIST(query.sort), TenantRow, filters)
    return listing(rows.map(shown), total, query)
  }),

  handle(createTenant, async ({ body }, context) => {
    const { db } = context
    const allowed = await allowedModelIds(db, body.allowed_models)
    const values = [uuidv7(), body.name, body.email, body.tier, allowed]
    const tenant = await theRowOf(db, INSERT, TenantRow, values)
    const environment = await insertEnvironment(db, tenant.id, 'production')
    const { key } = await insertApiKey(db, {
      tenantId: tenant.id,
      environment,
      name: 'First key',
      role: 'admin',
      allowedModelIds: null,
      expiresAt: null,
    })
    await audit(context, {
      action: 'tenant.create',
      targetType: 'tenant',
      targetId: tenant.id,
      tenantId: tenant.id,
      before: null,
      after: shown(tenant),
    })
    return { tenant: shown(tenant), api_key: key }
  }),

  handle(getTenant, async ({ params }, { db }) => {
    const row = await findTenant(db, params.id)
    return new Versioned({ ...shown(row), api_keys_count: row.api_keys_count }, row.version)
  }),

  handle(putTenant, change),
  handle(patchTenant, change),

  handle(deleteTenant, async ({ params: { id } }, context) => {
    const before = await lockTenantAsSeen(context, id)
    await context.db.query(DELETE, [id])
    const target = { targetType: 'tenant', targetId: id, tenantId: id }
    await audit(context, { action: 'tenant.delete', ...target, before: shown(before), after: null })
    return { id, status: 'deleted' }
  }),

  handle(suspendTenant, async ({ params }, context) =>
    update(context, 'tenant.suspend', await lockTenantAsSeen(context, params.id), { status: 'suspended' }),
  ),
  handle(activateTenant, async ({ params }, context) =>
    update(context, 'tenant.activate', await lockTenantAsSeen(context, params.id), { status: 'active' }),
  ),
]
