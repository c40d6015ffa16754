import assert from 'node:assert/strict'
import { test } from 'node:test'
import { join } from 'node:path'
import { seededRandom } from '../../bench/nodes/random.js'
import { LoadClient } from '../../bench/resilience/load-client.js'
import { streamFault } from '../../bench/resilience/stream-answer.js'
import { expectedOf, planStreams } from '../../bench/resilience/stream-plan.js'
import { startTestGateway } from '../support/gateway.js'
import { eventually, processesIn } from '../support/processes.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const MODEL = 'acme/launched'
const STREAMS = 100
/** Launches and drains on a busy machine. */
const LONG_MS = 120_000

test('processes of this machine come up, are scaled from three to five and to one under streams, and are gone in the end', async (t) => {
  await using folder = await temporaryFolder()
  await using gateway = await startTestGateway({ DATA_DIR: folder.path })
  const nodesFolder = join(folder.path, 'nodes')
  const { client } = gateway
  await gateway.createModel(MODEL)
  const created = await client.deployments.create({
    body: { model_name: MODEL, node_count: 3, provider: 'local', engine: 'simulated' },
  })
  const { id } = created.body
  assert.equal(created.body.status, 'launching')
  const deployment = async () => (await client.deployments.get({ params: { id } })).body
  const nodes = async () => (await client.nodes.list({ query: { deployment_id: id, limit: 100 } })).body.data
  const settled = (count: number) =>
    eventually(
      `the deployment has ${count} nodes`,
      async () => {
        const { status, live_nodes } = await deployment()
        return status === 'active' && live_nodes === count
      },
      LONG_MS,
    )
  await settled(3)
  const first = await nodes()
  t.diagnostic(
    `3 nodes serve: ${first.map((node) => `${node.cluster_name} at ${node.endpoint_url}`).join(', ')}`,
  )

  const tenant = await gateway.createTenant({ tier: 'enterprise' })
  using load = new LoadClient(gateway.port, tenant.key)
  const stop = new AbortController()
  const plan = planStreams({
    model: MODEL,
    tokens: { least: 40, most: 120 },
    itlMs: 50,
    random: seededRandom(7),
  })
  const streams = load.run(plan, () => STREAMS, stop.signal)
  const busy = (count: number) =>
    eventually(
      `${count} nodes have streams`,
      async () => (await nodes()).filter(({ in_flight }) => (in_flight ?? 0) > 0).length === count,
      LONG_MS,
    )
  await busy(3)
  await client.deployments.scale({ params: { id }, body: { target_node_count: 5 } })
  await settled(5)
  await busy(5)
  t.diagnostic('scaled to 5: all of them have streams')
  await client.deployments.scale({ params: { id }, body: { target_node_count: 1 } })
  await settled(1)
  t.diagnostic(`scaled to 1: ${(await processesIn(nodesFolder)).length} process is left`)
  await busy(1)
  const [last] = (await nodes()).filter(({ status }) => status === 'active')
  const launch = await client.nodes.status({ params: { cluster_name: last?.cluster_name ?? '' } })
  assert.deepEqual([launch.body.launch?.status, launch.body.launch?.progress], ['succeeded', 100])
  await client.deployments.patch({ params: { id }, body: { engine_args: ['--seed', '9'] } })
  await eventually(
    'a node with the new settings has taken the place of the last one',
    async () => {
      const [node, ...others] = (await nodes()).filter(({ status }) => status !== 'terminated')
      return others.length === 0 && node?.status === 'active' && node.id !== last?.id
    },
    LONG_MS,
  )
  t.diagnostic('replaced by one with other settings')
  stop.abort()
  const views = await streams
  const faults = views.flatMap((view) => streamFault(view, expectedOf(view.plan)) ?? [])
  t.diagnostic(`${views.length} streams, ${faults.length} broken`)
  assert.deepEqual(faults.slice(0, 5), [])

  const log = await client.nodes.logs({ params: { cluster_name: first[0]?.cluster_name ?? '' }, query: {} })
  t.diagnostic(`what its log says of one: ${log.body.data.map(({ status }) => status).join(' < ')}`)
  await client.deployments.delete({ params: { id } })
  await eventually(
    'the deployment is over',
    async () => (await deployment()).status === 'terminated',
    LONG_MS,
  )
  assert.deepEqual(await processesIn(nodesFolder), [])
  assert.deepEqual(
    (await nodes()).map(({ status }) => status),
    Array.from({ length: 6 }, () => 'terminated'),
  )
})
