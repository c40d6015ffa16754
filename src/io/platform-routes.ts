import { isServing, type Readiness } from './ipc.js'
import type { HttpApp } from './uws.js'

export interface PlatformRoutes {
  readonly readiness: () => Readiness | Promise<Readiness>
  /** Prometheus text of all processes; left out on the tenant port. */
  readonly metrics?: () => Promise<string>
}

const JSON_TYPE = { 'content-type': 'application/json', 'cache-control': 'no-store' }

/** Body of `GET /ready`. */
export function readinessBody({ status, parts }: Readiness): string {
  return JSON.stringify(Object.keys(parts).length === 0 ? { status } : { status, parts })
}

/** Mounts `/health`, `/ready` and, where given, `/metrics`: what balancers and Prometheus ask, with no credential. */
export function mountPlatformRoutes(app: HttpApp, { readiness, metrics }: PlatformRoutes): void {
  app.route('GET', '/health', (call) => {
    call.reply(200, JSON_TYPE, JSON.stringify({ status: 'ok', time: new Date().toISOString() }))
  })
  app.route('GET', '/ready', (call) => {
    Promise.resolve(readiness())
      .then((state) => {
        call.reply(isServing(state) ? 200 : 503, JSON_TYPE, readinessBody(state))
      })
      .catch((error: unknown) => {
        call.fail(error)
      })
  })
  if (metrics === undefined) return
  app.route('GET', '/metrics', (call) => {
    metrics()
      .then((text) => {
        call.reply(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }, text)
      })
      .catch((error: unknown) => {
        call.fail(error)
      })
  })
}
