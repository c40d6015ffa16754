import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { ApiError, type AdminApi } from '../../src/core/client/client.js'
import { type Queryable, rowsOf } from '../../src/io/query.js'
import { addModel } from '../gateway.js'
import type { MachineCensus } from './machine-census.js'

/** Deployments of one provider, of which there is one at a time, and how many nodes are wanted of it. */
export interface WantedNodes {
  readonly provider: string
  /** Wants something else, until it was heard: creates, scales or deletes. @returns what, in words */
  change(random: () => number): Promise<string>
  /** Wants so many nodes; 0: no deployment. */
  want(count: number): Promise<void>
  /** What is not as it is wanted: of deployments, nodes, jobs and machines. */
  differences(): Promise<string[]>
  /** Machines that were launched more than once, and those that no node knows of. */
  mistakes(): Promise<{ readonly twice: readonly string[]; readonly unknown: readonly string[] }>
  launched(): Promise<number>
}

export interface WantedNodesOptions {
  readonly client: AdminApi
  readonly database: Queryable
  readonly provider: 'local' | 'aws'
  readonly model: string
  readonly census: MachineCensus
}

const MOST_NODES = 3
const HEARD_MS = 120_000
const PAUSE_MS = 100

const MACHINES = `
  SELECT cluster_name AS name, status, machine_gone_at IS NOT NULL AS gone, (
    SELECT message FROM node_events e WHERE e.node_id = nodes.id ORDER BY sequence DESC LIMIT 1
  ) AS why
  FROM nodes WHERE provider = $1`
const OPEN_JOBS = `
  SELECT n.cluster_name AS name FROM jobs j JOIN nodes n ON n.id = j.node_id
  WHERE n.provider = $1 AND j.status IN ('pending', 'running')`

const MachineRow = z.object({
  name: z.string(),
  status: z.string(),
  gone: z.boolean(),
  why: z.string().nullable(),
})
const JobRow = z.object({ name: z.string() })

/** Adds a model and nothing else: it has no deployment yet. */
export async function createWantedNodes(options: WantedNodesOptions): Promise<WantedNodes> {
  const { client, database, provider, model, census } = options
  const ended: string[] = []
  let open: { id: string; count: number } | null = null

  await addModel({ client }, model, [])

  async function create(count: number): Promise<string> {
    const idempotencyKey = crypto.randomUUID()
    const body = { model_name: model, node_count: count, provider, engine: 'simulated' }
    const { id } = (await untilHeard(() => client.deployments.create({ body, idempotencyKey }))).body
    open = { id, count }
    return `create ${count}`
  }

  async function scale(id: string, count: number, strategy: 'gradual' | 'immediate'): Promise<string> {
    const body = { target_node_count: count, strategy }
    await untilHeard(() => client.deployments.scale({ params: { id }, body }))
    open = { id, count }
    return `scale to ${count}, ${strategy}`
  }

  async function end(id: string): Promise<string> {
    await untilHeard(() => client.deployments.delete({ params: { id } }))
    ended.push(id)
    open = null
    return 'delete'
  }

  async function deploymentFaults(): Promise<string[]> {
    const faults: string[] = []
    for (const id of ended) {
      const { status } = (await client.deployments.get({ params: { id } })).body
      if (status !== 'terminated') faults.push(`${provider}: a deleted deployment is ${status}`)
    }
    if (open === null) return faults
    const { status, live_nodes, status_reason } = (await client.deployments.get({ params: { id: open.id } }))
      .body
    const wanted = open.count > 0 ? 'active' : 'paused'
    if (status !== wanted || live_nodes !== open.count) {
      const why = status_reason === null ? '' : ` (${status_reason})`
      faults.push(`${provider}: it is ${status} with ${live_nodes} of ${open.count} nodes${why}`)
    }
    return faults
  }

  async function rows() {
    return rowsOf(database, MACHINES, MachineRow, [provider])
  }

  return {
    provider,
    async change(random) {
      if (open === null) return create(1 + Math.floor(random() * MOST_NODES))
      const { id, count } = open
      if (random() < 0.25) return end(id)
      const other = (count + 1 + Math.floor(random() * MOST_NODES)) % (MOST_NODES + 1)
      return scale(id, other, random() < 0.3 ? 'immediate' : 'gradual')
    },
    async want(count) {
      if (open !== null && count === 0) await end(open.id)
      else if (open !== null) await scale(open.id, count, 'gradual')
      else if (count > 0) await create(count)
    },
    async differences() {
      const faults = await deploymentFaults()
      const nodes = (await rows()).filter(({ status, gone }) => status !== 'terminated' || !gone)
      for (const { name, status, why } of nodes)
        if (status !== 'active') faults.push(`${provider}: the node ${name} is ${status}: ${why ?? ''}`)
      for (const { name } of await rowsOf(database, OPEN_JOBS, JobRow, [provider]))
        faults.push(`${provider}: the job of ${name} has not ended`)
      const known = nodes.map(({ name }) => name).toSorted()
      const there = (await census.alive()).toSorted()
      if (known.join() !== there.join())
        faults.push(`${provider}: machines are [${there.join()}], nodes [${known.join()}]`)
      const wanted = open?.count ?? 0
      if (known.length !== wanted) faults.push(`${provider}: ${known.length} nodes, wanted ${wanted}`)
      return faults
    },
    async mistakes() {
      const launches = await census.launches()
      const known = new Set((await rows()).map(({ name }) => name))
      const names = [...launches.keys()]
      return {
        twice: names.filter((name) => (launches.get(name) ?? 0) > 1),
        unknown: names.filter((name) => !known.has(name)),
      }
    },
    launched: async () => (await census.launches()).size,
  }
}

/** Says it again until a gateway that lives has heard it. @throws ApiError when it is refused; after two minutes */
async function untilHeard<T>(say: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + HEARD_MS
  for (;;) {
    try {
      return await say()
    } catch (error) {
      const isRefused = error instanceof ApiError && error.status < 500
      if (isRefused || performance.now() > deadline) throw error
      await sleep(PAUSE_MS)
    }
  }
}

export interface Settling {
  /** How long it took, in ms. */
  readonly settledMs: number
  /** What is not as wanted when the time was over; empty: all is. */
  readonly differences: readonly string[]
}

/** Waits until all is as it is wanted, at two looks in a row. */
export async function untilAsWanted(fleets: readonly WantedNodes[], limitMs: number): Promise<Settling> {
  const startedAt = performance.now()
  let settledMs: number | null = null
  for (;;) {
    const differences = (
      await Promise.all(fleets.map((fleet) => untilHeard(() => fleet.differences())))
    ).flat()
    const elapsedMs = performance.now() - startedAt
    if (differences.length > 0) settledMs = null
    else if (settledMs !== null) return { settledMs, differences }
    else settledMs = elapsedMs
    if (elapsedMs > limitMs) return { settledMs: elapsedMs, differences }
    await sleep(500)
  }
}
