import fc from 'fast-check'
import { inOrder } from '../../src/core/config-diff.js'

const name = fc.stringMatching(/^[a-z0-9][A-Za-z0-9._:/-]{0,11}$/)
const slug = fc.stringMatching(/^[a-z][a-z0-9-]{0,7}$/)
const code = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,7}$/)
const text = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
  .filter((string) => /^[^\p{Cc}\p{Cs}]*$/u.test(string) && /[^\s\p{Cf}]/u.test(string))
const dollars = fc.integer({ min: 0, max: 1_000_000_000_000 }).map((micros) => micros / 1_000_000)
const positive = fc.double({ min: 0.01, max: 100, noNaN: true })
const orNull = <T>(some: fc.Arbitrary<T>) => fc.option(some, { nil: null })
const timeoutMs = fc.integer({ min: 1, max: 3_600_000 })
const metadata = fc
  .dictionary(
    fc.string({ unit: 'binary', maxLength: 8 }).filter((key) => key !== '__proto__'),
    fc.jsonValue({ maxDepth: 2, stringUnit: 'binary' }),
    { maxKeys: 3, noNullPrototype: true },
  )
  .filter((value) => storable(value))
  .map(inOrder)

/** What the contract takes as metadata. */
function storable(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed() && !value.includes('\0')
  if (typeof value === 'number') {
    return Number.isInteger(value) ? Number.isSafeInteger(value) && !Object.is(value, -0) : true
  }
  if (typeof value !== 'object' || value === null) return true
  return Object.entries(value).every(
    ([key, inner]) => key !== '__proto__' && storable(key) && storable(inner),
  )
}

const modelFields = {
  family: text,
  size: orNull(text),
  type: fc.constantFrom('chat', 'completion', 'embedding'),
  status: fc.constantFrom('active', 'deprecated', 'beta'),
  context_length: fc.integer({ min: 1, max: 1_000_000_000 }),
  vram_required_gb: fc.double({ min: 0, max: 1_000_000, noNaN: true }).map((gb) => gb + 0),
  price_input_per_million: dollars,
  price_output_per_million: dollars,
  price_cached_input_per_million: orNull(dollars),
  tokens_per_second_capacity: orNull(positive),
  metadata,
}

const route = {
  strategy: fc.constantFrom(
    'round-robin',
    'least-latency',
    'least-connections',
    'weighted',
    'prefix-affinity',
  ),
  health_check: fc.record({
    interval_seconds: fc.double({ min: 0.5, max: 3600, noNaN: true }),
    timeout_seconds: fc.double({ min: 0.1, max: 60, noNaN: true }),
    unhealthy_threshold: fc.integer({ min: 1, max: 100 }),
    healthy_threshold: fc.integer({ min: 1, max: 100 }),
  }),
  connection_timeout_ms: timeoutMs,
  first_token_timeout_ms: timeoutMs,
  idle_timeout_ms: timeoutMs,
  node_weights: fc.constant({}),
  allowed_body_fields: fc.subarray(['cache_salt', 'chat_template', 'kv_transfer_params', 'priority']),
  sticky_sessions: fc.boolean(),
  retry: fc.record({
    attempts: fc.integer({ min: 1, max: 10 }),
    budget_percent: fc.double({ min: 0, max: 100, noNaN: true }).map((percent) => percent + 0),
    hedge_after_ms: orNull(timeoutMs),
  }),
  resume_streams: fc.boolean(),
  queue: fc.record({
    max_depth: fc.nat(100_000),
    max_wait_ms: fc.nat(600_000),
    cold_start_max_wait_ms: fc.nat(3_600_000),
  }),
}

/** The models that a route names: of its model's type, and fallbacks and split only those after it, so without loops. */
function routeModels(model: { name: string; type: string }, all: { name: string; type: string }[]) {
  const others = all.filter(({ name: other, type }) => other !== model.name && type === model.type)
  const after = others.map((other) => other.name).filter((other) => other > model.name)
  const share = (name: string) =>
    fc.integer({ min: 1, max: 1250 }).map((hundredths) => ({ model: name, percent: hundredths / 100 }))
  const some = { maxLength: Math.min(after.length, 8) }
  return {
    fallback_models: fc.shuffledSubarray(after, some),
    mirror:
      others.length === 0
        ? fc.constant(null)
        : orNull(fc.constantFrom(...others).chain((other) => share(other.name))),
    split: fc.subarray(after, some).chain((names) => fc.tuple(...names.map(share))),
  }
}

const region = fc.record({ provider: slug, code, name: text, price_multiplier: positive })

const instanceType = (provider: string, codes: string[]) =>
  fc
    .record({
      name: code,
      vcpus: fc.integer({ min: 1, max: 100_000 }),
      memory_gb: positive,
      gpu: orNull(fc.record({ model: text, count: fc.integer({ min: 1, max: 16 }), memory: positive })),
      regions: codes.length === 0 ? fc.constant(null) : orNull(fc.subarray(codes, { minLength: 1 })),
      price_on_demand_per_hour: orNull(dollars),
      price_spot_per_hour: orNull(dollars),
      price_as_of: orNull(fc.constantFrom('1970-01-01', '2024-02-29', '2025-06-01')),
    })
    .map(({ gpu, ...type }) => ({
      provider,
      ...type,
      gpu_model: gpu?.model ?? null,
      gpu_count: gpu?.count ?? 0,
      gpu_memory_gb: gpu?.memory ?? null,
      regions: type.regions === null ? null : type.regions.toSorted(),
    }))

/** Rows one of each name, in the order of the names. */
function sorted<T>(rows: T[], nameOf: (row: T) => string): T[] {
  const byName = new Map(rows.map((row) => [nameOf(row), row]))
  return [...byName.keys()].sort().flatMap((key) => byName.get(key) ?? [])
}

/**
 * Whole configuration documents as an export writes them: every field, in its order of rows, every reference there.
 * @param emails of the tenants that there are, in order
 */
export function configDocument(emails: readonly string[]): fc.Arbitrary<object> {
  const models = fc.uniqueArray(name, { maxLength: 12 }).chain((names) => {
    // Some names are models' own, the others aliases of one of these.
    const own = names.slice(0, Math.ceil(names.length / 2))
    const aliases = names.slice(own.length)
    return fc.tuple(
      ...own.map((model, index) =>
        fc.record({
          name: fc.constant(model),
          aliases: fc.constant(aliases.filter((_, at) => at % own.length === index).sort()),
          ...modelFields,
        }),
      ),
    )
  })
  const places = fc.array(region, { maxLength: 4 }).chain((rows) => {
    const regions = sorted(rows, ({ provider, code: of }) => `${provider}/${of}`)
    const types = fc.array(
      fc.constantFrom('other', ...regions.map(({ provider }) => provider)).chain((provider) =>
        instanceType(
          provider,
          regions.filter((row) => row.provider === provider).map((row) => row.code),
        ),
      ),
      { maxLength: 4 },
    )
    return types.map((list) => ({
      regions,
      instance_types: sorted(list, (type) => `${type.provider}/${type.name}`),
    }))
  })
  return fc.tuple(models, places).chain(([list, { regions, instance_types }]) => {
    const byName = sorted(list, (model) => model.name)
    const names = byName.map((model) => model.name)
    return fc
      .record({
        routes: fc.tuple(
          ...byName.map((model) =>
            fc.record({ model: fc.constant(model.name), ...route, ...routeModels(model, byName) }),
          ),
        ),
        tenants: fc.tuple(
          ...emails.map((email) =>
            fc.record({
              email: fc.constant(email),
              tier: fc.constantFrom('free', 'starter', 'pro', 'enterprise'),
              rate_limit_per_minute: fc.constant(null),
              tokens_per_minute: fc.constant(null),
              max_concurrency: fc.constant(null),
              max_monthly_spend_usd: fc.constant(null),
              allowed_models: orNull(fc.subarray(names)),
            }),
          ),
        ),
      })
      .map(({ routes, tenants }) => {
        const document = { version: 1, models: byName, routes, tenants, regions, instance_types }
        // Plain objects, which fast-check's not always are.
        return JSON.parse(JSON.stringify(document)) as object
      })
  })
}
