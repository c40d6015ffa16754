import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_ROUTE } from '../../../src/core/snapshot.js'
import { loadQuery } from '../../../src/io/postgres.js'
import { loadSnapshot } from '../../../src/io/snapshot-load.js'
import { modelBody, nodeBody, refusal, startContractPort } from '../../support/contract-port.js'

/** Status, code and param of a refusal. */
test('a model comes back as it was sent, with what was left out filled in', async () => {
  await using port = await startContractPort()
  const sent = modelBody({
    aliases: ['b', 'a'],
    metadata: { a: { b: [1, null] } },
    price_output_per_million: 0.000001,
  })
  const created = await port.send('POST', '/admin/models', sent)
  assert.equal(created.status, 201)
  const { id, created_at, updated_at, ...rest }: Record<string, unknown> = created.body
  assert.ok(id && created_at && updated_at)
  assert.deepEqual(rest, {
    ...sent,
    size: null,
    price_cached_input_per_million: null,
    tokens_per_second_capacity: null,
    status: 'active',
    aliases: ['a', 'b'],
  })
  const path = `/admin/models/${created.body['id']}`
  assert.deepEqual((await port.send('GET', path)).body, created.body)

  const changed = await port.send('PATCH', path, { aliases: ['c'], size: '8B' })
  assert.deepEqual([changed.body['aliases'], changed.body['size']], [['c'], '8B'])
  assert.equal(changed.body['price_output_per_million'], 0.000001)
})

test('names and aliases share one uniqueness', async () => {
  await using port = await startContractPort()
  const first = await port.send('POST', '/admin/models', modelBody({ name: 'one', aliases: ['uno'] }))
  for (const body of [
    { name: 'one' },
    { name: 'uno' },
    { name: 'two', aliases: ['one'] },
    { name: 'x', aliases: ['uno'] },
  ]) {
    const reply = await port.send('POST', '/admin/models', modelBody(body))
    assert.deepEqual([reply.status, reply.body['error']?.['code']], [409, 'already_exists'])
  }
  const own = await port.send('POST', '/admin/models', modelBody({ name: 'y', aliases: ['y'] }))
  assert.deepEqual(refusal(own), [400, 'invalid_parameter', 'aliases[0]'])
  // A model may swap its name with its own alias, and a deleted one's names are free again.
  const path = `/admin/models/${first.body['id']}`
  const renamed = await port.send('PATCH', path, { name: 'uno' })
  assert.deepEqual(refusal(renamed), [400, 'invalid_parameter', 'name'])
  assert.equal((await port.send('PUT', path, { name: 'uno', aliases: ['one'] })).status, 200)
  assert.equal((await port.send('DELETE', path)).status, 200)
  assert.equal((await port.send('DELETE', path)).status, 404)
  assert.equal((await port.send('GET', path)).status, 404)
  assert.equal((await port.send('POST', '/admin/models', modelBody({ name: 'one' }))).status, 201)
})

test('metadata that could not be stored as it is, is refused by name and leaves what was there', async () => {
  await using port = await startContractPort()
  const created = await port.send('POST', '/admin/models', modelBody({ metadata: { a: 1 } }))
  const path = `/admin/models/${created.body['id']}`
  for (const metadata of ['{"a":"\\ud800"}', '{"\\ud800":1}', '{"a":"\\u0000"}', '{"a":1e400}']) {
    const changed = await port.send('PATCH', path, `{"metadata":${metadata}}`)
    assert.deepEqual(refusal(changed), [400, 'invalid_parameter', 'metadata'], metadata)
    const body = JSON.stringify(modelBody()).replace(/}$/, `,"metadata":${metadata}}`)
    const model = await port.send('POST', '/admin/models', body)
    assert.deepEqual(refusal(model), [400, 'invalid_parameter', 'metadata'], metadata)
  }
  assert.deepEqual((await port.send('GET', path)).body['metadata'], { a: 1 })
  assert.deepEqual(port.failures, [])
})

test('models are found by every filter', async () => {
  await using port = await startContractPort()
  await port.send('POST', '/admin/models', modelBody({ name: 'big', vram_required_gb: 80, family: 'qwen' }))
  await port.send(
    'POST',
    '/admin/models',
    modelBody({ name: 'small', vram_required_gb: 8, aliases: ['Tiny'] }),
  )
  await port.send('POST', '/admin/models', modelBody({ name: 'vec', type: 'embedding', status: 'beta' }))
  const names = async (query: string) => {
    const { body } = await port.send('GET', `/admin/models?${query}`)
    return (body as unknown as { data: { name: string }[] }).data.map(({ name }) => name).join()
  }
  assert.equal(await names(''), 'vec,small,big')
  assert.equal(await names('family=qwen'), 'big')
  assert.equal(await names('type=embedding'), 'vec')
  assert.equal(await names('status=active'), 'small,big')
  assert.equal(await names('min_vram=20&max_vram=30'), 'vec')
  assert.equal(await names('search=tIny'), 'small')
  assert.equal(await names('search=%25'), '')
  assert.deepEqual(refusal(await port.send('GET', '/admin/models?famly=x')), [
    400,
    'unknown_parameter',
    'famly',
  ])
  assert.deepEqual(refusal(await port.send('GET', '/admin/models?limit=0')), [
    400,
    'invalid_parameter',
    'limit',
  ])
  assert.deepEqual(refusal(await port.send('GET', '/admin/models?limit=201')), [
    400,
    'invalid_parameter',
    'limit',
  ])
  assert.deepEqual(refusal(await port.send('GET', '/admin/models/not-a-uuid')), [
    400,
    'invalid_parameter',
    'id',
  ])
})

test('a model with a node cannot be deleted, until the node is terminated', async () => {
  await using port = await startContractPort()
  const model = await port.send('POST', '/admin/models', modelBody())
  const path = `/admin/models/${model.body['id']}`
  await port.send('POST', '/admin/nodes', nodeBody(model.body['name'], { cluster_name: 'gpu-1' }))
  const refused = await port.send('DELETE', path)
  assert.deepEqual([refused.status, refused.body['error']?.['code']], [409, 'in_use'])
  assert.match(refused.body['error']?.['message'] ?? '', /gpu-1/)
  await port.send('POST', '/admin/nodes/gpu-1/terminate', { force: true })
  assert.equal((await port.send('DELETE', path)).status, 200)
})

test('a registered node is active, in the snapshot, and shows no credential', async () => {
  await using port = await startContractPort()
  const model = await port.send('POST', '/admin/models', modelBody({ name: 'm', aliases: ['alias'] }))
  const sent = nodeBody('alias', {
    cluster_name: 'gpu-1',
    endpoint_url: 'HTTP://LocalHost:8000/',
    api_key: 'node-secret',
    engine: 'vllm',
    weight: 2.5,
    max_concurrency: 64,
    price_per_hour: 1.99,
    provider: 'aws',
    region: 'eu-1',
  })
  const created = await port.send('POST', '/admin/nodes', sent)
  assert.equal(created.status, 201)
  assert.ok(!JSON.stringify(created.body).includes('node-secret'))
  const { id, status_changed_at, created_at, updated_at, ...rest }: Record<string, unknown> = created.body
  assert.ok(id && status_changed_at && created_at && updated_at)
  assert.deepEqual(rest, {
    cluster_name: 'gpu-1',
    model_id: model.body['id'],
    model_name: 'm',
    deployment_id: null,
    endpoint_url: 'http://localhost:8000',
    upstream_model: 'm',
    provider: 'aws',
    region: 'eu-1',
    engine: 'vllm',
    engine_version: null,
    weight: 2.5,
    max_concurrency: 64,
    has_api_key: true,
    price_per_hour: 1.99,
    status: 'active',
    terminates_at: null,
    healthy: null,
    health_score: null,
    breaker: null,
    rejected_by: null,
    in_flight: null,
    queue_depth: null,
    kv_cache_usage: null,
    avg_ttft_ms: null,
    avg_itl_ms: null,
    observed_at: null,
    last_heartbeat_at: null,
  })
  const [node] = (await loadSnapshot(port.database.postgres)).nodes
  assert.deepEqual(node, {
    id,
    clusterName: 'gpu-1',
    modelId: model.body['id'],
    endpointUrl: 'http://localhost:8000',
    upstreamModel: 'm',
    weight: 2.5,
    maxConcurrency: 64,
    apiKey: 'node-secret',
    engine: 'vllm',
    status: 'active',
  })
  const { rows } = await port.database.postgres.query<{ text: string }>(
    'SELECT audit_log::text AS text FROM audit_log',
  )
  assert.ok(rows.every(({ text }) => !text.includes('node-secret')))

  const again = await port.send('POST', '/admin/nodes', sent)
  assert.deepEqual(refusal(again), [409, 'already_exists', 'cluster_name'])
  const unknown = await port.send('POST', '/admin/nodes', nodeBody('nope'))
  assert.deepEqual(refusal(unknown), [404, 'not_found', 'model_name'])
})

test('nodes are listed by filter, with what the leader saw lately', async () => {
  await using port = await startContractPort()
  await port.send('POST', '/admin/models', modelBody({ name: 'm', aliases: ['alias'] }))
  for (const name of ['one', 'two', 'three']) {
    const body = nodeBody('m', { cluster_name: name, provider: name, region: name === 'one' ? 'here' : null })
    await port.send('POST', '/admin/nodes', body)
  }
  await port.database.postgres.query(
    `INSERT INTO node_live SELECT id, cluster_name <> 'two', 3, 1, 0.5,
       now() - CASE cluster_name WHEN 'three' THEN interval '1 minute' ELSE interval '0' END FROM nodes`,
  )
  const names = async (query: string) => {
    const { body } = await port.send('GET', `/admin/nodes?${query}`)
    return (body as unknown as { data: { cluster_name: string }[] }).data
      .map((node) => node.cluster_name)
      .join()
  }
  assert.equal(await names(''), 'three,two,one')
  assert.equal(await names('provider=two'), 'two')
  assert.equal(await names('region=here'), 'one')
  assert.equal(await names('model=alias'), 'three,two,one')
  assert.equal(await names('model=other'), '')
  assert.equal(await names('status=unhealthy'), 'two')
  assert.equal(await names('status=active'), 'three,one')
  const one = await port.send('GET', '/admin/nodes/one')
  assert.deepEqual([one.body['healthy'], one.body['in_flight'], one.body['queue_depth']], [true, 3, 1])
  const two = await port.send('GET', '/admin/nodes/two')
  assert.deepEqual([two.body['status'], two.body['healthy']], ['unhealthy', false])
  const three = await port.send('GET', '/admin/nodes/three')
  assert.deepEqual([three.body['status'], three.body['healthy']], ['active', null])
})

test('a node is drained, undrained and terminated, and its name is free then', async () => {
  await using port = await startContractPort()
  await port.send('POST', '/admin/models', modelBody({ name: 'm' }))
  await port.send('POST', '/admin/nodes', nodeBody('m', { cluster_name: 'gpu-1' }))
  const act = async (verb: string, body?: object) => {
    const reply = await port.send('POST', `/admin/nodes/gpu-1/${verb}`, body)
    return reply.status === 200 ? reply.body['status'] : reply.body['error']?.['code']
  }
  const inSnapshot = async () =>
    (await loadSnapshot(port.database.postgres)).nodes.map(({ status }) => status)
  assert.equal(await act('drain'), 'draining')
  assert.equal(await act('drain'), 'draining')
  assert.deepEqual(await inSnapshot(), ['draining'])
  assert.equal(await act('undrain'), 'active')
  assert.equal(await act('terminate'), 'terminating')
  assert.equal(await act('undrain'), 'invalid_state')
  assert.equal(await act('terminate', { force: true }), 'terminated')
  assert.equal(await act('terminate'), 'terminated')
  assert.deepEqual(await inSnapshot(), [])
  assert.equal((await port.send('GET', '/admin/nodes/gpu-1')).body['status'], 'terminated')
  assert.equal(
    (await port.send('POST', '/admin/nodes', nodeBody('m', { cluster_name: 'gpu-1' }))).status,
    201,
  )
  assert.equal((await port.send('GET', '/admin/nodes/gpu-1')).body['status'], 'active')
  assert.equal((await port.send('GET', '/admin/nodes/nope')).status, 404)
})

test('every model has a route with defaults, and keeps what is not sent', async () => {
  await using port = await startContractPort()
  const model = await port.send('POST', '/admin/models', modelBody({ name: 'm' }))
  await port.send('POST', '/admin/nodes', nodeBody('m', { cluster_name: 'gpu-1' }))
  const path = `/admin/routes/${model.body['id']}`
  const route = async () => (await loadSnapshot(port.database.postgres)).routes[0]

  const defaults = await port.send('GET', path)
  assert.equal(defaults.body['strategy'], DEFAULT_ROUTE.strategy)
  assert.equal(defaults.body['updated_at'], null)
  assert.deepEqual(await route(), { modelId: model.body['id'], ...DEFAULT_ROUTE })

  const changed = await port.send('PUT', path, {
    strategy: 'weighted',
    health_check: { interval_seconds: 2.5 },
    node_weights: { 'gpu-1': 3 },
    allowed_body_fields: ['priority', 'priority'],
    idle_timeout_ms: 1000,
  })
  assert.equal(changed.status, 200)
  await port.send('PUT', path, { first_token_timeout_ms: 2000 })
  assert.deepEqual(await route(), {
    ...DEFAULT_ROUTE,
    modelId: model.body['id'],
    strategy: 'weighted',
    healthCheck: { ...DEFAULT_ROUTE.healthCheck, intervalSeconds: 2.5 },
    nodeWeights: { 'gpu-1': 3 },
    allowedBodyFields: ['priority'],
    idleTimeoutMs: 1000,
    firstTokenTimeoutMs: 2000,
  })
  const listed = await port.send('GET', '/admin/routes')
  assert.equal(listed.body['data']?.[0]?.['model_name'], 'm')

  const unknown = await port.send('PUT', path, { node_weights: { 'gpu-2': 1 } })
  assert.deepEqual(refusal(unknown), [404, 'not_found', 'node_weights.gpu-2'])
  const none = `/admin/routes/${crypto.randomUUID()}`
  assert.equal((await port.send('GET', none)).status, 404)
  assert.equal((await port.send('PUT', none, { strategy: 'weighted' })).status, 404)
})

test('a terminated node leaves no weight behind, so that a route can be sent back as it is shown', async () => {
  await using port = await startContractPort()
  const { postgres } = port.database
  const model = await port.send('POST', '/admin/models', modelBody({ name: 'm' }))
  const path = `/admin/routes/${model.body['id']}`
  const names = ['forced', 'drained', 'kept']
  for (const name of names) await port.send('POST', '/admin/nodes', nodeBody('m', { cluster_name: name }))
  await port.send('PUT', path, { node_weights: { forced: 2, drained: 3, kept: 4 } })
  const weights = async () => (await port.send('GET', path)).body['node_weights']

  await port.send('POST', '/admin/nodes/forced/terminate', { force: true })
  assert.deepEqual(await weights(), { drained: 3, kept: 4 })
  await port.send('POST', '/admin/nodes/drained/terminate')
  assert.deepEqual(await weights(), { drained: 3, kept: 4 })
  await postgres.query("UPDATE nodes SET status_changed_at = now() - interval '1 hour'")
  await postgres.query(loadQuery('nodes-finish-terminating'), [[]])
  assert.deepEqual(await weights(), { kept: 4 })

  const back = await port.send('PUT', path, { node_weights: await weights() })
  assert.deepEqual([back.status, back.body['node_weights']], [200, { kept: 4 }])
  const gone = await port.send('PUT', path, { node_weights: { forced: 1 } })
  assert.deepEqual(refusal(gone), [404, 'not_found', 'node_weights.forced'])
  // The name may be taken again; the weight of before is not taken with it.
  await port.send('POST', '/admin/nodes', nodeBody('m', { cluster_name: 'forced' }))
  assert.deepEqual(await weights(), { kept: 4 })
})

test('a route that is changed while its nodes are terminated keeps none of their weights', async () => {
  await using port = await startContractPort()
  const model = await port.send('POST', '/admin/models', modelBody({ name: 'm' }))
  const path = `/admin/routes/${model.body['id']}`
  for (let round = 0; round < 15; round++) {
    const name = `n-${round}`
    await port.send('POST', '/admin/nodes', nodeBody('m', { cluster_name: name }))
    const replies = await Promise.all([
      port.send('PUT', path, { node_weights: { [name]: 2 } }),
      port.send('PUT', path, { idle_timeout_ms: 1000 + round }),
      port.send('POST', `/admin/nodes/${name}/terminate`, { force: true }),
      port.send('PUT', path, { node_weights: { [name]: 3 } }),
      port.send('PUT', path, { first_token_timeout_ms: 1000 + round }),
    ])
    for (const { status } of replies) assert.ok(status === 200 || status === 404, String(status))
    assert.deepEqual((await port.send('GET', path)).body['node_weights'], {})
  }
  assert.deepEqual(port.failures, [])
})
