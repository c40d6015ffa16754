import { z } from 'zod'
import { endpoint } from './endpoint.js'
import { ModelName, Timestamp, Uuid } from './fields.js'
import { JobStatus } from './job-status.js'
import { machineWanted } from './machine.js'
import { NodeStatus } from './nodes.js'

export const LaunchStage = z.object({ stage: z.string(), at: Timestamp })

const tag = 'Nodes'

export const launchNode = endpoint({
  id: 'nodes.launch',
  method: 'POST',
  path: '/admin/nodes/launch',
  auth: 'admin',
  scope: 'operate',
  tag,
  summary: 'Launches a machine that serves a model; the work goes on in the background',
  body: z.strictObject({
    model_name: ModelName.meta({ description: 'Name or alias of a model.' }),
    ...machineWanted,
  }),
  reply: {
    202: z.object({ job_id: Uuid, node_id: Uuid, cluster_name: z.string(), status: NodeStatus }),
  },
  errors: ['launcher_not_configured', 'not_found'],
})

export const getLaunchStatus = endpoint({
  id: 'nodes.launch-status',
  method: 'GET',
  path: '/admin/nodes/launch-status',
  auth: 'admin',
  tag,
  summary: 'Shows how far a launch has come',
  query: z.strictObject({ job_id: Uuid }),
  reply: {
    200: z.object({
      job_id: Uuid,
      status: JobStatus,
      stage: z.string().nullable(),
      progress: z.number().int().meta({ description: '0 to 100.' }),
      stages: z.array(LaunchStage).meta({ description: 'Those that were entered, in order.' }),
      elapsed_seconds: z.number().meta({ description: 'Until now, or until its end.' }),
      error: z.string().nullable(),
    }),
  },
  errors: ['not_found'],
})

export const nodeLaunchEndpoints = [launchNode, getLaunchStatus]
