import { randomUUID } from 'node:crypto'
import type { ModelFigures } from '../core/model-figures.js'
import { publicUrl } from '../core/settings.js'
import type { Readiness } from '../io/ipc.js'
import type { ChildContext, RunningRole } from '../io/child.js'
import { createBus } from '../io/bus.js'
import { changesSince, readVersion, recentChanges, type Changes } from '../io/changes.js'
import { findKeys } from '../io/key-lookup.js'
import { writeKeyUse } from '../io/key-use.js'
import { createLimitStore } from '../io/limit-store.js'
import { createProxyMetrics, type ProxyMetrics } from '../io/metrics.js'
import { readNodeLive } from '../io/node-live.js'
import { mountPlatformRoutes } from '../io/platform-routes.js'
import { createPostgres } from '../io/postgres.js'
import { createRedis, redisReady } from '../io/redis.js'
import { loadSnapshot } from '../io/snapshot-load.js'
import { spendSince } from '../io/tenant-spend.js'
import { createHttpApp, type HttpApp } from '../io/uws.js'
import { createBodyMemory } from './body-memory.js'
import { startBusPulse } from './bus-pulse.js'
import { createChangeFeed } from './change-feed.js'
import { drainRequests } from './drain.js'
import { mountEndpoints } from './endpoints.js'
import type { Exchange } from './exchange.js'
import { createHealthMetrics } from './health-metrics.js'
import { serveInference } from './inference.js'
import { createKeyAuth, type KeyAuth, type KeyAuthOptions } from './key-auth.js'
import { createKeyFinder } from './key-finder.js'
import { createKeyUseLog } from './key-use.js'
import { createKeyWatch } from './key-watch.js'
import { startLimits } from './limits.js'
import { mountLimits } from './limits-route.js'
import { startLiveView } from './live-view.js'
import { startLoadLeases } from './load-leases.js'
import { mountModels } from './models.js'
import { createPacedRefusals } from './paced-refusals.js'
import { createRouter } from './routing.js'
import { createSettle } from './settle.js'
import { createSharedKeyCache } from './shared-key-cache.js'
import { watchSlow } from './slow-nodes.js'
import { startSpendFeed } from './spend-feed.js'
import { createSnapshotFile } from './snapshot-file.js'
import { SwapList } from './swap-list.js'
import { startSweep } from './sweep.js'
import { createUpstream } from './upstream.js'
import { startUsagePipeline, type StartFlusher } from './usage-pipeline.js'

/** The worker threads behind the tenant port. */
export interface TenantApi {
  /** Reads how all models did of late. */
  readFigures(): Promise<readonly ModelFigures[]>
  close(): Promise<void>
}

/** What the data plane is given beside its stores: it imports none of its siblings. */
export interface ProxyParts {
  /**
   * Mounts the tenant API and the docs, which worker threads answer.
   * @param announce to be called after each change
   */
  readonly mountTenantApi: (app: HttpApp, auth: KeyAuth, announce: () => void) => TenantApi
  /** Starts carrying spool directories into ClickHouse, off this thread. */
  readonly startFlusher: StartFlusher
}

/** Beyond what limits wait for an answer: a command that is given up by then. */
const LIMIT_MS = 4_000
const LIMIT_REDIS_READY_MS = 1_000
/** Deadlines of open requests are looked at this often. */
const SWEEP_MS = 100
/** Longer than the shared key cache keeps an entry: every change that could void one is learnt at the start. */
const RECENT_SECONDS = 900

/**
 * Starts the data plane: tenant port, key cache, routing table, spool. Starts alone from the last good snapshot
 * when the stores do not answer.
 */
export async function startProxy(context: ChildContext, parts: ProxyParts): Promise<RunningRole> {
  const { settings, name, logger, lifecycle } = context
  const now = () => Date.now()
  const metrics = createProxyMetrics(name)

  const postgres = createPostgres({
    url: settings.databaseUrl,
    max: 8,
    statementTimeoutMs: 3_000,
    connectTimeoutMs: 1_000,
    applicationName: name,
    logger,
  })
  lifecycle.add('postgres', () => postgres.end())
  const redis = settings.redisUrl === null ? null : createRedis({ url: settings.redisUrl, logger })
  if (redis !== null) {
    lifecycle.add('redis', () => {
      redis.disconnect()
    })
  }
  const bus = createBus(redis === null ? { postgresUrl: settings.databaseUrl, logger } : { redis, logger })
  lifecycle.add('bus', () => bus.close())
  const pulse = startBusPulse({ bus, now })
  lifecycle.add('bus pulse', () => {
    pulse.stop()
  })

  const router = createRouter({ now, random: Math.random })
  const file = createSnapshotFile(settings.dataDir, name)
  let loaded = false
  const reload = async () => {
    const snapshot = await loadSnapshot(postgres)
    loaded = true
    router.apply(snapshot)
    metrics.snapshotVersion.set(snapshot.version)
    try {
      file.write(snapshot)
    } catch (error) {
      // It is for a start without Postgres alone; what is served now is not touched by it.
      logger.warn({ event: 'snapshot_file_not_written', error })
    }
  }
  let heeded = -1
  const feed = createChangeFeed({
    readVersion: () => readVersion(postgres),
    changesSince: (version) => changesSince(postgres, version),
    apply: async (changes) => {
      // Where the catalogue cannot be loaded the same changes come again.
      if (changes.version !== heeded) {
        forget(auth, changes)
        watch.changed(changes)
        heeded = changes.version
      }
      // A start without Postgres has served an old snapshot, or none, until now.
      if (changes.catalogue || !changes.complete || !loaded) await reload()
    },
    logger,
    now,
  })
  const keyUse = createKeyUseLog({ write: (uses) => writeKeyUse(postgres, uses), logger, now })
  lifecycle.add('key use', () => keyUse.stop())
  const findKey = createKeyFinder({
    findKeys: (digests) => findKeys(postgres, digests),
    now: () => performance.now(),
  })
  const refusals = createPacedRefusals()
  lifecycle.add('refusals', () => {
    refusals.stop()
  })
  const auth = createKeyAuth({
    findKey,
    shared: redis === null ? null : createSharedKeyCache(redis, logger),
    now,
    // While the bus is alive and has told of nothing that we could not read, nothing has changed.
    feedCurrentAt: () => (pulse.alive && !feed.behind ? now() : feed.currentAt),
    graceMs: settings.keyGraceSeconds * 1000,
    onLookup: countLookups(metrics),
    refusals,
    onUse: (key) => {
      keyUse.note(key)
    },
  })
  const open = new SwapList<Exchange>()
  const watch = createKeyWatch({
    open,
    nameOf: (key) => auth.nameOf(key),
    findKey,
    onHeeded: (at) => {
      metrics.keyRevocationLag.observe(Math.max(0, now() - at) / 1000)
    },
    logger,
    now,
  })

  try {
    const recent = await recentChanges(postgres, RECENT_SECONDS)
    forgetNamed(auth, recent)
    auth.trustShared()
    await reload()
    feed.start(recent.version)
  } catch (error) {
    const last = file.read()
    logger.warn({ event: 'started_without_postgres', snapshotVersion: last?.version ?? null, error })
    if (last !== null) router.apply(last)
    // Everything is read again as soon as Postgres answers.
    feed.start(-1)
  }
  lifecycle.add('change feed', () => feed.stop())
  bus.subscribe('changes', () => {
    feed.poke()
  })
  bus.onConnect(() => {
    feed.poke()
  })
  const live = startLiveView({
    read: () => readNodeLive({ postgres, redis }),
    apply: (nodes) => {
      router.applyLive(nodes)
    },
    logger,
  })
  lifecycle.add('live view', () => live.stop())
  const leases = startLoadLeases({
    bus,
    targets: () => router.targets,
    demand: (nowMs, isRepeated) => router.demand(nowMs, isRepeated),
    process: randomUUID(),
    now,
    onRelief: () => {
      router.dispatch()
    },
  })
  lifecycle.add('load leases', () => leases.stop())
  const slow = watchSlow(() => router.models(), now)
  lifecycle.add('slow nodes', () => {
    slow.stop()
  })
  const health = createHealthMetrics(metrics)

  // A connection of its own: a request that waits for its limits waits for nothing else, and not for long.
  const limitRedis =
    settings.redisUrl === null
      ? null
      : createRedis({ url: settings.redisUrl, logger, commandTimeoutMs: LIMIT_MS, connectionName: 'limits' })
  // Without an answer they begin as they do when it is lost later.
  if (limitRedis !== null) await redisReady(limitRedis, LIMIT_REDIS_READY_MS).catch(() => undefined)
  const limits = startLimits({
    store: limitRedis === null ? null : createLimitStore(limitRedis, randomUUID()),
    leastProcesses: settings.proxyProcesses,
    logger,
    now: () => performance.now(),
    date: now,
    onExchange: (ledger, failed) => {
      metrics.limitExchanges.labels({ ledger, result: failed ? 'error' : 'ok' }).inc()
    },
  })
  const spending = startSpendFeed({
    read: (since) => spendSince(postgres, since),
    apply: (tenantId, month, nanos) => {
      limits.spent(tenantId, month, nanos)
    },
    logger,
  })
  lifecycle.add('spend feed', () => spending.stop())
  lifecycle.add('limits', async () => {
    await limits.stop()
    limitRedis?.disconnect()
  })

  const { spool, explanations } = startUsagePipeline(context, metrics, parts.startFlusher)
  const upstream = createUpstream()
  lifecycle.add('upstream', () => {
    upstream[Symbol.dispose]()
  })
  const sweep = startSweep(SWEEP_MS, () => {
    watch.sweep()
    const at = performance.now()
    open.each((exchange) => {
      exchange.sweep(at)
    })
    router.dispatch()
  })
  lifecycle.add('sweep', () => {
    sweep[Symbol.dispose]()
  })

  let draining = false
  /** The listener is closed; until then what comes is served, since balancers need time to look elsewhere. */
  let closed = false
  const app = createHttpApp({
    certFile: settings.tls?.certFile,
    keyFile: settings.tls?.keyFile,
    onError: (error, call) => {
      logger.error({
        event: 'internal_error',
        requestId: call.requestId,
        path: call.path,
        error: error.cause,
      })
    },
  })
  const deps = {
    router,
    upstream,
    spool,
    metrics,
    open,
    auth,
    limits,
    settle: createSettle({ spool, metrics, logger, accessLog: settings.accessLog }),
    random: Math.random,
    bodies: createBodyMemory(settings.maxBodiesTotalBytes),
    maxBodyBytes: settings.maxBodyBytes,
    isDraining: () => closed,
    explanations,
  }
  app.route('POST', '/v1/chat/completions', (call) => {
    serveInference(deps, 'chat.completions', call)
  })
  app.route('POST', '/v1/completions', (call) => {
    serveInference(deps, 'completions', call)
  })
  app.route('POST', '/v1/embeddings', (call) => {
    serveInference(deps, 'embeddings', call)
  })
  mountModels(app, auth, router)
  mountLimits(app, auth, limits)

  const readiness = async (): Promise<Readiness> => {
    const wrong: Record<string, string> = {}
    if (router.version < 0) wrong['snapshot'] = 'none has been loaded'
    if (!spool.writable) wrong['spool'] = 'the disk refuses writes'
    if (draining) return { status: 'draining', parts: wrong }
    if (Object.keys(wrong).length > 0) return { status: 'unready', parts: wrong }
    if (now() - feed.currentAt > 5_000) wrong['database'] = 'does not answer'
    // Asked, since a Redis that hangs keeps its connection.
    await redis?.ping().catch(() => (wrong['cache'] = 'does not answer'))
    if (metrics.spoolOldest.value > 10) wrong['analytics'] = 'usage is waiting in the spool'
    return { status: Object.keys(wrong).length > 0 ? 'degraded' : 'ready', parts: wrong }
  }
  mountPlatformRoutes(app, { readiness })
  const tenantApi = parts.mountTenantApi(app, auth, () => void bus.publish('changes', ''))
  lifecycle.add('tenant api', () => tenantApi.close())
  const baseUrl = `${publicUrl(settings)}/v1`
  mountEndpoints(app, { auth, router, readFigures: () => tenantApi.readFigures(), baseUrl, now })
  await limits.ready()
  await app.listen(settings.host, settings.port)
  lifecycle.add('tenant port', () => {
    app.close()
  })

  return {
    readiness,
    metrics: () => {
      const connections = upstream.stats()
      metrics.upstreamConnections.labels({ state: 'busy' }).set(connections.busy)
      metrics.upstreamConnections.labels({ state: 'idle' }).set(connections.idle)
      metrics.limitsAlone.set(limits.alone ? 1 : 0)
      health.update(router.models(), now())
      metrics.snapshotAge.set((now() - feed.currentAt) / 1000)
      return metrics.toJson()
    },
    async drain(hurry) {
      draining = true
      await drainRequests({
        app,
        open,
        delayMs: settings.drainDelaySeconds * 1000,
        streamsMs: settings.drainSeconds * 1000,
        onClosed: () => {
          closed = true
        },
        hurry,
      })
    },
  }
}

/** Counts key look-ups; the cell of the warm path is bound once. */
function countLookups({ authLookups }: ProxyMetrics): KeyAuthOptions['onLookup'] {
  const known = authLookups.labels({ source: 'memory', result: 'hit' })
  return (source, result) => {
    if (source === 'memory' && result === 'hit') known.inc()
    else authLookups.labels({ source, result }).inc()
  }
}

function forget(auth: KeyAuth, changes: Changes): void {
  if (changes.complete) forgetNamed(auth, changes)
  else auth.everythingChanged(changes.version)
}

function forgetNamed(auth: KeyAuth, changes: Changes): void {
  for (const digest of changes.keyDigests) auth.keyChanged(digest, changes.version)
  auth.tenantsChanged(changes.tenantIds, changes.version)
}
