import { z } from 'zod'
import { JobStatus } from '../../core/contract/job-status.js'
import { followNodeLogs, getNodeStatus, listNodeLogs, NodeEventKind } from '../../core/contract/node-logs.js'
import { NodeStatus } from '../../core/contract/nodes.js'
import { loadQuery } from '../../io/postgres.js'
import { pageOf, rowsOf, theRowOf } from '../../io/query.js'
import { EventBatch, handle, type Handler } from './handler.js'
import { listing } from './listing.js'
import { findNode, lately, liveShown, type NodeRow, unanswered } from './node-rows.js'

const STATUS = loadQuery('node-status')
const LIST = loadQuery('node-events-list')
const SINCE = loadQuery('node-events-since')

/** How long a node that is terminating may run dry: see nodes-finish-terminating.sql. */
const TERMINATING_MS = 10 * 60_000

const EventRow = z.object({
  id: z.coerce.number(),
  at: z.date(),
  event: NodeEventKind,
  status: NodeStatus,
  actor: z.string(),
  message: z.string().nullable(),
})

function shown({ id, at, ...same }: z.infer<typeof EventRow>) {
  return { sequence: id, at: at.toISOString(), ...same }
}

const StatusRow = z.object({
  health_changed_at: z.date().nullable(),
  at: z.date().nullable(),
  running: z.number().nullable(),
  waiting: z.number().nullable(),
  kv_cache_usage: z.number().nullable(),
  gpu_utilization: z.number().nullable(),
  gpu_memory_used_gb: z.number().nullable(),
  drained_at: z.date().nullable(),
  job_id: z.string().nullable(),
  job_status: JobStatus.nullable(),
  stage: z.string().nullable(),
  progress: z.number().nullable(),
  error: z.string().nullable(),
})
type StatusRow = z.infer<typeof StatusRow>

function launchOf({ job_id, job_status: status, stage, progress, error }: StatusRow) {
  if (job_id === null || status === null) return null
  return { job_id, status, stage, progress: progress ?? 0, error }
}

/** @param canEnd whether anything is configured that removes machines of its provider */
function waitsFor(node: NodeRow, requests: number | null, isDrained: boolean, canEnd: boolean) {
  if (node.status === 'launching') return { what: 'registration' as const, requests: null, until: null }
  if (node.status === 'terminating' && isDrained)
    return { what: canEnd ? ('machine_end' as const) : ('launcher' as const), requests: null, until: null }
  if (node.status === 'terminating') {
    const until = new Date(node.status_changed_at.getTime() + TERMINATING_MS).toISOString()
    return { what: 'running_requests' as const, requests, until }
  }
  if (node.status !== 'draining') return null
  const until = node.terminates_at?.toISOString() ?? null
  return { what: requests === 0 ? ('undrain' as const) : ('running_requests' as const), requests, until }
}

export const nodeLogsHandlers: readonly Handler[] = [
  handle(getNodeStatus, async ({ params }, context) => {
    const node = await findNode(context.db, params.cluster_name)
    const seen = await lately(context)
    const row = await theRowOf(context.db, STATUS, StatusRow, [node.id])
    const { health_changed_at, at, running, waiting, kv_cache_usage, gpu_utilization, gpu_memory_used_gb } =
      row
    const gauges = { running, waiting, kv_cache_usage, gpu_utilization, gpu_memory_used_gb }
    return {
      id: node.id,
      cluster_name: node.cluster_name,
      status_changed_at: node.status_changed_at.toISOString(),
      ...liveShown(node, seen),
      health_changed_at: health_changed_at?.toISOString() ?? null,
      heartbeat: at === null ? null : { at: at.toISOString(), ...gauges },
      launch: launchOf(row),
      waits_for: waitsFor(
        node,
        unanswered(node, seen),
        row.drained_at !== null,
        context.launching.launcherFor(node.provider) !== null,
      ),
    }
  }),

  handle(listNodeLogs, async ({ params, query }, { db }) => {
    const node = await findNode(db, params.cluster_name)
    const values = [node.id, query.event ?? null, query.limit, query.offset]
    const { rows, total } = await pageOf(db, LIST, EventRow, values)
    return listing(rows.map(shown), total, query)
  }),

  handle(followNodeLogs, async ({ params, query }, { db }) => {
    const node = await findNode(db, params.cluster_name)
    const rows = await rowsOf(db, SINCE, EventRow, [node.id, query.after])
    const frames = rows.map(
      (row) => `id: ${row.id}\nevent: ${row.event}\ndata: ${JSON.stringify(shown(row))}\n\n`,
    )
    const last = rows.at(-1)?.id ?? query.after
    return new EventBatch(frames.join(''), query.follow === 'true' ? String(last) : null)
  }),
]
