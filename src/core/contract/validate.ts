import type { z } from 'zod'
import { GatewayError } from '../errors.js'

/** Deepest nesting of a JSON body. */
const MAX_DEPTH = 32

/**
 * A JSON object out of a body's bytes; an empty body is the empty object.
 * @throws GatewayError invalid_json for anything but one JSON object in UTF-8, nested at most 32 deep;
 *   unknown_parameter for a field `__proto__` at any depth, which schemas of free names would pass over in silence
 */
export function parseJsonBody(bytes: Uint8Array): object {
  if (bytes.length === 0) return {}
  if (depthOf(bytes) > MAX_DEPTH) {
    throw new GatewayError('invalid_json', {
      message: `The request body is nested more than ${MAX_DEPTH} deep.`,
    })
  }
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes))
  } catch {
    throw new GatewayError('invalid_json')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new GatewayError('invalid_json', { message: 'The request body must be a JSON object.' })
  }
  refuseProto(value)
  return value
}

/** @throws GatewayError unknown_parameter for a field `__proto__` at any depth */
export function refuseProto(value: object): void {
  const proto = pathOfProto(value, [])
  if (proto !== null) throw unknownParameter(proto)
}

function pathOfProto(value: unknown, path: readonly PropertyKey[]): readonly PropertyKey[] | null {
  if (typeof value !== 'object' || value === null) return null
  for (const [key, inner] of Object.entries(value)) {
    const place = [...path, Array.isArray(value) ? Number(key) : key]
    if (key === '__proto__') return place
    const found = pathOfProto(inner, place)
    if (found !== null) return found
  }
  return null
}

/** The deepest nesting of brackets outside strings; judged before the parse, so that no recursion meets it. */
function depthOf(bytes: Uint8Array): number {
  let depth = 0
  let deepest = 0
  let inString = false
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]
    if (inString) {
      if (byte === 0x5c) at++
      else if (byte === 0x22) inString = false
    } else if (byte === 0x22) inString = true
    else if (byte === 0x7b || byte === 0x5b) deepest = Math.max(deepest, ++depth)
    else if (byte === 0x7d || byte === 0x5d) depth--
  }
  return deepest
}

/**
 * A query string as a record; as URLSearchParams reads it, but strictly.
 * @throws GatewayError invalid_parameter for a parameter that stands twice, and for escapes that are no UTF-8
 */
export function parseQuery(query: string): Record<string, string> {
  const values = new Map<string, string>()
  for (const pair of query.split('&')) {
    if (pair === '') continue
    const [encodedName = '', ...rest] = pair.split('=')
    const name = unescaped(encodedName, null)
    const value = unescaped(rest.join('='), name)
    if (values.has(name)) {
      throw new GatewayError('invalid_parameter', {
        param: name,
        message: `'${name}' stands twice in the query.`,
      })
    }
    values.set(name, value)
  }
  return Object.fromEntries(values)
}

function unescaped(text: string, param: string | null): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw new GatewayError('invalid_parameter', {
      ...(param !== null && { param }),
      message: 'The query holds a percent escape that is not valid UTF-8.',
    })
  }
}

/**
 * Parses input by a schema.
 * @param at where the input stands in what the caller sent
 * @throws GatewayError unknown_parameter or invalid_parameter with the field's path as `param`
 */
export function parseBy<S extends z.ZodType>(
  schema: S,
  input: unknown,
  at: readonly PropertyKey[] = [],
): z.output<S> {
  const parsed = schema.safeParse(input)
  if (parsed.success) return parsed.data
  // Of several problems the unknown field is named first: it often is the misspelt name of a missing one.
  const { issues } = parsed.error
  const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]
  throw issue === undefined ? new GatewayError('invalid_parameter') : errorOf(issue, input, at)
}

function errorOf(issue: z.core.$ZodIssue, input: unknown, at: readonly PropertyKey[]): GatewayError {
  const path = pathText([...at, ...issue.path])
  if (issue.code === 'unrecognized_keys') {
    return unknownParameter([...at, ...issue.path, issue.keys[0] ?? ''])
  }
  const named = path === '' ? {} : { param: path }
  if (path !== '' && valueAt(input, issue.path) === undefined) {
    return new GatewayError('invalid_parameter', {
      ...named,
      message: `Missing required parameter: '${path}'.`,
    })
  }
  const message = path === '' ? `Invalid body: ${issue.message}.` : `Invalid '${path}': ${issue.message}.`
  return new GatewayError('invalid_parameter', { ...named, message })
}

function unknownParameter(path: readonly PropertyKey[]): GatewayError {
  const param = pathText(path)
  return new GatewayError('unknown_parameter', { param, message: `Unknown parameter: '${param}'.` })
}

/** `health_check.interval_seconds`, `aliases[2]` */
export function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`
    return text === '' ? String(key) : `${text}.${String(key)}`
  }, '')
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return undefined
    value = Object.getOwnPropertyDescriptor(value, key)?.value
  }
  return value
}
