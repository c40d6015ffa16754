import { z } from 'zod'

/** JSON Schemas of the OpenAPI documents as TypeScript types. */

const Schema = z.looseObject({
  $ref: z.string().optional(),
  type: z.union([z.string(), z.array(z.string())]).optional(),
  description: z.string().optional(),
  enum: z.array(z.unknown()).optional(),
  anyOf: z.array(z.unknown()).optional(),
  oneOf: z.array(z.unknown()).optional(),
  allOf: z.array(z.unknown()).optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
  required: z.array(z.string()).default([]),
  additionalProperties: z.unknown().optional(),
  items: z.unknown().optional(),
  prefixItems: z.array(z.unknown()).optional(),
})
type Schema = z.infer<typeof Schema>

/** Of what is sent every member is read-only and a field that may be left out may be undefined too. */
export type Direction = 'sent' | 'received'

/** A type expression. */
export function typeOf(schema: unknown, direction: Direction): string {
  const shape = Schema.parse(schema === true ? {} : schema)
  const { $ref, type } = shape
  if ($ref !== undefined) return $ref.slice($ref.lastIndexOf('/') + 1)
  if ('const' in shape) return JSON.stringify(shape['const'])
  if (shape.enum !== undefined) return shape.enum.map((value) => JSON.stringify(value)).join(' | ')
  const variants = shape.anyOf ?? shape.oneOf
  if (variants !== undefined) return union(variants.map((variant) => typeOf(variant, direction)))
  // With a type beside it, it only narrows that one: patterns of a text.
  if (shape.allOf !== undefined && type === undefined)
    return shape.allOf.map((part) => typeOf(part, direction)).join(' & ')
  const types = Array.isArray(type) ? type : [type ?? 'unknown']
  return union(types.map((one) => plainType(one, shape, direction)))
}

function union(types: readonly string[]): string {
  return [...new Set(types)].join(' | ')
}

function plainType(type: string, shape: Schema, direction: Direction): string {
  switch (type) {
    case 'object':
      return objectType(shape, direction)
    case 'array': {
      const item = typeOf(shape.items ?? true, direction)
      return direction === 'sent' ? `readonly (${item})[]` : `(${item})[]`
    }
    case 'integer':
      return 'number'
    case 'string':
    case 'number':
    case 'boolean':
    case 'null':
      return type
    default:
      return 'unknown'
  }
}

/** The members of an object in their braces, or a record when it names none. */
function objectType({ properties, required, additionalProperties }: Schema, direction: Direction): string {
  if (properties === undefined) {
    const value = additionalProperties === undefined ? 'unknown' : typeOf(additionalProperties, direction)
    return direction === 'sent' ? `Readonly<Record<string, ${value}>>` : `Record<string, ${value}>`
  }
  const members = Object.entries(properties).map(([name, property]) => {
    const { description } = Schema.parse(property === true ? {} : property)
    const key = /^[A-Za-z_]\w*$/.test(name) ? name : JSON.stringify(name)
    const optional = !required.includes(name)
    const given = typeOf(property, direction)
    const type = optional && direction === 'sent' && given !== 'unknown' ? `${given} | undefined` : given
    const readonly = direction === 'sent' ? 'readonly ' : ''
    return `${comment(description)}${readonly}${key}${optional ? '?' : ''}: ${type}`
  })
  return members.length === 0 ? 'Record<string, never>' : `{\n${members.join('\n')}\n}`
}

/** A documentation comment on a line of its own; '' for no text. */
export function comment(text: string | undefined): string {
  return text === undefined ? '' : `/** ${text.replaceAll('*/', '* /')} */\n`
}
