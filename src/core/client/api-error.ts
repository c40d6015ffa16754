import type { ErrorCode } from './error-code.js'

/** What an error reply said. */
export interface ApiErrorDetail {
  readonly status: number
  readonly code: ErrorCode | 'unexpected_reply'
  readonly type: string
  readonly message: string
  readonly param: string | null
  readonly requestId: string | null
  readonly retryAfterMs: number | null
}

/** The gateway refused a call, or something between answered in its place. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  /** HTTP status. */
  readonly status: number
  /** What went wrong, as docs/errors.md lists it; `unexpected_reply` when the reply was none of the gateway's. */
  readonly code: ErrorCode | 'unexpected_reply'
  readonly type: string
  /** The field, parameter or header that is at fault. */
  readonly param: string | null
  /** Names the call in the gateway's log. */
  readonly requestId: string | null
  /** When to try again; null where the gateway did not say. */
  readonly retryAfterMs: number | null

  constructor(detail: ApiErrorDetail) {
    super(detail.message)
    this.status = detail.status
    this.code = detail.code
    this.type = detail.type
    this.param = detail.param
    this.requestId = detail.requestId
    this.retryAfterMs = detail.retryAfterMs
  }
}

/** The error that a reply carries; for a reply in another shape its status alone is told. */
export function apiErrorOf(status: number, headers: Headers, text: string): ApiError {
  const error = field(parsed(text), 'error')
  const [code, type, message, param] = ['code', 'type', 'message', 'param'].map((name) => field(error, name))
  const shared = { status, requestId: headers.get('x-request-id'), retryAfterMs: retryAfterMs(headers) }
  if (typeof code !== 'string' || typeof type !== 'string' || typeof message !== 'string') {
    const told = `The reply was a ${status} that is not the gateway's.`
    return new ApiError({
      ...shared,
      code: 'unexpected_reply',
      type: 'unexpected_reply',
      message: told,
      param: null,
    })
  }
  // A gateway that is newer than this client may have codes of its own; they are passed on as they are.
  const known = code as ErrorCode
  return new ApiError({
    ...shared,
    code: known,
    type,
    message,
    param: typeof param === 'string' ? param : null,
  })
}

function retryAfterMs(headers: Headers): number | null {
  const read = (name: string) => {
    const value = headers.get(name)
    return value !== null && /^\d{1,9}$/.test(value) ? Number(value) : null
  }
  const seconds = read('retry-after')
  return read('retry-after-ms') ?? (seconds === null ? null : seconds * 1000)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null
    ? Object.getOwnPropertyDescriptor(value, name)?.value
    : undefined
}
