import type { RequestHead } from '../core/request-head.js'
import { PLATFORM_TENANT_ID, type UsageEndpoint } from '../core/usage-record.js'
import type { ResolvedKey } from '../core/resolved-key.js'
import { newRequestId } from '../io/request-id.js'
import type { BodyMemory } from './body-memory.js'
import type { ClientCall } from './client-reply.js'
import { Exchange, type ExchangeDeps } from './exchange.js'
import { UNLIMITED_RESERVATION } from './reservation.js'
import { RoutedRequest } from './routed-request.js'
import type { ModelRoute } from './routing.js'

export interface MirrorDeps extends ExchangeDeps {
  readonly bodies: BodyMemory
  /** In [0, 1). */
  readonly random: () => number
}

/** A request that was admitted. */
export interface Mirrored {
  readonly call: ClientCall
  readonly key: ResolvedKey
  readonly endpoint: UsageEndpoint
  readonly head: RequestHead
  readonly route: ModelRoute
}

/**
 * Sends a copy of a request to the model that its route mirrors to, for the share that it says. The answer is read and
 * dropped, its usage is the platform's. A copy never waits, is never tried twice and never copied again, and gives way
 * where memory is short.
 */
export function mirrorRequest(deps: MirrorDeps, mirrored: Mirrored, body: Buffer): void {
  const { mirror } = mirrored.route.route
  if (mirror === null || deps.random() * 100 >= mirror.percent) return
  const route = deps.router.byId(mirror.modelId)
  const held = deps.bodies.hold()
  if (route === undefined || held.crowded) return
  const room = held.grow(body.length, 0)
  if (room === null) return
  const copy = room.subarray(0, body.length)
  copy.set(body)
  const { key, endpoint, head } = mirrored
  const call = new DroppedCall(mirrored.call)
  const admission = {
    call,
    key: {
      ...key,
      tenantId: PLATFORM_TENANT_ID,
      environmentId: PLATFORM_TENANT_ID,
      keyId: PLATFORM_TENANT_ID,
    },
    endpoint,
    head,
    asked: route,
    route,
    request: new RoutedRequest(call, head, copy, PLATFORM_TENANT_ID),
    weight: 1,
    admittedAt: call.startedAt,
    bodyWaitMs: 0,
    reservation: UNLIMITED_RESERVATION,
    limitsWait: null,
    held,
    isCopy: true,
  }
  deps.metrics.mirroredRequests.inc()
  new Exchange(deps, admission, copy).begin()
}

/** A client that wants nothing: takes every part of an answer at once and never leaves. */
class DroppedCall implements ClientCall {
  readonly requestId = newRequestId(Date.now())
  readonly startedAt = performance.now()
  readonly closed = false
  readonly #original: ClientCall

  constructor(original: ClientCall) {
    this.#original = original
  }

  /** Of the original: a trace may show the copy beside it. */
  header(name: string): string | undefined {
    return this.#original.header(name)
  }

  start(): boolean {
    return true
  }

  write(): boolean {
    return true
  }

  reply(): void {}
  fail(): void {}
  end(): void {}
  cut(): void {}
  onAbort(): void {}
  onWritable(): void {}
}
