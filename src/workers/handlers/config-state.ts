import { z } from 'zod'
import { inOrder } from '../../core/config-diff.js'
import { Tier } from '../../core/contract/tenants.js'
import { dollarsOfMicros } from '../../core/money.js'
import type { Limits } from '../../core/tiers.js'
import { loadQuery } from '../../io/postgres.js'
import { type Queryable, theRowOf } from '../../io/query.js'
import { RouteColumns } from '../../io/route-rows.js'
import { hourlyPrices, type InstanceTypeFields, InstanceTypeRow } from './instance-type-rows.js'
import { type ModelFields, ModelRow, tokenPrices } from './models.js'
import { type RegionFields, RegionRow } from './region-rows.js'
import { type RouteFields, routeFieldsOf } from './route-fields.js'

const READ = loadQuery('config-read')

/** What rows have and the document does not. */
const UNSHOWN = { version: true, created_at: true, updated_at: true } as const

const State = z.object({
  models: z.array(ModelRow.omit(UNSHOWN).extend({ route: RouteColumns })),
  tenants: z.array(
    z.object({
      id: z.string(),
      email: z.string(),
      tier: Tier,
      rate_limit_per_minute: z.number().nullable(),
      tokens_per_minute: z.number().nullable(),
      max_concurrency: z.number().nullable(),
      max_monthly_spend_micros: z.number().nullable(),
      allowed_models: z.array(z.string()).nullable(),
    }),
  ),
  regions: z.array(RegionRow.omit(UNSHOWN)),
  instance_types: z.array(InstanceTypeRow.omit(UNSHOWN)),
})
type State = z.infer<typeof State>

export interface TenantLimits extends Limits {
  readonly email: string
  readonly tier: z.infer<typeof Tier>
  readonly max_monthly_spend_usd: number | null
  readonly allowed_models: string[] | null
}

export type NamedRoute = { readonly model: string } & RouteFields

/** A row with its id, which the document does not show. */
export interface Stored<T> {
  readonly id: string
  readonly row: T
}

/** Rows by their names in the document. */
export interface ConfigState {
  readonly models: ReadonlyMap<string, Stored<ModelFields>>
  /** Of every model, with the model's id. */
  readonly routes: ReadonlyMap<string, Stored<NamedRoute>>
  readonly tenants: ReadonlyMap<string, Stored<TenantLimits>>
  readonly regions: ReadonlyMap<string, Stored<RegionFields>>
  readonly instance_types: ReadonlyMap<string, Stored<InstanceTypeFields>>
}

/** What a row is called in the document. */
export const NAME_OF = {
  models: ({ name }: { name: string }) => name,
  routes: ({ model }: { model: string }) => model,
  tenants: ({ email }: { email: string }) => email.toLowerCase(),
  regions: ({ provider, code }: { provider: string; code: string }) => `${provider}/${code}`,
  instance_types: ({ provider, name }: { provider: string; name: string }) => `${provider}/${name}`,
}

/**
 * Everything that the document shows, as of one moment, each row in the document's form: fields in one order, sets
 * sorted.
 * @param emails of the tenants that are wanted, in lower case; null: all
 */
export async function readConfig(db: Queryable, emails: readonly string[] | null): Promise<ConfigState> {
  const state = await theRowOf(db, READ, State, [emails])
  return {
    models: byName(state.models, NAME_OF.models, (row) => canonicalModel({ ...row, ...tokenPrices(row) })),
    routes: byName(
      state.models.map(({ id, name, route }) => ({ id, model: name, route })),
      NAME_OF.routes,
      ({ id, model, route }) => canonicalRoute(model, routeFieldsOf(id, route)),
    ),
    tenants: byName(state.tenants, NAME_OF.tenants, tenantOf),
    regions: byName(state.regions, NAME_OF.regions, canonicalRegion),
    instance_types: byName(state.instance_types, NAME_OF.instance_types, (row) =>
      canonicalInstanceType({ ...row, ...hourlyPrices(row, 1) }),
    ),
  }
}

/** The rows in the order of their names. */
export function documentRows<T>(rows: ReadonlyMap<string, Stored<T>>): T[] {
  return [...rows.keys()].sort().flatMap((name) => rows.get(name)?.row ?? [])
}

function byName<R extends { id: string }, T>(
  rows: readonly R[],
  nameOf: (row: R) => string,
  shown: (row: R) => T,
): Map<string, Stored<T>> {
  return new Map(rows.map((row) => [nameOf(row), { id: row.id, row: shown(row) }]))
}

function tenantOf(row: State['tenants'][number]): TenantLimits {
  const spend = row.max_monthly_spend_micros
  return canonicalTenant({ ...row, max_monthly_spend_usd: spend === null ? null : dollarsOfMicros(spend) })
}

export function canonicalModel(model: ModelFields): ModelFields {
  return {
    name: model.name,
    aliases: [...model.aliases].sort(),
    family: model.family,
    size: model.size,
    type: model.type,
    status: model.status,
    context_length: model.context_length,
    vram_required_gb: model.vram_required_gb,
    price_input_per_million: model.price_input_per_million,
    price_output_per_million: model.price_output_per_million,
    price_cached_input_per_million: model.price_cached_input_per_million,
    tokens_per_second_capacity: model.tokens_per_second_capacity,
    metadata: z.record(z.string(), z.unknown()).parse(inOrder(model.metadata)),
  }
}

export function canonicalRoute(model: string, route: RouteFields): NamedRoute {
  return {
    model,
    strategy: route.strategy,
    health_check: route.health_check,
    connection_timeout_ms: route.connection_timeout_ms,
    first_token_timeout_ms: route.first_token_timeout_ms,
    idle_timeout_ms: route.idle_timeout_ms,
    node_weights: z.record(z.string(), z.number()).parse(inOrder(route.node_weights)),
    allowed_body_fields: [...route.allowed_body_fields].sort(),
    sticky_sessions: route.sticky_sessions,
    retry: route.retry,
    resume_streams: route.resume_streams,
    queue: route.queue,
    fallback_models: route.fallback_models,
    mirror: route.mirror,
    split: [...route.split].sort((one, other) => (one.model < other.model ? -1 : 1)),
  }
}

export function canonicalTenant(tenant: TenantLimits): TenantLimits {
  return {
    email: tenant.email,
    tier: tenant.tier,
    rate_limit_per_minute: tenant.rate_limit_per_minute,
    tokens_per_minute: tenant.tokens_per_minute,
    max_concurrency: tenant.max_concurrency,
    max_monthly_spend_usd: tenant.max_monthly_spend_usd,
    allowed_models: tenant.allowed_models === null ? null : [...tenant.allowed_models].sort(),
  }
}

export function canonicalRegion(region: RegionFields): RegionFields {
  return {
    provider: region.provider,
    code: region.code,
    name: region.name,
    price_multiplier: region.price_multiplier,
  }
}

export function canonicalInstanceType(type: InstanceTypeFields): InstanceTypeFields {
  return {
    provider: type.provider,
    name: type.name,
    vcpus: type.vcpus,
    memory_gb: type.memory_gb,
    gpu_model: type.gpu_model,
    gpu_count: type.gpu_count,
    gpu_memory_gb: type.gpu_memory_gb,
    regions: type.regions === null ? null : [...type.regions].sort(),
    price_on_demand_per_hour: type.price_on_demand_per_hour,
    price_spot_per_hour: type.price_spot_per_hour,
    price_as_of: type.price_as_of,
  }
}
