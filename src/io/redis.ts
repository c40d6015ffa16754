import { Cluster, Redis } from 'ioredis'
import type { Logger } from 'pino'

export type RedisClient = Redis | Cluster

export interface RedisClientOptions {
  /**
   * One server: `redis://user:password@host:6379/0` or `rediss://` for TLS. A cluster: its first nodes separated
   * by commas (`redis://a:6379,redis://b:6379`), or one address with the scheme `redis+cluster://` or
   * `rediss+cluster://`; user and password are those of the first.
   */
  readonly url: string
  readonly logger?: Logger | undefined
  /** A slow Redis is worse than a dead one. Default 250 ms. */
  readonly commandTimeoutMs?: number
  readonly connectionName?: string
}

const LONGEST_RECONNECT_MS = 1_000

/**
 * A client that fails fast: a command is refused while there is no connection, is given up after its timeout, and
 * is not sent a second time by itself. It reconnects for ever. Connects at once; close it with `disconnect()`.
 * @throws when the URL is not one
 */
export function createRedis(options: RedisClientOptions): RedisClient {
  const addresses = parseRedisUrl(options.url)
  const [first] = addresses.nodes
  const shared = {
    username: first.username,
    password: first.password,
    ...(first.tls ? { tls: {} } : {}),
    connectionName: options.connectionName ?? 'crosslogic',
    connectTimeout: 2_000,
    commandTimeout: options.commandTimeoutMs ?? 250,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    keepAlive: 10_000,
  }
  const redis = addresses.cluster
    ? new Cluster(
        addresses.nodes.map(({ host, port }) => ({ host, port })),
        {
          redisOptions: shared,
          enableOfflineQueue: false,
          enableAutoPipelining: true,
          clusterRetryStrategy: reconnectDelayMs,
          // By these two it would send commands again that may have been done.
          retryDelayOnFailover: 0,
          retryDelayOnClusterDown: 0,
          // Certificates name hosts; cluster nodes announce addresses. Look-ups stay with the names given.
          dnsLookup: (address, callback) => {
            callback(null, address)
          },
        },
      )
    : new Redis({
        ...shared,
        host: first.host,
        port: first.port,
        db: first.db,
        enableOfflineQueue: false,
        enableAutoPipelining: true,
        retryStrategy: reconnectDelayMs,
      })
  logChangesOfState(redis, options.logger)
  return redis
}

/** Resolves when the connection can take commands; rejects after the time given. */
export async function redisReady(redis: RedisClient, timeoutMs: number): Promise<void> {
  if (redis.status === 'ready') return
  await new Promise<void>((resolve, reject) => {
    const settle = (error?: Error) => {
      clearTimeout(timer)
      redis.off('ready', onReady)
      if (error) reject(error)
      else resolve()
    }
    const onReady = () => {
      settle()
    }
    const timer = setTimeout(() => {
      settle(new Error(`Redis did not answer within ${timeoutMs} ms`))
    }, timeoutMs)
    redis.on('ready', onReady)
  })
}

interface RedisNode {
  readonly host: string
  readonly port: number
  readonly username: string | undefined
  readonly password: string | undefined
  readonly db: number
  readonly tls: boolean
}

/**
 * Reads the forms of a Redis URL that {@link RedisClientOptions} names.
 * @throws Error without the URL in its message: it may hold a password
 */
export function parseRedisUrl(url: string): { cluster: boolean; nodes: [RedisNode, ...RedisNode[]] } {
  const [first, ...rest] = url.split(',').map((part) => part.trim())
  const head = parseNode(first ?? '')
  const nodes = rest.filter((part) => part !== '').map((part) => parseNode(part).node)
  return { cluster: head.cluster || nodes.length > 0, nodes: [head.node, ...nodes] }
}

function parseNode(text: string): { cluster: boolean; node: RedisNode } {
  const url = URL.canParse(text) ? new URL(text) : null
  const scheme = /^(redis|rediss)(\+cluster)?:$/.exec(url?.protocol ?? '')
  const db = Number(url?.pathname.slice(1) ?? '0')
  if (!url || !scheme || url.hostname === '' || !Number.isSafeInteger(db) || db < 0) {
    throw new Error(
      'a Redis address must be redis://, rediss://, redis+cluster:// or rediss+cluster:// with a host',
    )
  }
  const cluster = scheme[2] !== undefined
  const node = {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? 6379 : Number(url.port),
    username: url.username === '' ? undefined : decodeURIComponent(url.username),
    password: url.password === '' ? undefined : decodeURIComponent(url.password),
    db,
    tls: scheme[1] === 'rediss',
  }
  return { cluster, node }
}

function reconnectDelayMs(attempt: number): number {
  // Jitter, or all processes come back in the same moment.
  return Math.min(50 * 2 ** Math.min(attempt, 10), LONGEST_RECONNECT_MS) * (0.75 + Math.random() / 2)
}

/** One line when the connection is lost and one when it is back, however often a reconnect fails in between. */
function logChangesOfState(redis: RedisClient, logger: Logger | undefined): void {
  let up: boolean | undefined
  // Without a listener ioredis prints every error itself.
  redis.on('error', (error: Error) => {
    if (up === false) return
    up = false
    logger?.warn({ event: 'redis_down', err: error }, 'Redis cannot be reached')
  })
  redis.on('close', () => {
    if (up !== true) return
    up = false
    logger?.warn({ event: 'redis_down' }, 'the connection to Redis was lost')
  })
  redis.on('ready', () => {
    if (up === false) logger?.info({ event: 'redis_up' }, 'Redis is back')
    up = true
  })
}
