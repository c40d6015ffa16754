import assert from 'node:assert/strict'
import { test } from 'node:test'
import { request } from 'undici'
import { createSkyPilot } from '../../src/io/skypilot.js'
import { eventually } from '../support/processes.js'
import { API_KEY, newClusterName, ofKind, serverTask } from '../support/skypilot/tasks.js'
import { type SkyPilotServerInput, startSkyPilotServer } from '../support/skypilot-server.js'

async function serverAndClient(input: SkyPilotServerInput = {}) {
  const server = await startSkyPilotServer(input)
  const skypilot = createSkyPilot(server)
  return {
    server,
    skypilot,
    async [Symbol.asyncDispose]() {
      await skypilot[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
    },
  }
}

const hide = [API_KEY]

async function models(url: string): Promise<string> {
  const { body } = await request(`${url}/v1/models`, { headers: { authorization: `Bearer ${API_KEY}` } })
  return await body.text()
}

test('a launch is known at once; its cluster is INIT, then UP and serves, then absent', async () => {
  await using both = await serverAndClient({ faults: { provisionMs: 60_000 } })
  const { server, skypilot } = both
  const name = newClusterName()
  const requestId = await skypilot.launch(serverTask(), name)
  const [cluster] = await skypilot.status([name])
  assert.equal(cluster?.status, 'INIT')
  assert.deepEqual(
    (await skypilot.requestsOf(name)).map((found) => [found.requestId, found.status]),
    [[requestId, 'RUNNING']],
  )
  await assert.rejects(skypilot.endpoint(name, 8000), ofKind('cluster_not_up'))

  server.setFaults({ provisionMs: 0 })
  assert.equal((await skypilot.wait(requestId, { hide })).jobId, 1)
  const [up] = await skypilot.status([name])
  assert.deepEqual([up?.status, up?.cloud, up?.region], ['UP', 'aws', 'us-east-1'])
  assert.equal(await skypilot.endpoint(name, 8001), null)
  const url = await skypilot.endpoint(name, 8000)
  assert.ok(url !== null)
  assert.match(await models(url), /sim-8b/)

  await skypilot.down(name)
  assert.deepEqual(await skypilot.status([name]), [])
  await assert.rejects(models(url), { code: 'ECONNREFUSED' })
  assert.deepEqual(server.clusters, [])
})

test('a second launch of a name is a further job on the same machine', async () => {
  await using both = await serverAndClient()
  const name = newClusterName()
  const ids = await Promise.all([1, 2].map(() => both.skypilot.launch(serverTask(), name)))
  const ended = await Promise.all(ids.map((id) => both.skypilot.wait(id, { hide })))
  assert.deepEqual(ended.map(({ jobId }) => jobId).sort(), [1, 2])
  assert.equal(both.server.clusters.length, 1)
})

test('a shortage in one place leads to the next; in all of them it is no_capacity, and nothing is left', async () => {
  await using both = await serverAndClient({ faults: { shortages: [{ infra: 'aws/us-east-1' }] } })
  const { server, skypilot } = both
  const resources = {
    useSpot: true,
    ports: [8000],
    anyOf: [{ infra: 'aws/us-east-1' }, { infra: 'gcp/us-central1' }],
  }
  const name = newClusterName()
  await skypilot.wait(await skypilot.launch(serverTask({ resources }), name), { hide })
  const [cluster] = await skypilot.status([name])
  assert.deepEqual([cluster?.cloud, cluster?.region], ['gcp', 'us-central1'])

  server.setFaults({ shortages: [{ useSpot: true }] })
  const other = newClusterName()
  const requestId = await skypilot.launch(serverTask({ resources }), other)
  await assert.rejects(skypilot.wait(requestId, { hide }), ofKind('no_capacity', /resources/))
  assert.deepEqual(await skypilot.status([other]), [])
})

test('retryUntilUp waits for a shortage to end', async () => {
  await using both = await serverAndClient({ faults: { shortages: [{ times: 3 }] } })
  const name = newClusterName()
  const requestId = await both.skypilot.launch(serverTask(), name, { retryUntilUp: true })
  await both.skypilot.wait(requestId, { hide })
  assert.equal(both.server.clusters[0]?.status, 'UP')
})

test('a cancelled launch ends as cancelled and leaves its cluster to be taken down', async () => {
  await using both = await serverAndClient({ faults: { provisionMs: 60_000 } })
  const { skypilot } = both
  const name = newClusterName()
  const requestId = await skypilot.launch(serverTask(), name)
  const waiting = assert.rejects(skypilot.wait(requestId, { hide }), ofKind('cancelled'))
  assert.deepEqual(await skypilot.cancel([requestId]), [requestId])
  await waiting
  assert.deepEqual(await skypilot.cancel([requestId]), [])
  assert.equal((await skypilot.status([name]))[0]?.status, 'INIT')
  await skypilot.down(name)
  assert.deepEqual(await skypilot.status(null), [])
})

test('taking a cluster down ends its launch', async () => {
  await using both = await serverAndClient({ faults: { provisionMs: 60_000 } })
  const name = newClusterName()
  const requestId = await both.skypilot.launch(serverTask(), name)
  await both.skypilot.down(name)
  await assert.rejects(both.skypilot.wait(requestId, { hide }), ofKind('cancelled'))
})

test('a spot machine is taken after its notice; SkyPilot sees it when it looks', async () => {
  await using both = await serverAndClient()
  const { server, skypilot } = both
  const name = newClusterName()
  const task = serverTask({ resources: { useSpot: true, ports: [8000] } })
  await skypilot.wait(await skypilot.launch(task, name), { hide })
  const url = await skypilot.endpoint(name, 8000)
  assert.ok(url !== null)
  const notice = `${server.url}/metadata/${name}/latest/meta-data/spot/instance-action`
  assert.equal((await request(notice)).statusCode, 404)

  const body = JSON.stringify({ cluster: name, noticeMs: 5_000 })
  assert.equal((await request(`${server.url}/faults/preempt`, { method: 'POST', body })).statusCode, 200)
  const told = await request(notice)
  assert.match(await told.body.text(), /"action":"terminate","time":"\d{4}-/)
  assert.match(await models(url), /sim-8b/)

  await eventually('the machine is gone', () => server.clusters[0]?.taken === true)
  await eventually('its server is gone', () =>
    models(url).then(
      () => false,
      () => true,
    ),
  )
  assert.equal((await skypilot.status([name]))[0]?.status, 'UP')
  assert.deepEqual(await skypilot.status([name], { refresh: 'AUTO' }), [])
})

test('a machine whose server crashed goes after its idle minutes', async () => {
  await using both = await serverAndClient({ minuteMs: 5 })
  const { server, skypilot } = both
  const name = newClusterName()
  await skypilot.wait(await skypilot.launch(serverTask(), name), { hide })
  await skypilot.autodown(name, 20)
  await server.crash(name)
  await eventually('the cluster is gone', async () => (await skypilot.status([name])).length === 0)
})

test('what ran ends with the server', async () => {
  const { server, skypilot } = await serverAndClient()
  const name = newClusterName()
  await skypilot.wait(await skypilot.launch(serverTask(), name), { hide })
  const url = await skypilot.endpoint(name, 8000)
  await skypilot[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
  await assert.rejects(models(url ?? ''), { code: 'ECONNREFUSED' })
})
