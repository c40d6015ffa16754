import { z } from 'zod'
import { type ErrorCode, ERRORS } from './errors.js'

/**
 * Examples of whole bodies, put together from the JSON Schemas of the document: what a field's schema gives as an
 * example (`.meta({ examples: […] })`) or, without one, the plainest value that it takes.
 */

const Schema = z.looseObject({
  $ref: z.string().optional(),
  type: z.union([z.string(), z.array(z.string())]).optional(),
  format: z.string().optional(),
  examples: z.array(z.unknown()).optional(),
  enum: z.array(z.unknown()).optional(),
  anyOf: z.array(z.unknown()).optional(),
  oneOf: z.array(z.unknown()).optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
  required: z.array(z.string()).default([]),
  items: z.unknown().optional(),
  minItems: z.number().optional(),
  minimum: z.number().optional(),
  exclusiveMinimum: z.number().optional(),
  maximum: z.number().optional(),
})
type Schema = z.infer<typeof Schema>

/** Schemas that a document refers to, by name. */
export type Components = Readonly<Record<string, unknown>>

const COMPONENT = '#/components/schemas/'

/** What a text of a format looks like. */
const OF_FORMAT: Readonly<Record<string, string>> = {
  'date-time': '2026-03-02T14:05:00.000Z',
  date: '2026-03-02',
  email: 'ops@acme.example',
  uri: 'https://acme.example',
  uuid: '0199c5d2-7b3e-7f1a-9c4d-2e8f5a6b7c8d',
}

/** Of a body that needs no field, how many of those with an example are shown. */
const CHANGED_FIELDS = 2

/** An example of what a schema describes. */
export function exampleOf(schema: unknown, components: Components): unknown {
  const shape = Schema.parse(schema)
  if (shape.$ref !== undefined) return exampleOf(components[shape.$ref.slice(COMPONENT.length)], components)
  if (shape.examples !== undefined) return shape.examples[0]
  if ('const' in shape) return shape['const']
  if ('default' in shape) return shape['default']
  if (shape.enum !== undefined) return shape.enum[0]
  const [variant] = shape.anyOf ?? shape.oneOf ?? []
  if (variant !== undefined) return exampleOf(variant, components)
  const type: string | undefined = Array.isArray(shape.type) ? shape.type[0] : shape.type
  switch (type ?? '') {
    case 'object':
      return exampleObject(shape, components)
    case 'array':
      // Of a list that may be empty one row is shown all the same.
      return shape.items === undefined ? [] : [exampleOf(shape.items, components)]
    case 'string':
      return OF_FORMAT[shape.format ?? ''] ?? 'text'
    case 'integer':
    case 'number':
      return exampleNumber(shape)
    case 'boolean':
      return true
    case 'null':
      return null
    default:
      return {}
  }
}

function exampleObject({ properties = {}, required }: Schema, components: Components): unknown {
  const shown = Object.entries(properties).filter(
    ([name, property]) => required.includes(name) || isGiven(property, components),
  )
  const chosen = required.length === 0 ? shown.slice(0, CHANGED_FIELDS) : shown
  return Object.fromEntries(chosen.map(([name, property]) => [name, exampleOf(property, components)]))
}

/** Whether a field that may be left out has an example of its own. */
function isGiven(property: unknown, components: Components): boolean {
  const { $ref, examples, anyOf } = Schema.parse(property)
  if ($ref !== undefined) return isGiven(components[$ref.slice(COMPONENT.length)], components)
  return examples !== undefined || (anyOf?.some((variant) => isGiven(variant, components)) ?? false)
}

function exampleNumber({ minimum, exclusiveMinimum, maximum }: Schema): number {
  const least = Math.max(minimum ?? 0, exclusiveMinimum === undefined ? 0 : exclusiveMinimum + 1)
  return Math.min(Math.max(1, least), maximum ?? Infinity)
}

/** An example of each error in the wire shape, by its code. */
export function errorExamples(codes: readonly ErrorCode[]): Record<string, object> {
  const example = (code: ErrorCode) => {
    const { message, type } = ERRORS[code]
    return { summary: message, value: { error: { message, type, param: AT_FAULT[code] ?? null, code } } }
  }
  return Object.fromEntries([...new Set(codes)].sort().map((code) => [code, example(code)]))
}

/** What is at fault in the example of an error that names it. */
const AT_FAULT: Readonly<Partial<Record<ErrorCode, string>>> = {
  invalid_parameter: 'limit',
  unknown_parameter: 'nmae',
  not_supported: 'If-Match',
  not_found: 'id',
  model_not_found: 'model',
  already_exists: 'name',
  precondition_failed: 'If-Match',
}
