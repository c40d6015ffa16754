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
import { dollarsOfMicros, microsOfDollars } from '../../core/money.js'
import { limitsMoved, limitsOver, TIER_LIMITS, UNLIMITED } from '../../core/tiers.js'
import { loadQuery } from '../../io/postgres.js'
import { pageOf, theRowOf } from '../../io/query.js'
import { loadSortedQuery } from '../../io/sorted-query.js'
import { audit } from '../audit.js'
import { allowedModelIds } from './allowed-models.js'
import { insertApiKey } from './api-key-insert.js'
import { insertEnvironment } from './environments.js'
import { handle, type Handler, type HandlerContext, Versioned } from './handler.js'
import { limitsShown, limitValues } from './limit-columns.js'
import { listing } from './listing.js'
import { findTenant, lockTenantAsSeen, TenantRow } from './tenant-rows.js'
import { tenantTotals } from './tenant-totals.js'

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
    ...limitsShown(row),
    max_monthly_spend_usd:
      row.max_monthly_spend_micros === null ? null : dollarsOfMicros(row.max_monthly_spend_micros),
    allowed_models: row.allowed_models,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  }
}

/** Writes the row as it is to be, and what that changed into the audit log. */
async function update(context: HandlerContext, action: string, before: TenantRow, wanted: TenantRow) {
  const { id } = before
  const after = await theRowOf(context.db, UPDATE, TenantRow, [
    id,
    wanted.name,
    wanted.email,
    wanted.tier,
    wanted.allowed_model_ids,
    ...limitValues(wanted),
    wanted.max_monthly_spend_micros,
    wanted.status,
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

async function setStatus(context: HandlerContext, action: string, id: string, status: TenantRow['status']) {
  const before = await lockTenantAsSeen(context, id)
  return update(context, action, before, { ...before, status })
}

async function change({ params, body }: TenantChange, context: HandlerContext) {
  const before = await lockTenantAsSeen(context, params.id)
  const { name = before.name, email = before.email, tier = before.tier, allowed_models } = body
  return update(context, 'tenant.update', before, {
    ...before,
    name,
    email,
    tier,
    ...limitsOver(limitsMoved(before, before.tier, tier), body),
    max_monthly_spend_micros:
      body.max_monthly_spend_usd === undefined
        ? before.max_monthly_spend_micros
        : microsOrNull(body.max_monthly_spend_usd),
    allowed_model_ids:
      allowed_models === undefined
        ? before.allowed_model_ids
        : await allowedModelIds(context.db, allowed_models),
  })
}

function microsOrNull(dollars: number | null): number | null {
  return dollars === null ? null : microsOfDollars(dollars)
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
    const tenant = await theRowOf(db, INSERT, TenantRow, [
      uuidv7(),
      body.name,
      body.email,
      body.tier,
      allowed,
      ...limitValues(limitsOver(TIER_LIMITS[body.tier], body)),
      microsOrNull(body.max_monthly_spend_usd),
    ])
    const environment = await insertEnvironment(db, tenant.id, 'production', UNLIMITED)
    const { key } = await insertApiKey(db, {
      tenantId: tenant.id,
      environment,
      name: 'First key',
      role: 'admin',
      allowedModelIds: null,
      expiresAt: null,
      limits: UNLIMITED,
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

  handle(getTenant, async ({ params }, context) => {
    const row = await findTenant(context.db, params.id)
    const totals = await tenantTotals(context, params.id)
    return new Versioned({ ...shown(row), api_keys_count: row.api_keys_count, ...totals }, row.version)
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

  handle(suspendTenant, ({ params }, context) =>
    setStatus(context, 'tenant.suspend', params.id, 'suspended'),
  ),
  handle(activateTenant, ({ params }, context) => setStatus(context, 'tenant.activate', params.id, 'active')),
]
