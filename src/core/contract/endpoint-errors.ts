import { type ErrorCode, ERRORS } from '../errors.js'
import { type DocumentedEndpoint, type Endpoint, honoursIfMatch, scopeOf } from './endpoint.js'

/** Every error that an endpoint can answer, by status: what it declares and what all of its kind share. */
export function errorsOf(endpoint: DocumentedEndpoint): ErrorCode[] {
  const shared = endpoint.auth === 'none' ? [] : sharedErrors(endpoint)
  const codes = new Set<ErrorCode>([...endpoint.errors, 'internal_error', ...shared])
  return [...codes].sort((one, other) => ERRORS[one].status - ERRORS[other].status)
}

/** Whether the data plane answers it: a body goes to a node, if anywhere, and is no business of the contract. */
export function isOfDataPlane({ id }: DocumentedEndpoint): boolean {
  return id.startsWith('inference.') || id.startsWith('endpoints.')
}

/** Whether it accepts an Idempotency-Key. */
export function takesIdempotencyKey(endpoint: DocumentedEndpoint): boolean {
  return endpoint.auth !== 'none' && endpoint.method === 'POST' && !isOfDataPlane(endpoint)
}

function sharedErrors(endpoint: Endpoint): ErrorCode[] {
  const codes: ErrorCode[] = ['invalid_parameter', 'unknown_parameter', 'overloaded']
  // Also where none is wanted, a body is read, and judged before it is refused.
  if (!isOfDataPlane(endpoint) || endpoint.body !== undefined) codes.push('invalid_json', 'body_too_large')
  codes.push(honoursIfMatch(endpoint) ? 'precondition_failed' : 'not_supported')
  if (takesIdempotencyKey(endpoint)) codes.push('idempotency_mismatch')
  if (endpoint.auth === 'admin') {
    codes.push('invalid_admin_token')
    // Every token may read.
    if (scopeOf(endpoint) !== 'read') codes.push('scope_not_allowed')
  } else if (endpoint.auth === 'node') {
    codes.push('invalid_admin_token')
  } else {
    codes.push('invalid_api_key', 'auth_unavailable', 'tenant_suspended')
    if (!endpoint.roles.includes('read-only')) codes.push('role_not_allowed')
  }
  return codes
}
