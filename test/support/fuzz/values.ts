import fc from 'fast-check'
import { z } from 'zod'
import type { Schemas } from './operations.js'

/** Values by a JSON Schema, mostly of what it takes, and values that nobody expects. */

const Schema = z.looseObject({
  $ref: z.string().optional(),
  type: z.union([z.string(), z.array(z.string())]).optional(),
  format: z.string().optional(),
  pattern: z.string().optional(),
  examples: z.array(z.unknown()).default([]),
  enum: z.array(z.unknown()).optional(),
  anyOf: z.array(z.unknown()).optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
  propertyNames: z.unknown().optional(),
  additionalProperties: z.unknown().optional(),
  required: z.array(z.string()).default([]),
  items: z.unknown().optional(),
  minLength: z.number().optional(),
  maxLength: z.number().optional(),
  minimum: z.number().optional(),
  exclusiveMinimum: z.number().optional(),
  maximum: z.number().optional(),
})
type Schema = z.infer<typeof Schema>

/** One of several, with how often each is taken. */
export function mostly<T>(...choices: [number, fc.Arbitrary<T>][]): fc.Arbitrary<T> {
  return fc.oneof(...choices.map(([weight, arbitrary]) => ({ weight, arbitrary })))
}

/** Values that the schema takes, as far as it says what it takes. */
export function fitting(schema: unknown, schemas: Schemas): fc.Arbitrary<unknown> {
  const shape = Schema.parse(schema === true ? {} : schema)
  if (shape.$ref !== undefined)
    return fitting(schemas[shape.$ref.slice(shape.$ref.lastIndexOf('/') + 1)], schemas)
  if ('const' in shape) return fc.constant(shape['const'])
  if (shape.enum !== undefined) return fc.constantFrom(...shape.enum)
  if (shape.anyOf !== undefined) return fc.oneof(...shape.anyOf.map((variant) => fitting(variant, schemas)))
  const types = Array.isArray(shape.type) ? shape.type : [shape.type ?? '']
  const made = fc.oneof(...types.map((type) => ofType(type, shape, schemas)))
  if (shape.examples.length === 0) return made
  return fc.oneof({ arbitrary: fc.constantFrom(...shape.examples), weight: 2 }, made)
}

function ofType(type: string, shape: Schema, schemas: Schemas): fc.Arbitrary<unknown> {
  switch (type) {
    case 'object':
      return objects(shape, schemas)
    case 'array':
      return fc.array(fitting(shape.items ?? true, schemas), { maxLength: 3 })
    case 'string':
      return strings(shape)
    case 'integer':
      // The least is often a case of its own: no nodes, the first page.
      return mostly(
        [1, fc.constant(Math.max(shape.minimum ?? 0, 0))],
        [3, fc.integer({ min: shape.minimum ?? 0, max: Math.min(shape.maximum ?? 1000, 1_000_000) })],
      )
    case 'number': {
      const min = Math.ceil(shape.minimum ?? shape.exclusiveMinimum ?? 0)
      // Millionths, since that is what money is exact to.
      return fc
        .integer({ min, max: Math.min(shape.maximum ?? 1000, 100_000) })
        .chain((whole) => fc.constantFrom(whole, whole + 0.5, whole + 0.000001))
    }
    case 'boolean':
      return fc.boolean()
    case 'null':
      return fc.constant(null)
    default:
      return fc.jsonValue({ maxDepth: 2 })
  }
}

function objects(shape: Schema, schemas: Schemas): fc.Arbitrary<unknown> {
  const { properties, propertyNames, additionalProperties, required } = shape
  if (properties === undefined) {
    const key = propertyNames === undefined ? fc.string({ maxLength: 20 }) : fitting(propertyNames, schemas)
    return fc.dictionary(key.map(String), fitting(additionalProperties ?? true, schemas), { maxKeys: 3 })
  }
  const members = (all: [string, unknown][]) =>
    Object.fromEntries(all.map(([name, property]) => [name, fitting(property, schemas)]))
  return fc.record(members(Object.entries(properties)), { requiredKeys: required })
}

const OF_FORMAT: Readonly<Record<string, fc.Arbitrary<string>>> = {
  uuid: fc.uuid(),
  'date-time': fc
    .date({ min: new Date('1990-01-01'), max: new Date('2090-01-01'), noInvalidDate: true })
    .map((date) => date.toISOString()),
  date: fc
    .date({ min: new Date('1990-01-01'), max: new Date('2090-01-01'), noInvalidDate: true })
    .map((date) => date.toISOString().slice(0, 10)),
  email: fc.nat(40).map((number) => `ops-${number}@acme.example`),
}

function strings({ format, pattern, minLength, maxLength }: Schema): fc.Arbitrary<string> {
  const known = OF_FORMAT[format ?? '']
  if (known !== undefined) return known
  // Few names, so that they meet again.
  if (pattern !== undefined) return fc.nat(30).map((number) => `name-${number}`)
  const length = { minLength: minLength ?? 0, maxLength: Math.min(maxLength ?? 30, 30) }
  return fc.oneof(fc.string(length), fc.string({ ...length, unit: 'grapheme' }))
}

/** Texts that have broken other programs. */
export const wildText: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    ' ',
    '\u0000',
    '\ud800',
    '\u202e\u200b',
    'null',
    '-1',
    '1e400',
    '0x10',
    'NaN',
    '__proto__',
    'constructor',
    "'; DROP TABLE models; --",
    '../../etc/passwd',
    '%',
    '%00',
    '{{7*7}}',
    '👩‍👩‍👧‍👦'.repeat(10),
    'x'.repeat(300),
  ),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }),
)

/** Nested arrays. */
function nested(depth: number): unknown {
  return depth === 0 ? [] : [nested(depth - 1)]
}

/** Values of JSON that no schema had in mind. */
export const wildValue: fc.Arbitrary<unknown> = fc.oneof(
  wildText,
  fc.constantFrom<unknown>(
    null,
    true,
    0,
    -1,
    0.1,
    1e-320,
    2 ** 31,
    2 ** 53,
    2 ** 63,
    1e21,
    1e308,
    '',
    [],
    {},
  ),
  fc.constantFrom<unknown>(
    nested(20),
    nested(40),
    'x'.repeat(5000),
    Array.from({ length: 2000 }, () => 'x'),
  ),
  fc.jsonValue({ maxDepth: 3 }),
)
