import { z } from 'zod'
import type { NodeLive } from '../core/snapshot.js'
import { loadQuery } from './postgres.js'
import { type Queryable, rowsOf } from './query.js'
import type { RedisClient } from './redis.js'

/** Redis hash: node id → JSON. The leader replaces it whole each second. */
const HASH = 'crosslogic:node-live'
/** Long after its entries count as unknown, what a dead leader left goes away. */
const HASH_LIFETIME_MS = 60_000

const WRITE = loadQuery('node-live-write')
const READ = loadQuery('node-live-read')

const ProxiesJson = z
  .object({
    inFlight: z.number(),
    ttftMs: z.number().nullable(),
    itlMs: z.number().nullable(),
    breaker: z.enum(['admitting', 'rejecting', 'probing']),
    rejectedBy: z.number(),
    errorRate: z.number().nullable(),
  })
  .nullable()

const NodeLiveJson = z.object({
  nodeId: z.string(),
  healthy: z.boolean(),
  running: z.number().nullable(),
  waiting: z.number().nullable(),
  kvCacheUsage: z.number().nullable(),
  // A leader of the version before does not write these.
  tellsLoad: z.boolean().default(false),
  proxies: ProxiesJson.default(null),
  observedAt: z.number(),
})

const NodeLiveRow = z
  .object({
    node_id: z.string(),
    healthy: z.boolean(),
    running: z.number().nullable(),
    waiting: z.number().nullable(),
    kv_cache_usage: z.number().nullable(),
    tells_load: z.boolean(),
    proxies: ProxiesJson,
    observed_at: z.date(),
  })
  .transform((row) => ({
    nodeId: row.node_id,
    healthy: row.healthy,
    running: row.running,
    waiting: row.waiting,
    kvCacheUsage: row.kv_cache_usage,
    tellsLoad: row.tells_load,
    proxies: row.proxies,
    observedAt: row.observed_at.getTime(),
  }))

/** Where live state of nodes lies: Redis when there is one and it answers, else an unlogged table. */
export interface NodeLiveStores {
  readonly postgres: Queryable
  readonly redis: RedisClient | null
}

/** Replaces what is known of all nodes. Throws when neither store takes it. */
export async function writeNodeLive(stores: NodeLiveStores, nodes: readonly NodeLive[]): Promise<void> {
  if (stores.redis !== null && (await wroteToRedis(stores.redis, nodes))) return
  await stores.postgres.query(WRITE, [
    nodes.map((node) => node.nodeId),
    nodes.map((node) => node.healthy),
    nodes.map((node) => node.running),
    nodes.map((node) => node.waiting),
    nodes.map((node) => node.kvCacheUsage),
    nodes.map((node) => new Date(node.observedAt)),
    nodes.map((node) => (node.proxies === null ? null : JSON.stringify(node.proxies))),
    nodes.map((node) => node.tellsLoad),
  ])
}

async function wroteToRedis(redis: RedisClient, nodes: readonly NodeLive[]): Promise<boolean> {
  const replace = redis.multi().del(HASH)
  if (nodes.length > 0) {
    replace.hset(HASH, Object.fromEntries(nodes.map((node) => [node.nodeId, JSON.stringify(node)])))
    replace.pexpire(HASH, HASH_LIFETIME_MS)
  }
  try {
    const results = await replace.exec()
    return results?.every(([error]) => error === null) ?? false
  } catch {
    // Not lost: the caller writes to Postgres instead, where readers look when Redis does not answer.
    return false
  }
}

/**
 * What the leader last saw of each node, by node id; entries may be old, see `observedAt`.
 * Throws when neither store answers.
 */
export async function readNodeLive(stores: NodeLiveStores): Promise<Map<string, NodeLive>> {
  const nodes =
    (stores.redis === null ? null : await readRedis(stores.redis)) ?? (await readPostgres(stores.postgres))
  return new Map(nodes.map((node) => [node.nodeId, node]))
}

async function readRedis(redis: RedisClient): Promise<NodeLive[] | null> {
  let entries: Record<string, string>
  try {
    entries = await redis.hgetall(HASH)
  } catch {
    // Postgres has the answer while Redis has none.
    return null
  }
  return Object.values(entries).map((text) => NodeLiveJson.parse(JSON.parse(text)))
}

function readPostgres(postgres: Queryable): Promise<NodeLive[]> {
  return rowsOf(postgres, READ, NodeLiveRow)
}
