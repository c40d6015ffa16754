import fc from 'fast-check'
import type { Operation, Parameter } from './operations.js'
import { fitting, mostly, wildText, wildValue } from './values.js'

/** What stands in the place of a path parameter: the n-th row that was seen there, or a text, already encoded. */
export type Place = { readonly seen: number } | { readonly text: string }

export interface FuzzRequest {
  readonly operation: Operation
  /** Mostly that of the operation. */
  readonly method: string
  readonly places: Readonly<Record<string, Place>>
  /** Behind the path: nothing, or what makes it another one. */
  readonly suffix: string
  /** Without the question mark. */
  readonly query: string
  readonly credential: 'right' | 'wrong' | 'none'
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array | null
}

/** A text of any characters in a URL; a lone surrogate has no encoding. */
function encoded(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replaceAll('.', '%2e')
}

/** Requests for one of the operations. */
export function requestsFor(operations: readonly Operation[]): fc.Arbitrary<FuzzRequest> {
  return fc.oneof(...operations.map(requestOf))
}

function requestOf(operation: Operation): fc.Arbitrary<FuzzRequest> {
  const parameters = (place: Parameter['in']) => operation.parameters.filter((other) => other.in === place)
  const places = parameters('path').map(({ name, schema }) => [name, placeOf(operation, schema)])
  return fc.record({
    // A failure names it, and does not print all of its schemas.
    operation: fc.constant({ ...operation, [fc.toStringMethod]: () => operation.id }),
    method: mostly(
      [30, fc.constant(operation.method)],
      [1, fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS')],
    ),
    places: fc.record(Object.fromEntries(places) as Record<string, fc.Arbitrary<Place>>),
    suffix: mostly([60, fc.constant('')], [1, fc.constantFrom('/', '//', '/x', '/..', '%20')]),
    query: queryOf(operation, parameters('query')),
    credential: mostly(
      // Each of a caller who fails often is answered seconds later.
      [500, fc.constant('right' as const)],
      [1, fc.constantFrom('wrong' as const, 'none' as const)],
    ),
    headers: headersOf(parameters('header').map(({ name }) => name)),
    body: bodyOf(operation),
  })
}

function placeOf({ schemas }: Operation, schema: unknown): fc.Arbitrary<Place> {
  const text = (arbitrary: fc.Arbitrary<unknown>) =>
    arbitrary.map((value) => ({ text: encoded(String(value)) }))
  return mostly<Place>(
    [8, fc.nat(5).map((seen) => ({ seen }))],
    [1, text(fitting(schema, schemas))],
    [1, text(wildText)],
  )
}

function queryOf({ schemas }: Operation, parameters: readonly Parameter[]): fc.Arbitrary<string> {
  const pairs = parameters.map(({ name, schema }) => {
    const value = mostly<unknown>([6, fitting(schema, schemas)], [1, wildText])
    return mostly<string | null>(
      [4, fc.constant(null)],
      [1, value.map((text) => `${name}=${encoded(String(text))}`)],
    )
  })
  const stray = mostly<string | null>(
    [40, fc.constant(null)],
    [1, fc.constantFrom('nmae=1', '__proto__=1', 'limit=1&limit=2', 'a=%ff', '=', '&&', 'limit', 'limit=%')],
    [1, wildText.map((text) => `${encoded(text)}=1`)],
  )
  return fc.tuple(...pairs, stray).map((parts) => parts.filter((part) => part !== null).join('&'))
}

function headersOf(names: readonly string[]): fc.Arbitrary<Record<string, string>> {
  const values: Readonly<Record<string, fc.Arbitrary<string>>> = {
    'Idempotency-Key': mostly(
      [6, fc.nat(400).map((number) => `key-${number}`)],
      [1, fc.constantFrom('a b', 'x'.repeat(256), 'é')],
    ),
    'If-Match': mostly(
      [6, fc.constantFrom('*', '"1"', '"2"', '"1", "2"', 'W/"1"')],
      [1, fc.constantFrom('1', '"', '"1" "2"', ',', '"é"')],
    ),
    // Not said of any operation, but anyone may send it.
    'X-Request-Id': fc.constantFrom('mine', 'x'.repeat(200), 'a b'),
    'Content-Type': fc.constantFrom('application/json', 'text/plain', 'application/xml; charset=utf-16', ';'),
  }
  const declared = [...names, 'Content-Type', 'X-Request-Id']
  const chosen = Object.entries(values).map(([name, value]) => {
    const header = value.map((text): [string, string] => [name, text])
    return mostly<[string, string] | null>(
      [declared.includes(name) ? 3 : 100, fc.constant(null)],
      [1, header],
    )
  })
  return fc.tuple(...chosen).map((pairs) => Object.fromEntries(pairs.filter((pair) => pair !== null)))
}

const TEXTS = [
  '',
  '{',
  'null',
  '[]',
  '"x"',
  '{}{}',
  "{'name':1}",
  '\ufeff{}',
  '{"name":1e999}',
  '{"name":"a","name":"b"}',
  '{"__proto__":{"name":"x"}}',
  '{"constructor":{"prototype":1}}',
  '['.repeat(20_000),
  '{"a":'.repeat(40) + '1' + '}'.repeat(40),
]

function bodyOf({ body, schemas }: Operation): fc.Arbitrary<string | Uint8Array | null> {
  const raw = mostly<string | Uint8Array>(
    [6, fc.constantFrom(...TEXTS)],
    [2, fc.uint8Array({ minLength: 1, maxLength: 40 })],
    [2, wildValue.map((value) => JSON.stringify(value))],
    [1, fc.constant(`{"name":"${'x'.repeat(1024 * 1024)}"}`)],
  )
  if (body === null) return mostly<string | Uint8Array | null>([20, fc.constant(null)], [1, raw])
  const fit = fitting(body, schemas)
  return mostly<string | Uint8Array | null>(
    [10, fit.map((value) => JSON.stringify(value))],
    [
      10,
      fc
        .tuple(fit, fc.array(mutation, { minLength: 1, maxLength: 2 }))
        .map(([value, all]) => mutated(value, all)),
    ],
    [2, raw],
    [1, fc.constant(null)],
  )
}

interface Mutation {
  readonly kind: 'replace' | 'remove' | 'add'
  readonly index: number
  readonly name: string
  readonly value: unknown
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constantFrom('replace' as const, 'replace' as const, 'remove' as const, 'add' as const),
  index: fc.nat(30),
  name: mostly([2, fc.constantFrom('nmae', 'id', '__proto__', 'toString', '')], [1, wildText]),
  value: wildValue,
})

/** A body with some of its fields replaced by anything, left out, or beside ones that nobody knows. */
function mutated(value: unknown, mutations: readonly Mutation[]): string {
  const fields = Object.entries(value as object) as [string, unknown][]
  for (const { kind, index, name, value: other } of mutations) {
    const at = index % Math.max(1, fields.length)
    if (kind === 'add') fields.push([name, other])
    else if (kind === 'remove') fields.splice(at, 1)
    else fields.splice(at, 1, [fields[at]?.[0] ?? name, other])
  }
  // Written by hand: an object could not hold every name, nor one twice.
  const members = fields.map(([name, field]) => `${JSON.stringify(name)}:${JSON.stringify(field) ?? 'null'}`)
  return `{${members.join(',')}}`
}
