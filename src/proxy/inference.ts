import { GatewayError } from '../core/errors.js'
import { readRequestHead, type RequestHead } from '../core/request-head.js'
import { dropFields, fieldsToDrop } from '../core/request-edit.js'
import type { KeyRole, ResolvedKey } from '../core/resolved-key.js'
import type { SnapshotModel } from '../core/snapshot.js'
import type { UsageEndpoint } from '../core/usage-record.js'
import type { ProxyMetrics } from '../io/metrics.js'
import type { HttpCall } from '../io/uws.js'
import type { BodyBudget } from './body-budget.js'
import { Exchange, type ExchangeDeps } from './exchange.js'
import type { KeyAuth } from './key-auth.js'
import type { ModelRoute } from './routing.js'

export interface InferenceDeps extends ExchangeDeps {
  readonly auth: KeyAuth
  readonly budget: BodyBudget
  readonly maxBodyBytes: number
  readonly metrics: ProxyMetrics
  readonly isDraining: () => boolean
}

const INFERENCE_ROLES: ReadonlySet<KeyRole> = new Set<KeyRole>(['admin', 'developer'])

/**
 * From the head of an inference request to an exchange with a node, in wire.md's order of checks: key, size, role
 * and suspension, body, head, model, permission, route. Synchronous for a known key.
 */
export function serveInference(deps: InferenceDeps, endpoint: UsageEndpoint, call: HttpCall): void {
  const authorization = call.header('authorization')
  const key = attempt(deps, call, () => deps.auth.known(authorization))
  if (key === undefined) return
  if (key !== null) {
    readBody(deps, endpoint, call, key)
    return
  }
  // The body has to be taken from the socket while the key is looked up; nothing of it is read before.
  const declared = Math.max(0, call.contentLength)
  const held = declared <= deps.maxBodyBytes && deps.budget.take(declared)
  let body: Buffer | null | undefined
  let resolved: ResolvedKey | undefined
  let released = !held
  const release = () => {
    if (!released) deps.budget.give(declared)
    released = true
  }
  const proceed = () => {
    if (resolved === undefined) return
    const verdict = checkKey(deps, call, resolved, declared, held)
    if (verdict !== null) {
      release()
      refuse(deps, call, verdict)
    } else if (body !== undefined && body !== null) {
      admit(deps, endpoint, call, resolved, body, release)
    }
  }
  call.onAbort(release)
  call.readBody(held ? deps.maxBodyBytes : -1, (bytes) => {
    body = bytes
    if (bytes !== null) proceed()
  })
  deps.auth.resolve(authorization).then(
    (found) => {
      resolved = found
      if (!call.aborted) proceed()
    },
    (error: unknown) => {
      release()
      refuse(deps, call, error)
    },
  )
}

/** Runs a check; refuses the call and returns undefined when it throws. */
function attempt<T>(deps: InferenceDeps, call: HttpCall, check: () => T): T | undefined {
  try {
    return check()
  } catch (error) {
    refuse(deps, call, error)
    return undefined
  }
}

function refuse(deps: InferenceDeps, call: HttpCall, error: unknown): void {
  const code = error instanceof GatewayError ? error.code : 'internal_error'
  deps.metrics.refusals.labels({ code }).inc()
  call.fail(error)
}

/** What is checked between the key and the body; null when all is well. */
function checkKey(
  deps: InferenceDeps,
  call: HttpCall,
  key: ResolvedKey,
  bytes: number,
  fits: boolean,
): GatewayError | null {
  if (call.contentLength > deps.maxBodyBytes) {
    return new GatewayError('body_too_large', {
      message: `The request body is larger than ${deps.maxBodyBytes} bytes.`,
    })
  }
  if (!INFERENCE_ROLES.has(key.role)) return new GatewayError('role_not_allowed')
  if (key.tenantStatus === 'suspended') return new GatewayError('tenant_suspended')
  if (deps.isDraining()) return new GatewayError('draining')
  if (!fits && bytes > 0) return new GatewayError('overloaded')
  return null
}

function readBody(deps: InferenceDeps, endpoint: UsageEndpoint, call: HttpCall, key: ResolvedKey): void {
  const declared = Math.max(0, call.contentLength)
  const fits = declared <= deps.maxBodyBytes && deps.budget.take(declared)
  const verdict = checkKey(deps, call, key, declared, fits)
  if (verdict !== null) {
    if (fits) deps.budget.give(declared)
    refuse(deps, call, verdict)
    return
  }
  let released = false
  const release = () => {
    if (!released) deps.budget.give(declared)
    released = true
  }
  call.onAbort(release)
  call.readBody(deps.maxBodyBytes, (body) => {
    if (body !== null) admit(deps, endpoint, call, key, body, release)
  })
}

function admit(
  deps: InferenceDeps,
  endpoint: UsageEndpoint,
  call: HttpCall,
  key: ResolvedKey,
  body: Buffer,
  releaseBody: () => void,
): void {
  try {
    call.refuseQuery()
    const bodyWaitMs = call.bodyWaitMs
    let bytes = body
    let head = readRequestHead(bytes)
    const route = deps.router.find(head.model)
    if (route === undefined) throw modelNotFound(head.model)
    checkModel(key, route.model, head)
    const drop = fieldsToDrop(head, route.route.allowedBodyFields)
    if (drop.length > 0) {
      bytes = dropFields(bytes, drop)
      head = readRequestHead(bytes)
    }
    if (!deps.spool.writable) throw new GatewayError('storage_full')
    const target = pickTarget(deps, route)
    new Exchange(
      deps,
      { call, key, endpoint, body: bytes, head, route, bodyWaitMs, releaseBody },
      target,
    ).begin()
  } catch (error) {
    releaseBody()
    refuse(deps, call, error)
  }
}

function pickTarget(deps: InferenceDeps, route: ModelRoute) {
  const target = deps.router.pick(route, [])
  if (typeof target === 'string') throw new GatewayError(target)
  return target
}

export function modelNotFound(name: string): GatewayError {
  return new GatewayError('model_not_found', {
    param: 'model',
    message: `The model ${JSON.stringify(name.slice(0, 200))} does not exist or you do not have access to it.`,
  })
}

/** Whether the key's and the tenant's lists both permit the model. */
export function mayUse(key: ResolvedKey, model: SnapshotModel): boolean {
  return (
    (key.allowedModels === null || key.allowedModels.includes(model.name)) &&
    (key.tenantAllowedModels === null || key.tenantAllowedModels.includes(model.name))
  )
}

function checkModel(key: ResolvedKey, model: SnapshotModel, head: RequestHead): void {
  if (!mayUse(key, model)) throw new GatewayError('model_not_allowed', { param: 'model' })
  const { maxTokens, maxTokensField: param } = head
  if (maxTokens !== null && maxTokens > model.contextLength) {
    throw new GatewayError('invalid_parameter', {
      param,
      message: `"${param}" is ${maxTokens}, more than the model's context length of ${model.contextLength} tokens.`,
    })
  }
}
