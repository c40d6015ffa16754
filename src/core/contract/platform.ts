import { z } from 'zod'
import { HEALTH_STATUSES } from '../platform-health.js'
import { endpoint } from './endpoint.js'
import { Timestamp } from './fields.js'

const Status = z.enum(HEALTH_STATUSES)
const Component = z
  .object({
    status: Status,
    latency_ms: z.number().nullable(),
    detail: z.string().nullable(),
  })
  .meta({ id: 'ComponentHealth' })

const Known = z.number().nullable()

export const PlatformHealth = z
  .object({
    status: Status.meta({
      description:
        'unhealthy: control_plane, database, usage_pipeline or gpu_nodes is; degraded: anything else is not healthy.',
    }),
    components: z.object({
      control_plane: Component,
      database: Component,
      cache: Component,
      analytics: Component,
      usage_pipeline: Component,
      gpu_nodes: Component,
    }),
    metrics: z
      .object({
        total_nodes: Known,
        healthy_nodes: Known,
        unhealthy_nodes: Known,
        total_capacity_tps: Known.meta({ description: 'Of healthy nodes whose model has one.' }),
        current_rps: Known.meta({ description: 'Over the last five minutes.' }),
        avg_latency_ms: Known.meta({ description: 'Of whole requests, over the last five minutes.' }),
      })
      .meta({ description: 'null: not known at the moment.' }),
    timestamp: Timestamp,
  })
  .meta({ id: 'PlatformHealth' })

export const getPlatformHealth = endpoint({
  id: 'platform.health',
  method: 'GET',
  path: '/admin/platform/health',
  auth: 'admin',
  tag: 'Platform',
  asksProcesses: true,
  deadlineMs: 4_000,
  summary: 'Asks every part of the platform how it is; answers within seconds, whatever hangs',
  reply: { 200: PlatformHealth },
  errors: [],
})

export const platformEndpoints = [getPlatformHealth]
