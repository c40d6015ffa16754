import type { ResolvedSettings } from '../core/settings.js'
import type { Logger } from './logger.js'
import { mountPlatformRoutes, type PlatformRoutes } from './platform-routes.js'
import { createHttpApp } from './uws.js'

/**
 * The admin port of `ROLE=proxy`, served by the supervisor: `/health`, `/ready` and `/metrics` of the proxies
 * together, nothing else.
 */
export async function startProbeServer(
  settings: ResolvedSettings,
  routes: PlatformRoutes,
  logger: Logger,
): Promise<Disposable> {
  const app = createHttpApp({
    certFile: settings.adminTls?.certFile,
    keyFile: settings.adminTls?.keyFile,
    onError: (error, call) => {
      logger.error({
        event: 'request_failed',
        path: call.path,
        requestId: call.requestId,
        error: error.cause,
      })
    },
  })
  mountPlatformRoutes(app, routes)
  await app.listen(settings.adminHost, settings.adminPort)
  return {
    [Symbol.dispose]: () => {
      app.close()
    },
  }
}
