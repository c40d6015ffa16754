import { z } from 'zod'
import { getPlatformHealth } from '../../core/contract/platform.js'
import {
  type ComponentHealth,
  controlPlaneHealth,
  gpuNodesHealth,
  overallHealth,
  storeHealth,
  usagePipelineHealth,
} from '../../core/platform-health.js'
import type { NodeLive } from '../../core/snapshot.js'
import { PLATFORM_TENANT_ID } from '../../core/usage-record.js'
import { loadQuery } from '../../io/postgres.js'
import { rowsOf } from '../../io/query.js'
import { within } from '../../io/within.js'
import { clickHouseRows } from './clickhouse-rows.js'
import { handle, type Handler, type HandlerContext } from './handler.js'

const NODES = loadQuery('nodes-capacity')

/** What has not answered by then counts as not answering. */
const DEADLINE_MS = 2_000
/** What the leader saw longer ago than this counts as unknown. */
const STALE_MS = 5_000

const NodeRow = z.object({ id: z.string(), active: z.boolean(), tokens_per_second: z.number().nullable() })
const NowRow = z.object({ rps: z.number(), avg_latency_ms: z.number().nullable() })

interface Answer<T> {
  /** Null: it failed, or took longer than the deadline. */
  readonly value: T | null
  readonly latencyMs: number
  readonly failed: boolean
}

/** Asks one part of the platform; whatever comes of it, it is there before the deadline. */
async function asked<T>(ask: () => Promise<T>): Promise<Answer<T>> {
  const from = performance.now()
  const answer = await within(
    DEADLINE_MS,
    ask().then(
      (value) => ({ value }),
      () => null,
    ),
  )
  const latencyMs = Math.round((performance.now() - from) * 10) / 10
  return { value: answer?.value ?? null, latencyMs, failed: answer === null }
}

async function countNodes({ db, readNodeLive, now }: HandlerContext) {
  const [rows, live] = await Promise.all([rowsOf(db, NODES, NodeRow), readNodeLive()])
  const fresh = (seen: NodeLive | undefined) =>
    seen !== undefined && seen.observedAt > now.getTime() - STALE_MS ? seen : undefined
  const active = rows
    .filter((row) => row.active)
    .map((row) => ({ capacity: row.tokens_per_second ?? 0, seen: fresh(live.get(row.id)) }))
  const able = active.filter(({ seen }) => seen?.healthy !== false)
  return {
    total: rows.length,
    healthy: able.length,
    unhealthy: active.length - able.length,
    unknown: active.filter(({ seen }) => seen === undefined).length,
    capacity: able.reduce((sum, { capacity }) => sum + capacity, 0),
  }
}

async function currentLoad(context: HandlerContext) {
  const parameters = { platform_id: PLATFORM_TENANT_ID }
  const [row = null] = await clickHouseRows(context, 'platform-now', NowRow, parameters)
  return row
}

const NO_CACHE: ComponentHealth = {
  status: 'healthy',
  latency_ms: null,
  detail: 'there is no Redis: the database does its work',
}

export const platformHealthHandlers: readonly Handler[] = [
  handle(getPlatformHealth, async (_input, context) => {
    const { db, pingCache, processes } = context
    const [database, cache, load, nodes] = await Promise.all([
      asked(() => db.query('SELECT 1')),
      pingCache === null ? null : asked(pingCache),
      asked(() => currentLoad(context)),
      asked(() => countNodes(context)),
    ])
    const components = {
      control_plane: controlPlaneHealth(processes),
      database: storeHealth(database),
      cache: cache === null ? NO_CACHE : storeHealth(cache),
      analytics: storeHealth(load),
      usage_pipeline: usagePipelineHealth(processes),
      gpu_nodes: gpuNodesHealth(nodes.value, nodes.latencyMs),
    }
    return {
      status: overallHealth(components),
      components,
      metrics: {
        total_nodes: nodes.value?.total ?? null,
        healthy_nodes: nodes.value?.healthy ?? null,
        unhealthy_nodes: nodes.value?.unhealthy ?? null,
        total_capacity_tps: nodes.value?.capacity ?? null,
        current_rps: load.value?.rps ?? null,
        avg_latency_ms: load.value?.avg_latency_ms ?? null,
      },
      timestamp: context.now.toISOString(),
    }
  }),
]
