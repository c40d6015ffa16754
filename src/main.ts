import { accessSync, constants } from 'node:fs'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { GatewayError } from './core/errors.js'
import type { ResolvedKey } from './core/resolved-key.js'
import { readSettings, type Machine } from './core/settings.js'
import { runChild, type ChildContext, type RunningRole } from './io/child.js'
import { createLogger } from './io/logger.js'

/**
 * The composition root. Without arguments this is the supervisor, which forks this file again for each of its
 * children with a role and a slot as arguments; those get their settings over IPC.
 */
const EXIT_BAD_SETTINGS = 64

const [role, slot] = process.argv.slice(2)
if (role === 'control') await runChild({ role, slot: 0 }, startControlRole)
else if (role === 'proxy') await runChild({ role, slot: Number(slot) }, startProxyRole)
else process.exitCode = await runSupervisor()

/** Runs the gateway until a stop signal was served; answers the exit code. */
async function runSupervisor(): Promise<number> {
  const { listenForStopSignals } = await import('./io/stop-signals.js')
  using signals = listenForStopSignals()
  const result = readSettings(process.env, await thisMachine())
  if (!result.ok) {
    process.stderr.write(`Bad settings:\n${result.problems.map((problem) => `  ${problem}\n`).join('')}`)
    return EXIT_BAD_SETTINGS
  }
  const settings = { ...result.settings, dataDir: resolve(result.settings.dataDir) }
  const logger = createLogger({ level: settings.logLevel, process: 'supervisor' })
  const { supervise } = await import('./io/supervisor.js')
  const { migrateStores, startStores } = await import('./io/start-stores.js')
  const { StartError } = await import('./io/start-error.js')
  try {
    const modulePath = fileURLToPath(import.meta.url)
    await supervise({
      settings,
      logger,
      signals,
      modulePath,
      openStores: startStores,
      migrate: migrateStores,
    })
    return 0
  } catch (error) {
    const known = error instanceof StartError
    logger.fatal(
      { event: 'start_failed', ...(!known && { error }) },
      error instanceof Error ? error.message : String(error),
    )
    return known ? error.exitCode : 1
  }
}

async function thisMachine(): Promise<Machine> {
  const { hasRedisServer } = await import('./io/embedded/redis.js')
  return {
    cores: availableParallelism(),
    hasRedisServer: await hasRedisServer(),
    isReadableFile: (path) => {
      try {
        accessSync(path, constants.R_OK)
        return true
      } catch {
        return false
      }
    },
  }
}

/** The control process: the admin port, answered by worker threads. */
async function startControlRole(context: ChildContext): Promise<RunningRole> {
  const { settings, logger, lifecycle, name } = context
  const { createHttpApp } = await import('./io/uws.js')
  const { createControlMetrics } = await import('./io/metrics.js')
  const { mountPlatformRoutes } = await import('./io/platform-routes.js')
  const metrics = createControlMetrics(name)
  const readiness = () => ({ status: 'ready' as const, parts: {} })
  const app = createHttpApp({
    certFile: settings.adminTls?.certFile,
    keyFile: settings.adminTls?.keyFile,
    onError: ({ cause }, { requestId, path }) => {
      logger.error({ event: 'internal_error', requestId, path, error: cause })
    },
  })
  mountPlatformRoutes(app, { readiness, metrics: context.gatherMetrics })
  await app.listen(settings.adminHost, settings.adminPort)
  lifecycle.add('admin port', () => {
    app.close()
  })
  return {
    readiness,
    metrics: metrics.toJson,
    drain: () => {
      app.stopListening()
      return Promise.resolve()
    },
  }
}

/** A proxy process: the data plane, with the tenant API and the usage flusher in threads beside it. */
async function startProxyRole(context: ChildContext): Promise<RunningRole> {
  const { startProxy } = await import('./proxy/start.js')
  const { mountContract } = await import('./io/contract-mount.js')
  const { tenantPortEndpoints } = await import('./core/contract/contract.js')
  const { startWorkerPool } = await import('./workers/pool.js')
  const { startFlusherThread } = await import('./workers/usage-flush-thread.js')
  const { settings, logger } = context
  const { databaseUrl, redisUrl, clickhouseUrl } = settings

  return startProxy(context, {
    mountTenantApi(app, auth) {
      const pool = startWorkerPool({ settings: { databaseUrl, redisUrl, clickhouseUrl }, maxThreads: 1 })
      mountContract(app, {
        endpoints: tenantPortEndpoints,
        authenticate(call) {
          const credential = call.header('authorization')
          const known = auth.known(credential)
          return known === null ? auth.resolve(credential).then(callerOf) : callerOf(known)

          function callerOf(key: ResolvedKey) {
            if (key.tenantStatus === 'suspended') throw new GatewayError('tenant_suspended')
            const { keyId, environmentId, tenantId, role } = key
            const actor = { kind: 'key', keyId, environmentId, tenantId, role } as const
            return { actor, credential: credential ?? '' }
          }
        },
        runTask: (task) => pool.run(task),
        onFailure: ({ cause }, { requestId, path }) => {
          logger.error({ event: 'tenant_api_failed', requestId, path, error: cause })
        },
      })
      return { close: async () => pool[Symbol.asyncDispose]() }
    },
    startFlusher: ({ directory, liveEpoch, adoptedDirectories, onBacklog }) =>
      startFlusherThread({
        directory,
        liveEpoch,
        adoptedDirectories: [...adoptedDirectories],
        clickhouseUrl,
        processName: context.name,
        logLevel: settings.logLevel,
        logger,
        onBacklog,
      }),
  })
}
