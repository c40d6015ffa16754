import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freePort } from '../../src/io/embedded/free-port.js'
import { startTestGateway } from '../support/gateway.js'
import { startSkyPilotProcess } from '../support/skypilot-process.js'
import { startStores } from '../support/stores.js'
import { watchDeployment } from '../support/watched-deployment.js'

const MODEL = 'acme/shut-out'

test('with a wrong token launches fail and are given up, saying why; what was never asked for can be deleted', async (t) => {
  await using skypilot = await startSkyPilotProcess()
  await using stores = await startStores({ redis: false })
  const env = {
    SKYPILOT_URL: skypilot.url,
    SKYPILOT_TOKEN: 'sky_wrong',
    ADMIN_PORT: String(await freePort()),
  }
  await using gateway = await startTestGateway(env, stores)
  await gateway.createModel(MODEL)
  const { client } = gateway
  const { body: created } = await client.deployments.create({
    body: { model_name: MODEL, provider: 'aws', engine: 'simulated' },
  })
  const deployment = watchDeployment(gateway, stores.databaseUrl, created.id)
  const single = await client.nodes.launch({
    body: { model_name: MODEL, provider: 'aws', engine: 'simulated' },
  })
  const { cluster_name: alone, job_id } = single.body

  await deployment.until(
    'its launches are given up',
    async () => (await deployment.now()).status === 'failed',
  )
  const { status_reason: reason, live_nodes: nodes } = await deployment.now()
  t.diagnostic(`${nodes} of ${(await deployment.nodes()).length} nodes are left: ${reason}`)
  assert.match(reason ?? '', /^given up after 3 launches: .*token/)
  assert.equal(nodes, 1, 'the last one that failed is kept to be looked at')
  const [failed = ''] = await deployment.named('failed')
  const events = await deployment.events(failed)
  assert.match(events.at(-1)?.message ?? '', /token/)
  const { body: job } = await client.nodes.launchStatus({ query: { job_id } })
  assert.equal(job.status, 'failed')
  assert.match(job.error ?? '', /token/)

  await client.nodes.terminate({ params: { cluster_name: alone }, body: {} })
  await client.deployments.delete({ params: { id: created.id } })
  await deployment.until(
    'nothing is left of it',
    async () => (await deployment.now()).status === 'terminated',
  )
  await deployment.until('the single node is terminated', async () => {
    const { body } = await client.nodes.get({ params: { cluster_name: alone } })
    return body.status === 'terminated'
  })
  await client.models.delete({ params: { id: created.model_id } })
  assert.deepEqual(await skypilot.counts(), { launches: {}, started: {}, alive: [] })
})
