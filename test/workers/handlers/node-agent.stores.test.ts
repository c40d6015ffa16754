import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadSnapshot } from '../../../src/io/snapshot-load.js'
import { modelBody, nodeBody, refusal, startContractPort } from '../../support/contract-port.js'
import { launchedNode } from '../../support/launched-node.js'

const address = { endpoint_url: 'http://10.0.0.7:8000', engine_version: '0.11.2' }

test('an agent brings its node into traffic, keeps it known and takes it out', async () => {
  await using port = await startContractPort()
  const { id, name, headers } = await launchedNode(port)
  const say = (verb: string, body: object) => port.send('POST', `/admin/nodes/${id}/${verb}`, body, headers)
  const shown = async () => (await port.send('GET', `/admin/nodes/${name}`)).body

  const joined = await say('register', address)
  assert.deepEqual(joined.body, { id, cluster_name: name, status: 'active' })
  const [node] = (await loadSnapshot(port.database.postgres)).nodes
  assert.deepEqual([node?.endpointUrl, node?.status], ['http://10.0.0.7:8000', 'active'])
  assert.equal((await shown())['engine_version'], '0.11.2')

  const { version } = await loadSnapshot(port.database.postgres)
  const etag = (await port.send('GET', `/admin/nodes/${name}`)).headers.get('etag')
  const beat = await say('heartbeat', { running: 3, kv_cache_usage: 0.5 })
  assert.deepEqual([beat.status, beat.body['status']], [200, 'active'])
  await say('heartbeat', { running: 4, gpu_utilization: 1, gpu_memory_used_gb: 70.5 })
  const state = (await port.send('GET', `/admin/nodes/${name}/status`)).body
  const { at, ...gauges } = state['heartbeat'] as unknown as Record<string, unknown>
  assert.deepEqual(gauges, {
    running: 4,
    waiting: null,
    kv_cache_usage: null,
    gpu_utilization: 1,
    gpu_memory_used_gb: 70.5,
  })
  assert.equal((await shown())['last_heartbeat_at'], at)
  // Neither proxies nor administrators are disturbed by it.
  assert.equal((await loadSnapshot(port.database.postgres)).version, version)
  assert.equal((await port.send('GET', `/admin/nodes/${name}`)).headers.get('etag'), etag)

  const warned = await say('termination-warning', { reason: 'spot capacity', deadline_seconds: 120 })
  assert.equal(warned.body['status'], 'draining')
  const terminates = Date.parse((await shown())['terminates_at'] ?? '')
  assert.ok(terminates > Date.now() && terminates <= Date.now() + 120_000)
  // One that comes back at another address in the meantime goes on draining.
  const moved = await say('register', { endpoint_url: 'http://10.0.0.8:8000' })
  assert.equal(moved.body['status'], 'draining')
  assert.equal((await shown())['endpoint_url'], 'http://10.0.0.8:8000')

  const { body } = await port.send('GET', `/admin/nodes/${name}/logs`)
  const events = body['data'] as unknown as { event: string; actor: string; message: string }[]
  assert.deepEqual(events.map(({ event, message }) => `${event}: ${message}`).reverse(), [
    'registered: http://10.0.0.7:8000, simulated 0.11.2',
    'warning: spot capacity, in 120 s',
    'registered: http://10.0.0.8:8000',
  ])
  assert.ok(events.every(({ actor }) => actor === `node:${id}`))

  assert.equal((await port.send('POST', `/admin/nodes/${name}/undrain`)).status, 200)
  assert.equal((await shown())['terminates_at'], null)
  await port.send('POST', `/admin/nodes/${name}/terminate`)
  assert.equal((await say('heartbeat', {})).body['status'], 'terminating')
  assert.deepEqual(refusal(await say('register', address)), [409, 'invalid_state', null])
  await port.send('POST', `/admin/nodes/${name}/terminate`, { force: true })
  for (const verb of ['register', 'heartbeat', 'termination-warning']) {
    const body = verb === 'register' ? address : verb === 'heartbeat' ? {} : { reason: 'x' }
    assert.deepEqual(refusal(await say(verb, body)), [409, 'invalid_state', null], verb)
  }
})

test('a node that is warned before it could serve does not begin to', async () => {
  await using port = await startContractPort()
  const { id, headers } = await launchedNode(port)
  const say = (verb: string, body: object) => port.send('POST', `/admin/nodes/${id}/${verb}`, body, headers)
  const warned = await say('termination-warning', { reason: 'spot', deadline_seconds: 30 })
  assert.equal(warned.body['status'], 'launching')
  assert.equal((await say('register', address)).body['status'], 'draining')
})

test('only the agent of that very node is let in, all others hear the same', async () => {
  await using port = await startContractPort()
  const one = await launchedNode(port)
  const other = await launchedNode(port)
  await port.send('POST', '/admin/models', modelBody({ name: 'm' }))
  const manual = await port.send('POST', '/admin/nodes', nodeBody('m'))
  const { authorization = '' } = one.headers
  const attempts: [string | undefined, Record<string, string>][] = [
    [one.id, {}],
    [one.id, { authorization: '' }],
    [one.id, { authorization: 'Bearer ' }],
    [one.id, { authorization: 'Bearer root' }],
    [one.id, { authorization: authorization.replace('Bearer', 'Basic') }],
    [one.id, other.headers],
    [other.id, one.headers],
    [crypto.randomUUID(), one.headers],
    ['not-a-uuid', one.headers],
    [one.name, one.headers],
    [manual.body['id'], one.headers],
    [manual.body['id'], { authorization: 'Bearer ' }],
  ]
  const heard = new Set<string>()
  for (const [id, headers] of attempts) {
    for (const verb of ['register', 'heartbeat', 'termination-warning']) {
      // With a body that is refused as well: who calls is found out first.
      const reply = await port.send('POST', `/admin/nodes/${id}/${verb}`, { nonsense: 1 }, headers)
      assert.deepEqual(refusal(reply), [401, 'invalid_admin_token', null], `${id} ${verb}`)
      heard.add(JSON.stringify(reply.body))
    }
  }
  assert.equal(heard.size, 1)
  // A node's token opens nothing else.
  const elsewhere = await port.send('GET', '/admin/nodes', undefined, { ...one.headers, 'x-admin-token': '' })
  assert.equal(elsewhere.status, 401)
  const accepted = await port.send('POST', `/admin/nodes/${one.id}/heartbeat`, {}, one.headers)
  assert.equal(accepted.status, 200)
  const refusedField = await port.send('POST', `/admin/nodes/${one.id}/register`, {}, one.headers)
  assert.deepEqual(refusal(refusedField), [400, 'invalid_parameter', 'endpoint_url'])
})

test('a registration that is repeated with its Idempotency-Key is one, and only its own node gets the reply', async () => {
  await using port = await startContractPort()
  const { id, name, headers } = await launchedNode(port)
  const path = `/admin/nodes/${id}/register`
  for (const _ of [1, 2]) {
    const reply = await port.send('POST', path, address, { ...headers, 'idempotency-key': 'k' })
    assert.equal(reply.status, 200)
  }
  const { body } = await port.send('GET', `/admin/nodes/${name}/logs`)
  assert.equal(Number(body['pagination']?.['total']), 1)
  // Once the token is taken away not even the reply of before is given.
  await port.database.postgres.query('UPDATE nodes SET token_digest = NULL')
  const later = await port.send('POST', path, address, { ...headers, 'idempotency-key': 'k' })
  assert.equal(later.status, 401)
})
