import { type ErrorCode, GatewayError } from '../errors.js'

/** An error on its way from a worker thread to a port's process. */
export interface ContractFailure {
  readonly error: ErrorCode
  readonly message: string
  readonly param: string | null
  /** What went wrong inside, for the log alone. */
  readonly cause: string | null
}

/** An error as data. */
export function failureOf({ code, message, param, cause }: GatewayError): ContractFailure {
  return { error: code, message, param, cause: cause === undefined ? null : causeText(cause) }
}

/** {@link failureOf} undone, the cause as text. */
export function errorOf({ error, message, param, cause }: ContractFailure): GatewayError {
  return new GatewayError(error, {
    message,
    ...(param !== null && { param }),
    ...(cause !== null && { cause }),
  })
}

function causeText(cause: unknown): string {
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)
}
