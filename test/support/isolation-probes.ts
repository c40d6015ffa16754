import assert from 'node:assert/strict'
import type { TenantEndpoint } from '../../src/core/contract/endpoint.js'

/** What belongs to a tenant, or only it may use, and the like of it that never existed. */
export interface Pair {
  readonly existing: string
  readonly never: string
}

/** By the name of the parameter, or of the field of a body, that takes it. */
export type Foreign = Readonly<Record<string, Pair>>

/** What a caller tries: a request with something of somebody else's in it, and the same with what never existed. */
export interface Probe {
  readonly what: string
  readonly pair: Pair
  readonly method: string
  readonly existing: ProbeRequest
  readonly never: ProbeRequest
}

export interface ProbeRequest {
  readonly path: string
  readonly body?: object
}

/** Parameters and fields that name nothing which a tenant has: ranges, forms, sizes, and models, which are the platform's. */
const HARMLESS: ReadonlySet<string> = new Set([
  'start_date',
  'end_date',
  'tz',
  'period',
  'granularity',
  'format',
  'type',
  'status',
  'limit',
  'offset',
  'sort',
  'name',
  'role',
  'rate_limit_per_minute',
  'tokens_per_minute',
  'max_concurrency',
  'expires_at',
  'overlap_seconds',
  'allowed_models',
])

const namesOf = (schema: TenantEndpoint['params']) => Object.keys(schema?.shape ?? {})

/**
 * Everything that can be tried at an endpoint with what is foreign: each of its path parameters, and each parameter and
 * field beside them. @throws for a name that neither `foreign` nor {@link HARMLESS} knows: it has to be thought about
 */
export function probesOf(endpoint: TenantEndpoint, foreign: Foreign): Probe[] {
  const { id, method, path, params, query, body } = endpoint
  const foreignOf = (name: string): Pair => {
    const pair = foreign[name]
    assert.ok(pair, `${id}: it is not known what '${name}' would be of another tenant`)
    return pair
  }
  const plainBody = body === undefined ? undefined : 'name' in body.shape ? { name: 'probe' } : {}
  if (plainBody !== undefined) assert.ok(body?.safeParse(plainBody).success, `${id}: no body is known`)
  const inPath = namesOf(params)
  const filled = (which: keyof Pair) =>
    path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(foreignOf(name)[which]))
  const request = (which: keyof Pair, more: { query?: string; field?: string } = {}): ProbeRequest => {
    const asked =
      more.query === undefined ? '' : `?${more.query}=${encodeURIComponent(foreignOf(more.query)[which])}`
    const field = more.field === undefined ? {} : { [more.field]: foreignOf(more.field)[which] }
    return {
      path: filled(which) + asked,
      ...(plainBody !== undefined && { body: { ...plainBody, ...field } }),
    }
  }
  const probe = (what: string, name: string, more: { query?: string; field?: string } = {}): Probe => ({
    what: `${method} ${path} ${what}`.trim(),
    pair: foreignOf(name),
    method,
    existing: request('existing', more),
    never: request('never', more),
  })
  const told = (names: string[]) => names.filter((name) => !HARMLESS.has(name))
  const [first] = inPath
  return [
    ...(first === undefined ? [] : [probe('', first)]),
    ...told(namesOf(query)).map((name) => probe(`?${name}`, name, { query: name })),
    ...told(namesOf(body)).map((name) => probe(`{${name}}`, name, { field: name })),
  ]
}
