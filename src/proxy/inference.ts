import { GatewayError } from '../core/errors.js'
import type { LimitHeaders } from '../core/limit-headers.js'
import { readRequestHead, type RequestHead } from '../core/request-head.js'
import { dropFields, fieldsToDrop } from '../core/request-edit.js'
import type { KeyRole, ResolvedKey } from '../core/resolved-key.js'
import type { SnapshotModel } from '../core/snapshot.js'
import { TIER_SHARES } from '../core/tiers.js'
import { estimateCost, estimateTokens } from '../core/token-estimate.js'
import type { UsageEndpoint } from '../core/usage-record.js'
import type { ProxyMetrics } from '../io/metrics.js'
import type { HttpCall } from '../io/uws.js'
import type { HeldBody } from './body-memory.js'
import type { Admission, LimitsWait } from './admission.js'
import { Exchange } from './exchange.js'
import type { KeyAuth } from './key-auth.js'
import type { Limits } from './limits.js'
import type { Ask } from './key-limits.js'
import { mirrorRequest, type MirrorDeps } from './mirror.js'
import type { Reservation } from './reservation.js'
import { RoutedRequest } from './routed-request.js'
import type { ModelRoute } from './routing.js'
import { splitRoute } from './split.js'

export interface InferenceDeps extends MirrorDeps {
  readonly auth: KeyAuth
  readonly limits: Limits
  readonly maxBodyBytes: number
  readonly metrics: ProxyMetrics
  readonly isDraining: () => boolean
}

const INFERENCE_ROLES: ReadonlySet<KeyRole> = new Set<KeyRole>(['admin', 'developer'])

/**
 * From the head of an inference request to an exchange with a node, in wire.md's order of checks: key, size, role
 * and suspension, body, head, model, permission, limits, route. Synchronous for a known key whose body came with the
 * head and whose limits need not be asked for.
 */
export function serveInference(deps: InferenceDeps, endpoint: UsageEndpoint, call: HttpCall): void {
  const authorization = call.header('authorization')
  let key: ResolvedKey | null
  let epoch = deps.auth.epoch
  try {
    key = deps.auth.known(authorization)
    if (key !== null) checkKey(deps, call, key)
  } catch (error) {
    refuse(deps, call, error)
    return
  }

  const held = deps.bodies.hold()
  const refused = (error: unknown) => {
    held.release(true)
    refuse(deps, call, error)
  }
  let body: Buffer | null = null
  const proceed = (checked: ResolvedKey, bytes: Buffer) => {
    // The exchange alone decides how long the body lives.
    body = null
    admit(deps, endpoint, call, checked, bytes, held)
  }

  call.onAbort(() => {
    held.release(true)
  })
  const tooLarge = call.contentLength > deps.maxBodyBytes
  const deliver = (bytes: Buffer | null) => {
    // A body that is too large is refused when the key has been found good.
    if (bytes === null) {
      if (!tooLarge) refused(new GatewayError('overloaded'))
    } else if (key !== null && deps.auth.holds(key, epoch)) proceed(key, bytes)
    else {
      body = bytes
      // It may have been revoked while the body came.
      if (key !== null) lookUp()
    }
  }
  const lookUp = () => {
    deps.auth
      .resolve(authorization)
      .then((found) => {
        if (call.closed) return
        checkKey(deps, call, found)
        key = found
        epoch = deps.auth.epoch
        if (body !== null) proceed(found, body)
      })
      .catch(refused)
  }
  call.readBody(deps.maxBodyBytes, deliver, held)
  // The body has to be taken from the socket while the key is looked up; nothing of it is read before.
  if (key === null) lookUp()
}

function refuse(deps: InferenceDeps, call: HttpCall, error: unknown, headers?: LimitHeaders): void {
  if (call.closed) return
  const code = error instanceof GatewayError ? error.code : 'internal_error'
  deps.metrics.refusals.labels({ code }).inc()
  deps.auth.refuse(error, () => {
    call.fail(error, headers)
  })
}

/** What is checked between the key and the body. @throws GatewayError */
function checkKey(deps: InferenceDeps, call: HttpCall, key: ResolvedKey): void {
  if (call.contentLength > deps.maxBodyBytes) {
    throw new GatewayError('body_too_large', {
      message: `The request body is larger than ${deps.maxBodyBytes} bytes.`,
    })
  }
  if (!INFERENCE_ROLES.has(key.role)) throw new GatewayError('role_not_allowed')
  if (key.tenantStatus === 'suspended') throw new GatewayError('tenant_suspended')
  if (deps.isDraining()) throw new GatewayError('draining')
}

function admit(
  deps: InferenceDeps,
  endpoint: UsageEndpoint,
  call: HttpCall,
  key: ResolvedKey,
  body: Buffer,
  held: HeldBody,
): void {
  const refused = (error: unknown) => {
    held.release(true)
    refuse(deps, call, error, deps.limits.headers(key))
  }
  try {
    const admittedAt = performance.now()
    call.refuseQuery()
    const found = readRequest(deps, endpoint, key, body)
    const known = { call, key, endpoint, found, admittedAt, bodyWaitMs: call.bodyWaitMs, held }
    const ask = askOf(endpoint, key, found)
    const reservation = deps.limits.take(key, ask)
    if (reservation !== null) {
      begin(deps, known, reservation, null)
      return
    }
    askLimits(deps, known, ask).catch(refused)
  } catch (error) {
    refused(error)
  }
}

/** What the body asks for. */
interface FoundRequest {
  readonly head: RequestHead
  readonly asked: ModelRoute
  readonly bytes: Buffer
}

/** @throws GatewayError for a request that cannot be served */
function readRequest(
  deps: InferenceDeps,
  endpoint: UsageEndpoint,
  key: ResolvedKey,
  body: Buffer,
): FoundRequest {
  let bytes = body
  let head = readInferenceHead(endpoint, bytes)
  const asked = deps.router.find(head.model)
  if (asked === undefined) throw modelNotFound(head.model)
  checkModel(key, asked.model, head)
  const drop = fieldsToDrop(head, asked.route.allowedBodyFields)
  if (drop.length > 0) {
    bytes = dropFields(bytes, drop)
    head = readInferenceHead(endpoint, bytes)
  }
  if (!deps.spool.writable) throw new GatewayError('storage_full')
  return { head, asked, bytes }
}

function askOf(endpoint: UsageEndpoint, key: ResolvedKey, { head, asked: { model } }: FoundRequest): Ask {
  const estimate = estimateTokens(endpoint, head, model)
  return {
    tokens: estimate.prompt + estimate.completion,
    stated: head.maxTokens === null ? 0 : estimate.completion,
    nanos: key.monthlyBudgetNanos === null ? 0 : estimateCost(estimate, model),
  }
}

interface KnownRequest extends Pick<Admission, 'key' | 'endpoint' | 'admittedAt' | 'bodyWaitMs' | 'held'> {
  readonly call: HttpCall
  readonly found: FoundRequest
}

/** Rejects with the GatewayError that says why the request is not let through. */
async function askLimits(deps: InferenceDeps, known: KnownRequest, ask: Ask): Promise<void> {
  const { epoch } = deps.auth
  const from = performance.now()
  const reservation = await deps.limits.ask(known.key, ask)
  let { key } = known
  try {
    // It may have been revoked while the limits were asked for, and nobody would tell the request later.
    if (!deps.auth.holds(key, epoch)) {
      key = await deps.auth.resolve(known.call.header('authorization'))
      checkKey(deps, known.call, key)
    }
  } catch (error) {
    reservation.cancel()
    throw error
  }
  begin(deps, { ...known, key }, reservation, { from, until: performance.now() })
}

/** Every check is behind the request. @throws what makes it fail before there is an exchange that could tell */
function begin(
  deps: InferenceDeps,
  known: KnownRequest,
  reservation: Reservation,
  limitsWait: LimitsWait | null,
): void {
  const { call, key, endpoint, admittedAt, bodyWaitMs, held } = known
  const { head, asked, bytes } = known.found
  if (call.closed) {
    reservation.cancel()
    return
  }
  try {
    const route = splitRoute(deps.router, asked, key.tenantId)
    const request = new RoutedRequest(call, head, bytes, key.tenantId)
    const admission = {
      call,
      key,
      endpoint,
      head,
      asked,
      route,
      request,
      weight: TIER_SHARES[key.tier],
      admittedAt,
      bodyWaitMs,
      reservation,
      limitsWait,
      held,
      isCopy: false,
    }
    if (route.route.mirror !== null) mirrorRequest(deps, admission, bytes)
    new Exchange(deps, admission, bytes).begin()
  } catch (error) {
    reservation.cancel()
    throw error
  }
}

/** Embeddings are never streamed, whatever the body says. */
function readInferenceHead(endpoint: UsageEndpoint, bytes: Buffer): RequestHead {
  const head = readRequestHead(bytes)
  return endpoint === 'embeddings' && head.stream ? { ...head, stream: false } : head
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
