import { z } from 'zod'
import type { ClusterTable } from './clusters.js'
import { PICKLE } from './python-error.js'
import type { RequestTable, WorkContext } from './requests.js'
import { readTask } from './task.js'

/** A call that becomes a request: what its body has to be, whose cluster it is about, and its work. */
export interface SubmittedCall {
  readonly name: string
  readonly clusterName: string | null
  work(context: WorkContext): Promise<unknown>
}

type Submitter = (body: unknown) => SubmittedCall

const Launch = z.object({
  task: z.string(),
  cluster_name: z.string(),
  dryrun: z.boolean().default(false),
  retry_until_up: z.boolean().default(false),
})
const Named = z.object({ cluster_name: z.string() })
const Down = Named.extend({ purge: z.boolean().default(false) })
const JobStatus = Named.extend({ job_ids: z.array(z.int()).nullable() })
const Autostop = Named.extend({ idle_minutes: z.int(), down: z.boolean().default(false) })
const Endpoints = z.object({
  cluster: z.string(),
  port: z.union([z.int(), z.string()]).transform(String).nullish(),
})
const Status = z.object({
  cluster_names: z.array(z.string()).nullish(),
  refresh: z.enum(['NONE', 'AUTO', 'FORCE']).default('NONE'),
})
const Cancel = z.object({ request_ids: z.array(z.string()).nullish() })

/** By path. Each throws a z.ZodError for a body that is not its own; fields it does not know are ignored. */
export function submitters(clusters: ClusterTable, requests: RequestTable): Map<string, Submitter> {
  return new Map<string, Submitter>([
    [
      '/launch',
      (body) => {
        const { task: yaml, cluster_name: clusterName, dryrun, retry_until_up } = Launch.parse(body)
        return {
          name: 'launch',
          clusterName,
          work: async (context) => {
            const task = readTask(yaml)
            context.log('Considered resources (1 node):')
            if (dryrun) return { job_id: null, handle: PICKLE }
            return await clusters.launch(task, clusterName, retry_until_up, context)
          },
        }
      },
    ],
    [
      '/status',
      (body) => {
        const { cluster_names, refresh } = Status.parse(body)
        const work = () => Promise.resolve(clusters.status(cluster_names ?? null, refresh))
        return { name: 'status', clusterName: null, work }
      },
    ],
    [
      '/endpoints',
      (body) => {
        const { cluster, port } = Endpoints.parse(body)
        const work = () => clusters.endpoints(cluster, port ?? null)
        return { name: 'endpoints', clusterName: cluster, work: () => Promise.resolve().then(work) }
      },
    ],
    [
      '/down',
      (body) => {
        const { cluster_name: clusterName, purge } = Down.parse(body)
        const work = async ({ signal }: WorkContext) => {
          await requests.cancel((each) => each.name === 'sky.launch' && each.clusterName === clusterName)
          return await clusters.down(clusterName, purge, signal)
        }
        return { name: 'down', clusterName, work }
      },
    ],
    [
      '/job_status',
      (body) => {
        const { cluster_name: clusterName } = JobStatus.parse(body)
        const work = () => Promise.resolve().then(() => clusters.jobStatus(clusterName))
        return { name: 'job_status', clusterName, work }
      },
    ],
    [
      '/autostop',
      (body) => {
        const { cluster_name: clusterName, idle_minutes, down } = Autostop.parse(body)
        const work = () => Promise.resolve().then(() => clusters.autostop(clusterName, idle_minutes, down))
        return { name: 'autostop', clusterName, work }
      },
    ],
    [
      '/api/cancel',
      (body) => {
        const { request_ids: ids } = Cancel.parse(body)
        const work = () =>
          requests.cancel(
            // As the server has it: no ids are all ids, and each is a beginning.
            ({ id, name }) => name !== 'sky.api_cancel' && (ids?.some((each) => id.startsWith(each)) ?? true),
          )
        return { name: 'api_cancel', clusterName: null, work }
      },
    ],
  ])
}
