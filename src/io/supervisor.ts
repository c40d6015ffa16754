import { chmod, mkdir } from 'node:fs/promises'
import { publicUrl, type ResolvedSettings, type Settings } from '../core/settings.js'
import { keptAdminToken } from './admin-token.js'
import { lockDataDir } from './data-dir-lock.js'
import { startFleet } from './fleet.js'
import { createLifecycle, type Lifecycle } from './lifecycle.js'
import type { Logger } from './logger.js'
import { awaitPredecessors } from './predecessors.js'
import { reservePort, type PortReservation } from './reserve-port.js'
import { StartError } from './start-error.js'
import type { StoreUrls } from './start-stores.js'
import type { StopSignals } from './stop-signals.js'

export interface SupervisorOptions {
  readonly settings: Settings
  readonly logger: Logger
  readonly signals: StopSignals
  /** The entry point that children are forked from; it gets role and slot as arguments. */
  readonly modulePath: string
  /** Starts the stores that have no URL; what it starts it adds to the lifecycle. */
  readonly openStores: (settings: Settings, logger: Logger, lifecycle: Lifecycle) => Promise<StoreUrls>
  /** Brings the schemas up to date; called for the roles all and control. */
  readonly migrate: (urls: StoreUrls, logger: Logger) => Promise<void>
}

/**
 * Runs the gateway until a stop signal has been served: lock, stores, migrations, children, the ready line, the
 * wait, the drain. Whatever had been started is stopped when it returns or throws.
 * @throws StartError when it cannot start
 */
export async function supervise(options: SupervisorOptions): Promise<void> {
  const { settings, logger, signals } = options
  process.title = 'crosslogic-supervisor'
  await using lifecycle = createLifecycle(logger)
  await makeDataDir(settings.dataDir)
  const lock = await lockDataDir(settings.dataDir)
  lifecycle.add('lock', () => lock.release())

  // Before the ports are tried: a predecessor's children may still hold them.
  await awaitPredecessors(settings.dataDir, logger)
  const ports = await reservePorts(settings, lifecycle)
  if (signals.stop.aborted) return
  const urls = await options.openStores(settings, logger, lifecycle)
  if (signals.stop.aborted) return
  if (settings.role !== 'proxy') await options.migrate(urls, logger)
  if (signals.stop.aborted) return

  const resolved = await resolveSettings(settings, urls, ports)
  await Promise.all([ports.tenant?.release(), ports.admin.release()])
  const fleet = startFleet({ modulePath: options.modulePath, logger, settings: resolved })
  lifecycle.add('processes', () => fleet.drain(signals.hurry), { timeoutMs: drainLimitMs(settings) })
  await Promise.race([fleet.started, aborted(signals.stop)])
  if (signals.stop.aborted) return

  if (settings.role === 'proxy') {
    // Loaded here alone: no other role's supervisor has use for uWebSockets.js.
    const { startProbeServer } = await import('./probe-server.js')
    const server = await startProbeServer(resolved, fleet, logger)
    lifecycle.add('probe server', () => {
      server[Symbol.dispose]()
    })
  }
  // At any log level: whoever started the gateway waits for this line.
  logger.child({}, { level: 'info' }).info({
    event: 'ready',
    role: settings.role,
    tenantPort: settings.role === 'control' ? null : resolved.port,
    adminPort: resolved.adminPort,
    ...(settings.role !== 'control' && { publicUrl: publicUrl(resolved) }),
  })
  await aborted(signals.stop)
  logger.info({ event: 'stopping', signal: String(signals.stop.reason) })
  // The probe server answers while the proxies drain; it closes with the rest.
  await fleet.drain(signals.hurry)
}

/**
 * Nobody else may look into the data directory. Under root the embedded PostgreSQL runs as another user, who must be
 * able to pass through; what is secret inside has a mode of its own.
 */
const PRIVATE = process.getuid?.() === 0 ? 0o711 : 0o700

async function makeDataDir(dataDir: string): Promise<void> {
  try {
    if ((await mkdir(dataDir, { recursive: true, mode: PRIVATE })) !== undefined)
      await chmod(dataDir, PRIVATE)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new StartError(`DATA_DIR ${dataDir} cannot be made: ${reason}`, 1, { cause: error })
  }
}

interface Ports {
  /** Null when there is no proxy. */
  readonly tenant: PortReservation | null
  readonly admin: PortReservation
}

async function reservePorts(settings: Settings, lifecycle: Lifecycle): Promise<Ports> {
  const hold = async (name: string, host: string, port: number) => {
    const reservation = await reservePort(name, host, port)
    lifecycle.add(name, () => reservation.release())
    return reservation
  }
  return {
    tenant: settings.role === 'control' ? null : await hold('PORT', settings.host, settings.port),
    admin: await hold('ADMIN_PORT', settings.adminHost, settings.adminPort),
  }
}

async function resolveSettings(settings: Settings, urls: StoreUrls, ports: Ports): Promise<ResolvedSettings> {
  const port = ports.tenant?.port ?? settings.port
  return {
    ...settings,
    databaseUrl: urls.databaseUrl,
    redisUrl: urls.redisUrl,
    clickhouseUrl: urls.clickhouseUrl,
    port,
    adminPort: ports.admin.port,
    adminToken:
      settings.role === 'proxy' ? null : (settings.adminToken ?? (await keptAdminToken(settings.dataDir))),
  }
}

/** Children are killed by their own limit before this; it only bounds the closing of the whole. */
function drainLimitMs(settings: Settings): number {
  return (settings.drainDelaySeconds + settings.drainSeconds) * 1000 + 2 * 60_000
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else {
      signal.addEventListener(
        'abort',
        () => {
          resolve()
        },
        { once: true },
      )
    }
  })
}
