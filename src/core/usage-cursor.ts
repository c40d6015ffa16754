import { createHash } from 'node:crypto'
import { GatewayError } from './errors.js'

/** The place of a usage record in the order of detailed usage. */
export interface UsagePlace {
  /** Unix microseconds. */
  readonly endedAtMicros: number
  readonly requestId: string
}

/** Where the next page of detailed usage goes on. */
export interface UsageCursor {
  readonly place: UsagePlace
  /** When the first page was asked for, in Unix milliseconds: the dates that a query leaves out are of then. */
  readonly askedAtMs: number
}

const FORM = /^(\d{1,16})\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.(\d{1,13})\.([0-9a-f]{16})$/

/**
 * A cursor as text that says nothing to the caller.
 * @param query all that the pages of one listing have in common: a cursor is of no use to another one
 */
export function usageCursor({ place, askedAtMs }: UsageCursor, query: readonly unknown[]): string {
  const { endedAtMicros, requestId } = place
  return Buffer.from(`${endedAtMicros}.${requestId}.${askedAtMs}.${digestOf(query)}`).toString('base64url')
}

/** @throws GatewayError invalid_parameter for what {@link usageCursor} did not make for the same query */
export function parseUsageCursor(cursor: string, query: readonly unknown[]): UsageCursor {
  const bytes = Buffer.from(cursor, 'base64url')
  const [, micros = '', requestId, askedAt, digest] = FORM.exec(bytes.toString('latin1')) ?? []
  if (
    requestId === undefined ||
    !Number.isSafeInteger(Number(micros)) ||
    bytes.toString('base64url') !== cursor
  ) {
    throw refused('expected the next_cursor of an earlier reply')
  }
  if (digest !== digestOf(query)) throw refused('it belongs to a reply to another query')
  return { place: { endedAtMicros: Number(micros), requestId }, askedAtMs: Number(askedAt) }
}

function digestOf(query: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(query)).digest('hex').slice(0, 16)
}

function refused(why: string): GatewayError {
  return new GatewayError('invalid_parameter', { param: 'cursor', message: `Invalid 'cursor': ${why}.` })
}
