import { Client } from 'pg'
import { z } from 'zod'
import type { TestGateway } from './gateway.js'
import { eventually } from './processes.js'

/** Launches and drains on a busy machine. */
const LONG_MS = 180_000

const Job = z.object({ id: z.string() })
type Api = TestGateway['client']
type Body<Reply extends Promise<{ body: unknown }>> = Awaited<Reply>['body']

/** A deployment as the admin API shows it, and what becomes of its nodes. Nodes are named by their clusters. */
export interface WatchedDeployment {
  now(): Promise<Body<ReturnType<Api['deployments']['get']>>>
  /** All that it ever had. */
  nodes(): Promise<Body<ReturnType<Api['nodes']['list']>>['data']>
  /** Those that have a status. */
  named(status: string): Promise<string[]>
  /** How far the launch of a node has come. */
  launch(node: string): Promise<Body<ReturnType<Api['nodes']['launchStatus']>>>
  /** What happened to a node, oldest first. */
  events(node: string): Promise<Body<ReturnType<Api['nodes']['logs']>>['data']>
  /** Waits for something that takes a launch or a drain. */
  until(what: string, condition: () => Promise<boolean>): Promise<void>
  /** Waits until a node that is none of those has a status. @returns its name */
  another(known: readonly string[], status: string): Promise<string>
  /** Waits until all of those have requests. */
  busy(nodes: readonly string[]): Promise<void>
}

/** @param databaseUrl the gateway's: of a deployment's nodes the API does not say which job launches them */
export function watchDeployment(
  { client }: Pick<TestGateway, 'client'>,
  databaseUrl: string,
  id: string,
): WatchedDeployment {
  const until = (what: string, condition: () => Promise<boolean>) => eventually(what, condition, LONG_MS)
  const nodes = async () => (await client.nodes.list({ query: { deployment_id: id, limit: 100 } })).body.data

  const jobs = new Map<string, string>()

  async function jobOf(node: string): Promise<string> {
    const known = jobs.get(node)
    if (known !== undefined) return known
    const database = new Client({ connectionString: databaseUrl })
    await database.connect()
    try {
      const query = 'SELECT j.id FROM jobs j JOIN nodes n ON n.id = j.node_id WHERE n.cluster_name = $1'
      const { rows } = await database.query(query, [node])
      const job = Job.parse(rows[0])
      jobs.set(node, job.id)
      return job.id
    } finally {
      await database.end()
    }
  }

  return {
    now: async () => (await client.deployments.get({ params: { id } })).body,
    nodes,
    named: async (status) =>
      (await nodes()).filter((node) => node.status === status).map(({ cluster_name: name }) => name),
    launch: async (node) => (await client.nodes.launchStatus({ query: { job_id: await jobOf(node) } })).body,
    async events(node) {
      const { body } = await client.nodes.logs({ params: { cluster_name: node }, query: { limit: 100 } })
      return body.data.toReversed()
    },
    until,
    async another(known, status) {
      let found: string | undefined
      await until(`another node is ${status}`, async () => {
        const all = await nodes()
        found = all.find((node) => node.status === status && !known.includes(node.cluster_name))?.cluster_name
        return found !== undefined
      })
      return found ?? ''
    },
    busy: (names) =>
      until(`${names.join(' and ')} have requests`, async () => {
        const all = (await nodes()).filter((node) => names.includes(node.cluster_name))
        return all.length === names.length && all.every((node) => (node.in_flight ?? 0) > 0)
      }),
  }
}
