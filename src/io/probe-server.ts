import { readFileSync } from 'node:fs'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { errorBody, GatewayError, toGatewayError } from '../core/errors.js'
import type { TlsFiles } from '../core/settings.js'
import { uuidv7 } from 'uuidv7'
import { isServing, type Readiness } from './ipc.js'
import type { Logger } from './logger.js'

export interface ProbeServerOptions {
  readonly host: string
  readonly port: number
  readonly tls: TlsFiles | null
  readonly readiness: () => Promise<Readiness>
  /** Prometheus text. */
  readonly metrics: () => Promise<string>
  readonly logger: Logger
}

/** Body of `GET /ready`. */
export function readinessBody({ status, parts }: Readiness): string {
  return JSON.stringify(Object.keys(parts).length === 0 ? { status } : { status, parts })
}

/** The admin port of `ROLE=proxy`: `/health`, `/ready` and `/metrics` of the proxies together, nothing else. */
export async function startProbeServer(options: ProbeServerOptions): Promise<AsyncDisposable> {
  const routes: Readonly<Record<string, () => Promise<Reply> | Reply>> = {
    '/health': () => json(200, JSON.stringify({ status: 'ok', time: new Date().toISOString() })),
    '/ready': async () => {
      const readiness = await options.readiness()
      return json(isServing(readiness) ? 200 : 503, readinessBody(readiness))
    },
    '/metrics': async () => ({
      status: 200,
      headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
      body: await options.metrics(),
    }),
  }

  async function replyTo(method: string | undefined, url: string | undefined): Promise<Reply> {
    const path = (url ?? '').split('?', 1)[0] ?? ''
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined
    try {
      if (route === undefined) throw new GatewayError('not_found')
      if (method !== 'GET') throw new GatewayError('method_not_allowed', { headers: { allow: 'GET' } })
      return await route()
    } catch (thrown) {
      const error = toGatewayError(thrown)
      if (error.status >= 500)
        options.logger.error({ event: 'probe_failed', path, error: error.cause ?? error })
      const { status, headers, body } = json(error.status, errorBody(error))
      return { status, headers: { ...headers, ...error.headers }, body }
    }
  }

  const onRequest: RequestListener = (request, response) => {
    request.resume()
    void replyTo(request.method, request.url).then(({ status, headers, body }) => {
      response.writeHead(status, { ...headers, 'x-request-id': uuidv7() }).end(body)
    })
  }
  const { tls, host, port } = options
  const server =
    tls === null
      ? createServer(onRequest)
      : createTlsServer({ cert: readFileSync(tls.certFile), key: readFileSync(tls.keyFile) }, onRequest)
  server.listen({ host, port })
  await once(server, 'listening')
  return {
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

function json(status: number, body: string): Reply {
  return { status, headers: { 'content-type': 'application/json' }, body }
}
