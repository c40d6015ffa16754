import { GatewayError } from '../errors.js'

/** The strong ETag of a row's version, in its quotes. */
export function etagOf(version: number): string {
  return `"${version}"`
}

/** What an If-Match header allows: any version, or these ETags. */
export type IfMatch = '*' | readonly string[]

const ENTITY_TAG = /^(?:W\/)?"[\x21\x23-\x7e]*"/
const SEPARATOR = /^[ \t]*(?:,[ \t]*|$)/

/**
 * Reads an If-Match header (RFC 9110, 13.1.1). Weak tags are kept as they are: they match no strong one.
 * @throws GatewayError invalid_parameter when it is neither `*` nor a list of entity tags
 */
export function parseIfMatch(header: string): IfMatch {
  let rest = header.trim()
  if (rest === '*') return '*'
  const tags: string[] = []
  while (rest !== '') {
    const tag = ENTITY_TAG.exec(rest)?.[0]
    const separator = tag === undefined ? undefined : SEPARATOR.exec(rest.slice(tag.length))?.[0]
    if (tag === undefined || separator === undefined) break
    tags.push(tag)
    rest = rest.slice(tag.length + separator.length)
  }
  if (rest === '' && tags.length > 0) return tags
  throw new GatewayError('invalid_parameter', {
    param: 'If-Match',
    message: 'The If-Match header must be * or the ETag of an earlier reply, in its quotes.',
  })
}

/** @throws GatewayError precondition_failed when the row is at another version than the caller has seen */
export function requireMatch(ifMatch: IfMatch | null, version: number): void {
  if (ifMatch === null || ifMatch === '*' || ifMatch.includes(etagOf(version))) return
  throw new GatewayError('precondition_failed', { param: 'If-Match' })
}
