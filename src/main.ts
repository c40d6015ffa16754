import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { bearerToken } from './core/api-key.js'
import { GatewayError } from './core/errors.js'
import type { ResolvedKey } from './core/resolved-key.js'
import { controlUrl, readSettings, type Machine } from './core/settings.js'
import { runChild, type ChildContext, type RunningRole } from './io/child.js'
import type { Readiness } from './io/ipc.js'
import { createLogger, type Logger } from './io/logger.js'
import type { HttpCall } from './io/uws.js'

/*
 * The composition root. Without arguments this is the supervisor, which forks this file again for each of its
 * children with a role and a slot as arguments; those get their settings over IPC.
 */

/** EX_USAGE of sysexits.h. */
const EXIT_BAD_SETTINGS = 64
/** Calls of the admin API that are being answered get this long when control drains, in ms. */
const ADMIN_DRAIN_MS = 10_000
/** A store that takes longer counts as one that does not answer, in `/ready` of the admin port. */
const STORE_ANSWER_MS = 1_000

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
    if (settings.role !== 'proxy') await requireTemplates(settings.launchTemplatesDir)
    await supervise({
      settings,
      logger,
      signals,
      modulePath,
      openStores: startStores,
      migrate: (urls, log) => migrateStores(urls, log, settings.explainDays),
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

/**
 * Launch templates are read before anything is started: a bad one would keep the control process from starting.
 * @throws StartError that says which file is wrong, and how
 */
async function requireTemplates(folder: string | null): Promise<void> {
  const { readLaunchTemplates } = await import('./workers/launchers/launch-templates.js')
  const { LaunchTemplateError } = await import('./core/template-text.js')
  const { StartError } = await import('./io/start-error.js')
  try {
    await readLaunchTemplates(folder)
  } catch (cause) {
    if (!(cause instanceof LaunchTemplateError)) throw cause
    throw new StartError(`bad launch template: ${cause.message}`, EXIT_BAD_SETTINGS, { cause })
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

/** The control process: the admin port, whose calls worker threads answer. */
async function startControlRole(context: ChildContext): Promise<RunningRole> {
  const { createHttpApp } = await import('./io/uws.js')
  const { createPostgres } = await import('./io/postgres.js')
  const { createRedis } = await import('./io/redis.js')
  const { createBus } = await import('./io/bus.js')
  const { createControlMetrics } = await import('./io/metrics.js')
  const { countOrchestration } = await import('./io/count-orchestration.js')
  const { mountAdmin } = await import('./admin/admin-port.js')
  const { startWorkerPool } = await import('./workers/pool.js')
  const { startLeaderThread } = await import('./workers/leader-thread.js')
  const { readTemplateFiles } = await import('./workers/launchers/launch-templates.js')
  const { within } = await import('./io/within.js')
  const { settings, logger, lifecycle, name } = context
  const { databaseUrl, redisUrl, clickhouseUrl, adminToken } = settings
  if (adminToken === null) throw new Error('the control process was given no admin token')

  const metrics = createControlMetrics(name)
  const postgres = createPostgres({ url: databaseUrl, max: 4, applicationName: name, logger })
  lifecycle.add('postgres', () => postgres.end())
  const redis = redisUrl === null ? null : createRedis({ url: redisUrl, logger, connectionName: name })
  lifecycle.add('redis', () => redis?.disconnect())
  const bus = createBus(redis === null ? { postgresUrl: databaseUrl, logger } : { redis, logger })
  lifecycle.add('bus', () => bus.close())
  const templates = await readTemplateFiles(settings.launchTemplatesDir)
  const launching = { templates, skypilot: settings.skypilot !== null }
  const pool = startWorkerPool({ settings: { databaseUrl, redisUrl, clickhouseUrl, launching } })
  lifecycle.add('worker threads', () => pool[Symbol.asyncDispose]())
  const leader = startLeaderThread({
    databaseUrl,
    clickhouseUrl,
    redisUrl,
    logLevel: settings.logLevel,
    orchestration: {
      nodesFolder: join(settings.dataDir, 'nodes'),
      templates,
      controlUrl: controlUrl(settings),
      skypilot: settings.skypilot,
      hfToken: settings.hfToken,
      launchTimeoutSeconds: settings.launchTimeoutSeconds,
      orphanGraceSeconds: settings.orphanGraceSeconds,
    },
    processName: name,
    logger,
    onEvent: (event) => {
      countOrchestration(metrics, event)
    },
  })
  lifecycle.add('leader', () => leader[Symbol.asyncDispose]())

  const answers = (question: Promise<unknown>) =>
    within(
      STORE_ANSWER_MS,
      question.then(
        () => true,
        () => false,
      ),
    )
  const readiness = async (): Promise<Readiness> => {
    const parts: Record<string, string> = {}
    const [database, cache] = await Promise.all([
      answers(postgres.query('SELECT 1')),
      redis === null || answers(redis.ping()),
    ])
    if (database !== true) parts['database'] = 'does not answer'
    if (cache !== true) parts['cache'] = 'does not answer'
    if (context.gatewayDraining.aborted) return { status: 'draining', parts }
    return { status: Object.keys(parts).length > 0 ? 'degraded' : 'ready', parts }
  }
  const open = new Set<Promise<unknown>>()
  const app = createHttpApp({
    certFile: settings.adminTls?.certFile,
    keyFile: settings.adminTls?.keyFile,
    onError: logFailure(logger),
  })
  mountAdmin(app, {
    adminToken,
    findToken: (digest) => pool.findAdminToken(digest),
    onAuthFailure: () => {
      metrics.adminAuthFailures.inc()
    },
    logger,
    readiness,
    metrics: context.gatherMetrics,
    runTask: (task) => {
      const answer = pool.run(task)
      open.add(answer)
      const done = () => open.delete(answer)
      answer.then(done, done)
      return answer
    },
    describe: () => pool.describe({ port: 'admin', serverUrl: null }),
    askProcesses: context.askProcesses,
    afterChange: () => void bus.publish('changes', ''),
    onFailure: logFailure(logger),
  })
  await app.listen(settings.adminHost, settings.adminPort)
  lifecycle.add('admin port', () => {
    app.close()
  })
  return {
    readiness,
    metrics: metrics.toJson,
    async drain(hurry) {
      app.stopListening()
      const limit = AbortSignal.any([hurry, AbortSignal.timeout(ADMIN_DRAIN_MS)])
      if (!limit.aborted) await Promise.race([Promise.allSettled(open), once(limit, 'abort')])
      // What was answered just now is sent in this turn.
      await setImmediate()
    },
  }
}

/** A proxy process: the data plane, with the tenant API and the usage flusher in threads beside it. */
async function startProxyRole(context: ChildContext): Promise<RunningRole> {
  const { startProxy } = await import('./proxy/start.js')
  const { mountContract } = await import('./io/contract-mount.js')
  const { mountDocs } = await import('./io/docs-mount.js')
  const { tenantPortEndpoints } = await import('./core/contract/contract.js')
  const { startWorkerPool } = await import('./workers/pool.js')
  const { startFlusherThread } = await import('./workers/usage-flush-thread.js')
  const { settings, logger } = context
  const { databaseUrl, redisUrl, clickhouseUrl } = settings

  return startProxy(context, {
    mountTenantApi(app, auth, announce) {
      const pool = startWorkerPool({
        settings: { databaseUrl, redisUrl, clickhouseUrl, launching: null },
        maxThreads: 1,
      })
      mountDocs(app, 'tenant', () => pool.describe({ port: 'tenant', serverUrl: settings.publicUrl }))
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
            // However the header was written, it is the same key.
            return { actor, credential: bearerToken(credential) }
          }
        },
        refuse: (call, error) => {
          auth.refuse(error, () => {
            call.fail(error)
          })
        },
        runTask: (task) => pool.run(task),
        afterChange: announce,
        onFailure: logFailure(logger),
      })
      return { readFigures: () => pool.readFigures(), close: async () => pool[Symbol.asyncDispose]() }
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

/** Logs what clients are not told of a failure, under its request id. */
function logFailure(logger: Logger): (error: GatewayError, call: HttpCall) => void {
  return ({ code, cause }, { requestId, method, path }) => {
    logger.error({ event: 'request_failed', requestId, method, path, code, error: cause })
  }
}
