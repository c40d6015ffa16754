import { ERRORS, GatewayError } from './errors.js'

/** Statuses with which a node judges the request itself; they pass through. */
const ABOUT_THE_REQUEST = new Set([400, 413, 422])
const MAX_MESSAGE_CHARACTERS = 2_000

/** An answer of a node to the client's request that is the client's to see. */
export interface PassedError {
  readonly status: number
  /** JSON in our envelope. */
  readonly body: string
}

interface NodeErrorFields {
  readonly message: string | null
  readonly param: string | null
  readonly code: string | null
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value.slice(0, MAX_MESSAGE_CHARACTERS) : null
}

/** Reads vLLM's nested, SGLang's flat and FastAPI's `detail` form. */
function readFields(body: string): NodeErrorFields {
  let json: unknown
  try {
    json = JSON.parse(body)
  } catch {
    return { message: null, param: null, code: null }
  }
  if (typeof json !== 'object' || json === null) return { message: null, param: null, code: null }
  const outer = json as {
    error?: unknown
    message?: unknown
    detail?: unknown
    param?: unknown
    code?: unknown
  }
  const inner =
    typeof outer.error === 'object' && outer.error !== null ? (outer.error as typeof outer) : outer
  return {
    message: text(inner.message) ?? text(outer.detail) ?? text(outer.error),
    param: text(inner.param),
    // vLLM's code is the status again, as a number; only a name says more.
    code: text(inner.code),
  }
}

/**
 * A node's error reply in our terms: what judges the request passes with its status and message, all else
 * becomes one of our errors and says nothing of the node.
 * @param retryAfter the node's `retry-after` header
 */
export function mapNodeError(
  status: number,
  retryAfter: string | null,
  body: string,
): PassedError | GatewayError {
  if (ABOUT_THE_REQUEST.has(status)) {
    const { message, param, code } = readFields(body)
    const tooLong = message !== null && /maximum context length|context_length_exceeded/i.test(message)
    return {
      status,
      body: JSON.stringify({
        error: {
          message: message ?? 'The inference node refused the request.',
          type: 'invalid_request_error',
          param,
          code: code ?? (tooLong ? 'context_length_exceeded' : 'invalid_parameter'),
        },
      }),
    }
  }
  const cause = new Error(`The node answered ${status}: ${body.slice(0, MAX_MESSAGE_CHARACTERS)}`)
  if (status === 429 || status === 503) {
    const seconds = retryAfter !== null && /^\d{1,4}$/.test(retryAfter) ? Number(retryAfter) : null
    return new GatewayError('overloaded', {
      cause,
      retryAfterMs: seconds === null ? ERRORS.overloaded.retryAfterMs : seconds * 1000,
    })
  }
  if (status === 401 || status === 403 || status === 404 || status >= 500) {
    return new GatewayError('upstream_error', { cause })
  }
  return new GatewayError('upstream_invalid_response', { cause })
}

/** An error frame that a node sent in mid-stream, in our terms. */
export function mapNodeErrorFrame(json: string): PassedError | GatewayError {
  let status = 500
  try {
    const frame = JSON.parse(json) as { code?: unknown; error?: { code?: unknown } | null }
    const code = frame.error?.code ?? frame.code
    if (typeof code === 'number') status = code
  } catch {
    return new GatewayError('upstream_invalid_response', { cause: new Error('The error frame is not JSON.') })
  }
  return mapNodeError(status, null, json)
}
