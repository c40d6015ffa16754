import { z } from 'zod'
import { JobStatus } from '../../core/contract/job-status.js'
import { getLaunchStatus, launchNode, LaunchStage } from '../../core/contract/node-launch.js'
import { GatewayError } from '../../core/errors.js'
import { loadQuery } from '../../io/postgres.js'
import { rowOf } from '../../io/query.js'
import { actorName, audit } from '../audit.js'
import { placeMachine } from '../orchestration/placement.js'
import { planNode } from '../orchestration/plan-node.js'
import { requireEngine } from './engine-args.js'
import { handle, type Handler } from './handler.js'
import { requireLauncher } from './launch-place.js'
import { holdModel } from './model-name.js'

const GET = loadQuery('jobs-get-launch')

const JobRow = z.object({
  id: z.string(),
  status: JobStatus,
  stage: z.string().nullable(),
  progress: z.number(),
  detail: z.object({ stages: z.array(LaunchStage).default([]) }),
  error: z.string().nullable(),
  created_at: z.date(),
  finished_at: z.date().nullable(),
})

export const nodeLaunchHandlers: readonly Handler[] = [
  handle(launchNode, async ({ body }, context) => {
    const { model_name, ...machine } = body
    const { db } = context
    const model = await holdModel(db, model_name)
    const placement = await placeMachine(db, model.id, machine, machine.use_spot ? 'spot' : 'on_demand')
    const { api } = requireEngine(context.launching, machine)
    const launcher = requireLauncher(context.launching, machine.provider)
    const planned = await planNode(db, {
      modelId: model.id,
      deploymentId: null,
      generation: 1,
      launcher,
      api,
      placement,
      who: actorName(context.actor),
      why: null,
    })
    await audit(context, {
      action: 'node.launch',
      targetType: 'node',
      targetId: planned.nodeId,
      before: null,
      after: { ...body, cluster_name: planned.clusterName, job_id: planned.jobId },
    })
    return {
      job_id: planned.jobId,
      node_id: planned.nodeId,
      cluster_name: planned.clusterName,
      status: 'launching' as const,
    }
  }),

  handle(getLaunchStatus, async ({ query: { job_id: id } }, { db, now }) => {
    const job = await rowOf(db, GET, JobRow, [id])
    if (job === null) {
      throw new GatewayError('not_found', { param: 'job_id', message: `There is no launch '${id}'.` })
    }
    const elapsedMs = (job.finished_at ?? now).getTime() - job.created_at.getTime()
    return {
      job_id: job.id,
      status: job.status,
      stage: job.stage,
      progress: job.progress,
      stages: job.detail.stages,
      elapsed_seconds: Math.max(0, elapsedMs / 1000),
      error: job.error,
    }
  }),
]
