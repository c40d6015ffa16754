import { z } from 'zod'
import { endpoint } from './endpoint.js'
import { text, Uuid } from './fields.js'
import { EndpointUrl, NodeStatus } from './nodes.js'

/** What the agent on a node tells of itself. Its token is made by the launch. */

const count = z.number().int().min(0).max(1_000_000).nullable().default(null)
const share = z.number().min(0).max(1).nullable().default(null).meta({ description: '0 to 1.' })

const AgentReply = z.object({
  id: Uuid,
  cluster_name: z.string(),
  status: NodeStatus.meta({
    description: 'terminating: the machine may be stopped when nothing runs any more.',
  }),
})

const tag = 'Node agents'
const params = z.strictObject({ id: Uuid })

export const registerAgent = endpoint({
  id: 'node-agents.register',
  method: 'POST',
  path: '/admin/nodes/{id}/register',
  auth: 'node',
  tag,
  summary: 'Says where the node answers; one that was launching takes traffic within a second',
  description: 'May be called again, with another address after a restart: the status stays then.',
  params,
  body: z.strictObject({
    endpoint_url: EndpointUrl,
    engine_version: text(100).nullable().default(null),
  }),
  reply: { 200: AgentReply },
  errors: ['invalid_state'],
})

export const heartbeatAgent = endpoint({
  id: 'node-agents.heartbeat',
  method: 'POST',
  path: '/admin/nodes/{id}/heartbeat',
  auth: 'node',
  audited: false,
  tag,
  summary: 'Says that the node lives, and how busy it is; not in the audit log',
  params,
  body: z.strictObject({
    running: count,
    waiting: count,
    kv_cache_usage: share,
    gpu_utilization: share,
    gpu_memory_used_gb: z.number().min(0).max(1_000_000).nullable().default(null),
  }),
  reply: { 200: AgentReply },
  errors: ['invalid_state'],
})

export const warnOfTermination = endpoint({
  id: 'node-agents.termination-warning',
  method: 'POST',
  path: '/admin/nodes/{id}/termination-warning',
  auth: 'node',
  tag,
  summary: 'Says that the machine will be taken away: the node gets no more requests',
  params,
  body: z.strictObject({
    reason: text(200),
    deadline_seconds: z
      .number()
      .int()
      .min(0)
      .max(86_400)
      .nullable()
      .default(null)
      .meta({ description: 'How long the machine still runs; null: not known.' }),
  }),
  reply: { 200: AgentReply },
  errors: ['invalid_state'],
})

export const nodeAgentsEndpoints = [registerAgent, heartbeatAgent, warnOfTermination]
