import { writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { readSettings } from '../../src/core/settings.js'
import { runChild, type ChildContext, type RunningRole } from '../../src/io/child.js'
import { createLogger } from '../../src/io/logger.js'
import { createControlMetrics } from '../../src/io/metrics.js'
import { mountPlatformRoutes } from '../../src/io/platform-routes.js'
import { StartError } from '../../src/io/start-error.js'
import { listenForStopSignals } from '../../src/io/stop-signals.js'
import { supervise } from '../../src/io/supervisor.js'
import { createHttpApp } from '../../src/io/uws.js'
import { fileURLToPath } from 'node:url'

/**
 * A program for tests of the supervisor: the real supervisor and real child processes, whose roles serve a few
 * paths and need no store. `/work?ms=` replies after that time, `/die` ends the process, `/block` stops its event
 * loop. FIXTURE_FAILS=migrate|proxy|control makes that part fail at the start.
 */
const fails = process.env['FIXTURE_FAILS']

async function startRole(role: 'control' | 'proxy', context: ChildContext): Promise<RunningRole> {
  if (fails === role) throw new Error('told to fail')
  const { settings, logger, lifecycle } = context
  const metrics = createControlMetrics(context.name)
  const app = createHttpApp({ onError: (error) => logger.error({ error }) })
  lifecycle.add('listener', () => {
    app.close()
  })
  const cut = new AbortController()
  const work = new Set<Promise<void>>()
  const readiness = () => ({
    status: context.gatewayDraining.aborted ? ('draining' as const) : ('ready' as const),
    parts: {},
  })

  mountPlatformRoutes(app, { readiness, metrics: context.gatherMetrics })
  app.route('GET', '/settings', (call) => {
    call.reply(200, {}, JSON.stringify({ settings, env: process.env, slot: context.slot, pid: process.pid }))
  })
  app.route('GET', '/work', (call) => {
    call.onAbort(() => {})
    const ms = Number(new URLSearchParams(call.query).get('ms'))
    const job = sleep(ms, 'done', { signal: cut.signal }).catch(() => 'cut')
    const reply = job.then((text) => {
      call.reply(200, { connection: 'close' }, text)
      work.delete(reply)
    })
    work.add(reply)
  })
  app.route('GET', '/die', () => process.kill(process.pid, 'SIGKILL'))
  app.route('GET', '/block', () => {
    // Now: the logger writes when the event loop comes to it.
    writeSync(1, '{"event":"blocking"}\n')
    for (;;);
  })
  await (role === 'proxy'
    ? app.listen(settings.host, settings.port)
    : app.listen(settings.adminHost, settings.adminPort))

  return {
    readiness,
    metrics: metrics.toJson,
    async drain(hurry) {
      await sleep(settings.drainDelaySeconds * 1000, undefined, { signal: hurry }).catch(() => {})
      app.stopListening()
      hurry.addEventListener('abort', () => {
        cut.abort()
      })
      if (hurry.aborted) cut.abort()
      await Promise.all(work)
      // Lets the last replies leave before the app is closed.
      await sleep(50)
    },
  }
}

const [role, slot] = process.argv.slice(2)
if (role === 'control' || role === 'proxy') {
  await runChild({ role, slot: Number(slot) }, (context) => startRole(role, context))
} else {
  const result = readSettings(process.env, { cores: 2, hasRedisServer: true, isReadableFile: () => true })
  if (!result.ok) throw new Error(result.problems.join('\n'))
  const logger = createLogger({ level: result.settings.logLevel, process: 'supervisor' })
  using signals = listenForStopSignals()
  try {
    await supervise({
      settings: result.settings,
      logger,
      signals,
      modulePath: fileURLToPath(import.meta.url),
      openStores: (_settings, _logger, lifecycle) => {
        lifecycle.add('stores', () => {
          logger.info({ event: 'stores_closed' })
        })
        const databaseUrl = 'postgres://app:hunter2@127.0.0.1:1/none'
        return Promise.resolve({
          databaseUrl,
          migrationDatabaseUrl: databaseUrl,
          redisUrl: null,
          clickhouseUrl: 'http://127.0.0.1:1',
        })
      },
      migrate: () => {
        if (fails === 'migrate') throw new StartError('migration 0001 failed: told to fail')
        return Promise.resolve()
      },
    })
    process.exitCode = 0
  } catch (error) {
    if (!(error instanceof StartError)) throw error
    logger.fatal({ event: 'start_failed' }, error.message)
    process.exitCode = error.exitCode
  }
}
