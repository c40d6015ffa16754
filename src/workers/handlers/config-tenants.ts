import type { SectionDiff } from '../../core/config-diff.js'
import type { ConfigDocument } from '../../core/contract/config.js'
import { GatewayError } from '../../core/errors.js'
import { microsOfDollars } from '../../core/money.js'
import { limitsMoved, limitsOver } from '../../core/tiers.js'
import { loadQuery } from '../../io/postgres.js'
import type { Queryable } from '../../io/query.js'
import { allowedModelIds } from './allowed-models.js'
import { planOf } from './config-section.js'
import { canonicalTenant, type ConfigState, NAME_OF, type TenantLimits } from './config-state.js'

const UPDATE = loadQuery('config-tenant-update')

type Entries = ConfigDocument['tenants']
type Entry = NonNullable<Entries>[number]

/**
 * Makes the limits of tenants what a document says, under the lock of the import. Tenants that are not in it stay.
 * @throws GatewayError not_found for a tenant or a model that is not there, with the place in the document
 */
export async function importTenants(
  db: Queryable,
  entries: Entries,
  { models, tenants }: Pick<ConfigState, 'models' | 'tenants'>,
): Promise<SectionDiff> {
  const names = new Map([...models.values()].map(({ id, row }) => [id, row.name]))
  const { diff, writes } = await planOf({
    name: 'tenants',
    entries,
    nameField: 'email',
    nameOf: NAME_OF.tenants,
    stored: tenants,
    prune: false,
    wantedOf: async (entry, before) => {
      if (before === undefined) {
        // It would come with a key that is shown once, and a document has no place to show it.
        const message = `There is no tenant with the email '${entry.email}'.`
        throw new GatewayError('not_found', { param: 'email', message })
      }
      const limits = mergedLimits(before.row, entry)
      if (entry.allowed_models === undefined) return canonicalTenant(limits)
      const ids = await allowedModelIds(db, entry.allowed_models)
      const own = ids?.flatMap((id) => names.get(id) ?? []) ?? null
      return canonicalTenant({ ...limits, allowed_models: own })
    },
  })
  for (const { entry, row, stored } of writes) {
    if (stored === undefined) continue
    await db.query(UPDATE, [
      stored.id,
      row.tier,
      row.rate_limit_per_minute,
      row.tokens_per_minute,
      row.max_concurrency,
      exactMicros(row.max_monthly_spend_usd),
      // Left out, it stays as it is stored: models that are deleted do not show, but are no reason to allow all.
      entry.allowed_models !== undefined,
      row.allowed_models?.flatMap((name) => models.get(name)?.id ?? []) ?? null,
    ])
  }
  return diff
}

function mergedLimits(before: TenantLimits, entry: Entry): TenantLimits {
  const { tier = before.tier, max_monthly_spend_usd = before.max_monthly_spend_usd } = entry
  return {
    email: before.email,
    tier,
    ...limitsOver(limitsMoved(before, before.tier, tier), entry),
    max_monthly_spend_usd,
    allowed_models: before.allowed_models,
  }
}

/** Null is unlimited, and nothing else may become it. */
function exactMicros(dollars: number | null): number | null {
  if (dollars === null) return null
  const micros = microsOfDollars(dollars)
  if (micros === null) throw new Error('an amount that is not exact in micro-dollars passed the contract')
  return micros
}
