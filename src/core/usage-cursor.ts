import { GatewayError } from './errors.js'

/** The place of a usage record in the order of detailed usage. */
export interface UsagePlace {
  /** Unix microseconds. */
  readonly endedAtMicros: number
  readonly requestId: string
}

const FORM = /^(\d{1,16})\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/

/** A place as text that says nothing to the caller. */
export function usageCursor({ endedAtMicros, requestId }: UsagePlace): string {
  return Buffer.from(`${endedAtMicros}.${requestId}`).toString('base64url')
}

/** @throws GatewayError invalid_parameter for what {@link usageCursor} did not make */
export function parseUsageCursor(cursor: string): UsagePlace {
  const [, micros = '', requestId] = FORM.exec(Buffer.from(cursor, 'base64url').toString('latin1')) ?? []
  if (requestId !== undefined && Number.isSafeInteger(Number(micros))) {
    return { endedAtMicros: Number(micros), requestId }
  }
  throw new GatewayError('invalid_parameter', {
    param: 'cursor',
    message: "Invalid 'cursor': expected the next_cursor of an earlier reply.",
  })
}
