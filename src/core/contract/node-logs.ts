import { z } from 'zod'
import { endpoint } from './endpoint.js'
import { inQuery, listOf, page, Timestamp, Uuid } from './fields.js'
import { JobStatus } from './job-status.js'
import { BreakerState, nodeParams as params, NodeStatus } from './nodes.js'

export const NodeEventKind = z.enum(['registered', 'changed', 'status', 'health', 'warning'])

export const NodeEvent = z
  .object({
    sequence: z
      .number()
      .int()
      .meta({ description: 'Grows from event to event of a node, not always by one.' }),
    at: Timestamp,
    event: NodeEventKind.meta({
      description:
        'registered: by an administrator, or by its agent with its address; changed: its settings; status; health: what the health check says; warning: its machine will be taken away.',
    }),
    status: NodeStatus.meta({ description: "The node's status after it." }),
    actor: z.string().meta({
      description:
        'Who: admin:<name of the token>, node:<id>, or leader, the process that watches the nodes.',
    }),
    message: z.string().nullable().meta({ description: 'Why, or what.' }),
  })
  .meta({ id: 'NodeEvent' })

const Heartbeat = z.object({
  at: Timestamp,
  running: z.number().int().nullable(),
  waiting: z.number().int().nullable(),
  kv_cache_usage: z.number().nullable().meta({ description: '0 to 1.' }),
  gpu_utilization: z.number().nullable().meta({ description: '0 to 1.' }),
  gpu_memory_used_gb: z.number().nullable(),
})

export const NodeState = z
  .object({
    id: Uuid,
    cluster_name: z.string(),
    status: NodeStatus,
    status_changed_at: Timestamp,
    healthy: z.boolean().nullable().meta({ description: 'Null: not known, and taken for healthy.' }),
    health_changed_at: Timestamp.nullable().meta({
      description: 'Since when it is what it is; null: it has never turned.',
    }),
    health_score: z.number().int().nullable(),
    breaker: BreakerState.nullable().meta({ description: 'Null: not known.' }),
    rejected_by: z.number().int().nullable().meta({ description: 'Proxies that reject it.' }),
    in_flight: z.number().int().nullable(),
    queue_depth: z.number().int().nullable(),
    kv_cache_usage: z.number().nullable().meta({ description: '0 to 1.' }),
    observed_at: Timestamp.nullable().meta({ description: 'When the load was read from the engine.' }),
    heartbeat: Heartbeat.nullable().meta({ description: "What the node's agent last said." }),
    launch: z
      .object({
        job_id: Uuid.meta({ description: 'For /admin/nodes/launch-status.' }),
        status: JobStatus,
        stage: z.string().nullable(),
        progress: z.number().int().meta({ description: '0 to 100.' }),
        error: z.string().nullable(),
      })
      .nullable()
      .meta({ description: 'Null: it was registered, and not launched.' }),
    waits_for: z
      .object({
        what: z.enum(['registration', 'running_requests', 'undrain', 'machine_end', 'launcher']).meta({
          description:
            'registration: it does not serve yet; running_requests: they finish; undrain: nothing runs any more, and it stays like this until somebody acts; machine_end: its machine is being removed; launcher: that its launcher is configured again, or it never ends.',
        }),
        requests: z.number().int().nullable().meta({ description: 'Running and queued; null: not known.' }),
        until: Timestamp.nullable().meta({ description: 'It is not waited any longer; null: no bound.' }),
      })
      .nullable()
      .meta({ description: 'Of a node that is launching, draining or terminating.' }),
  })
  .meta({ id: 'NodeState' })

const tag = 'Nodes'

export const getNodeStatus = endpoint({
  id: 'nodes.status',
  method: 'GET',
  path: '/admin/nodes/{cluster_name}/status',
  auth: 'admin',
  tag,
  summary: 'Shows in which state a node is, since when, and what it waits for',
  params,
  reply: { 200: NodeState },
  errors: ['not_found'],
})

export const listNodeLogs = endpoint({
  id: 'nodes.logs',
  method: 'GET',
  path: '/admin/nodes/{cluster_name}/logs',
  auth: 'admin',
  tag,
  summary: 'Lists what happened to a node, newest first; the last 500 events are kept',
  params,
  query: z.strictObject({ ...page, event: NodeEventKind.optional() }),
  reply: { 200: listOf(NodeEvent) },
  errors: ['not_found'],
})

export const followNodeLogs = endpoint({
  id: 'nodes.logs-stream',
  method: 'GET',
  path: '/admin/nodes/{cluster_name}/logs/stream',
  auth: 'admin',
  follows: true,
  tag,
  summary: 'Streams what happened and happens to a node, oldest first, as server-sent events',
  description:
    "Each event is named by its kind; its data is a NodeEvent, its id the event's `sequence`: a client that connects again with `Last-Event-ID` goes on after it. Comments keep the connection alive.",
  params,
  query: z.strictObject({
    after: inQuery(z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(0)).meta({
      description: 'Only events after this `sequence`.',
    }),
    follow: z
      .enum(['true', 'false'])
      .default('true')
      .meta({ description: 'false: ends after what there is.' }),
  }),
  reply: { 200: z.string() },
  errors: ['not_found'],
})

export const nodeLogsEndpoints = [getNodeStatus, listNodeLogs, followNodeLogs]
