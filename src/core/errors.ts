/**
 * The one table of errors. Status, type and code are what clients see (docs: docs/errors.md); every error
 * that leaves either port is made here, so that nothing internal can leak.
 */
export interface ErrorSpec {
  readonly status: number
  readonly type: string
  /** Sent as `retry-after` / `retry-after-ms`. */
  readonly retryAfterMs?: number
  /** What to say when the thrower has nothing more exact. */
  readonly message: string
}

export const ERRORS = {
  invalid_json: {
    status: 400,
    type: 'invalid_request_error',
    message: 'The request body is not valid JSON.',
  },
  invalid_parameter: { status: 400, type: 'invalid_request_error', message: 'A parameter is not valid.' },
  unknown_parameter: { status: 400, type: 'invalid_request_error', message: 'A parameter is not known.' },
  not_supported: {
    status: 400,
    type: 'invalid_request_error',
    message: 'This capability is not available in this version.',
  },
  invalid_api_key: {
    status: 401,
    type: 'invalid_request_error',
    message: 'Incorrect API key provided. Send a valid key as "Authorization: Bearer clsk_…".',
  },
  invalid_admin_token: {
    status: 401,
    type: 'invalid_request_error',
    message: 'Incorrect admin token provided. Send a valid token in the X-Admin-Token header.',
  },
  model_not_allowed: {
    status: 403,
    type: 'permission_error',
    message: 'This API key may not use this model.',
  },
  role_not_allowed: {
    status: 403,
    type: 'permission_error',
    message: "This API key's role does not permit this operation.",
  },
  scope_not_allowed: {
    status: 403,
    type: 'permission_error',
    message: "This admin token's scope does not permit this operation.",
  },
  tenant_suspended: {
    status: 403,
    type: 'permission_error',
    message: 'This account is suspended. Contact the operator of this service.',
  },
  model_not_found: {
    status: 404,
    type: 'invalid_request_error',
    message: 'The model does not exist or you do not have access to it.',
  },
  not_found: { status: 404, type: 'invalid_request_error', message: 'There is nothing at this path.' },
  method_not_allowed: {
    status: 405,
    type: 'invalid_request_error',
    message: 'This path does not support this method; see the allow header.',
  },
  request_timeout: {
    status: 408,
    type: 'invalid_request_error',
    message: 'The request body did not arrive in time.',
  },
  already_exists: { status: 409, type: 'conflict_error', message: 'It already exists.' },
  in_use: { status: 409, type: 'conflict_error', message: 'It is still in use.' },
  idempotency_mismatch: {
    status: 409,
    type: 'conflict_error',
    message: 'This Idempotency-Key was used with another request body.',
  },
  launcher_not_configured: {
    status: 409,
    type: 'conflict_error',
    message: 'No launcher is configured for this provider.',
  },
  invalid_state: {
    status: 409,
    type: 'conflict_error',
    message: 'The resource is not in a state that permits this operation.',
  },
  length_required: {
    status: 411,
    type: 'invalid_request_error',
    message: 'Send a Content-Length; Transfer-Encoding is not accepted.',
  },
  precondition_failed: {
    status: 412,
    type: 'invalid_request_error',
    message: 'The resource has changed since it was read; read it again.',
  },
  body_too_large: { status: 413, type: 'invalid_request_error', message: 'The request body is too large.' },
  rate_limit_exceeded: {
    status: 429,
    type: 'requests',
    retryAfterMs: 1000,
    message: 'Rate limit reached; retry later.',
  },
  concurrency_exceeded: {
    status: 429,
    type: 'requests',
    retryAfterMs: 1000,
    message: 'Too many requests at once; retry when one has ended.',
  },
  insufficient_quota: {
    status: 429,
    type: 'insufficient_quota',
    message: 'The monthly budget is spent.',
  },
  client_closed: { status: 499, type: 'client_closed', message: 'The client closed the connection.' },
  internal_error: {
    status: 500,
    type: 'server_error',
    message: 'The gateway failed to process the request. Quote the x-request-id when you report it.',
  },
  upstream_invalid_response: {
    status: 502,
    type: 'upstream_error',
    message: 'The inference node sent a response that is not valid.',
  },
  upstream_connection_failed: {
    status: 502,
    type: 'upstream_error',
    message: 'The inference node could not be reached.',
  },
  upstream_connection_lost: {
    status: 502,
    type: 'upstream_error',
    message: 'The connection to the inference node was lost.',
  },
  upstream_error: { status: 502, type: 'upstream_error', message: 'The inference node reported an error.' },
  no_healthy_node: {
    status: 503,
    type: 'overloaded_error',
    retryAfterMs: 1000,
    message: 'No healthy node serves this model at the moment; retry later.',
  },
  queue_full: {
    status: 503,
    type: 'overloaded_error',
    retryAfterMs: 1000,
    message: 'Too many requests are waiting for this model; retry later.',
  },
  draining: {
    status: 503,
    type: 'overloaded_error',
    retryAfterMs: 1000,
    message: 'This gateway instance is shutting down; retry.',
  },
  storage_full: {
    status: 503,
    type: 'overloaded_error',
    retryAfterMs: 5000,
    message: 'Usage cannot be recorded at the moment; retry later.',
  },
  auth_unavailable: {
    status: 503,
    type: 'overloaded_error',
    retryAfterMs: 1000,
    message: 'API keys cannot be checked at the moment; retry later.',
  },
  overloaded: {
    status: 503,
    type: 'overloaded_error',
    retryAfterMs: 1000,
    message: 'The service is overloaded; retry later.',
  },
  first_token_timeout: {
    status: 504,
    type: 'timeout_error',
    message: 'The inference node did not send a first token in time.',
  },
  idle_timeout: {
    status: 504,
    type: 'timeout_error',
    message: 'The inference node stopped sending tokens.',
  },
} as const satisfies Record<string, ErrorSpec>

export type ErrorCode = keyof typeof ERRORS

export interface GatewayErrorDetail {
  /** Replaces the table's type, for a code that has several. */
  readonly type?: string
  /** Replaces the table's message; must hold nothing internal (no SQL, host, stack). */
  readonly message?: string
  /** The field of the request that is at fault. */
  readonly param?: string
  /** Overrides the table's retry time. */
  readonly retryAfterMs?: number
  /** Extra reply headers, for example `allow` on a 405. */
  readonly headers?: Readonly<Record<string, string>>
  /** Logged under the request id, never sent. */
  readonly cause?: unknown
}

/** An error with a place in the table; anything else that is thrown becomes `internal_error`. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError'
  readonly code: ErrorCode
  readonly type: string
  readonly param: string | null
  readonly status: number
  readonly retryAfterMs: number | undefined
  readonly headers: Readonly<Record<string, string>> | undefined

  constructor(code: ErrorCode, detail: GatewayErrorDetail = {}) {
    const spec: ErrorSpec = ERRORS[code]
    super(detail.message ?? spec.message, { cause: detail.cause })
    this.code = code
    this.type = detail.type ?? spec.type
    this.param = detail.param ?? null
    this.status = spec.status
    this.retryAfterMs = detail.retryAfterMs ?? spec.retryAfterMs
    this.headers = detail.headers
  }
}

/** The JSON body of an error reply: `{"error": {message, type, param, code}}`. */
export function errorBody(error: GatewayError): string {
  return JSON.stringify({
    error: { message: error.message, type: error.type, param: error.param, code: error.code },
  })
}

/** Any thrown value as a {@link GatewayError}; what is not one becomes `internal_error` with the value as cause. */
export function toGatewayError(thrown: unknown): GatewayError {
  return thrown instanceof GatewayError ? thrown : new GatewayError('internal_error', { cause: thrown })
}
