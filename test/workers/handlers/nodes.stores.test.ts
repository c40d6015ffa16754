import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadQuery } from '../../../src/io/postgres.js'
import { loadSnapshot } from '../../../src/io/snapshot-load.js'
import { launchedNode } from '../../support/launched-node.js'
import {
  type ContractPort,
  modelBody,
  nodeBody,
  refusal,
  startContractPort,
} from '../../support/contract-port.js'

async function registered(port: ContractPort, cluster_name: string, changes: object = {}): Promise<string> {
  const model = await port.send('POST', '/admin/models', modelBody())
  const body = nodeBody(model.body['name'], { cluster_name, ...changes })
  assert.equal((await port.send('POST', '/admin/nodes', body)).status, 201)
  return `/admin/nodes/${cluster_name}`
}

/** `event status` of each, oldest first. */
async function logOf(port: ContractPort, path: string): Promise<string[]> {
  const { body } = await port.send('GET', `${path}/logs`)
  const events = body['data'] as unknown as { event: string; status: string }[]
  return events.map(({ event, status }) => `${event} ${status}`).reverse()
}

test('a change of weight or concurrency is in the snapshot and in the log, what is not sent stays', async () => {
  await using port = await startContractPort()
  const path = await registered(port, 'gpu-1', { max_concurrency: 8 })
  const version = async () => (await loadSnapshot(port.database.postgres)).version
  const before = await version()
  const patched = await port.send('PATCH', path, { weight: 2.5 })
  assert.deepEqual([patched.body['weight'], patched.body['max_concurrency']], [2.5, 8])
  const freed = await port.send('PATCH', path, { max_concurrency: null })
  assert.deepEqual([freed.body['weight'], freed.body['max_concurrency']], [2.5, null])
  const [node] = (await loadSnapshot(port.database.postgres)).nodes
  assert.deepEqual([node?.weight, node?.maxConcurrency], [2.5, null])
  assert.ok((await version()) > before)

  const { body } = await port.send('GET', `${path}/logs?event=changed`)
  assert.deepEqual(
    [body['data']?.[0]?.['message'], body['data']?.[1]?.['message']],
    ['max_concurrency 8 → none', 'weight 1 → 2.5'],
  )
  for (const bad of [{ weight: 0 }, { weight: -1 }, { max_concurrency: 0 }, { max_concurrency: 1.5 }]) {
    const param = Object.keys(bad)[0]
    assert.deepEqual(refusal(await port.send('PATCH', path, bad)), [400, 'invalid_parameter', param])
  }
  assert.equal((await port.send('PATCH', path, {})).status, 400)
  await port.send('POST', `${path}/terminate`, { force: true })
  assert.equal((await port.send('PATCH', path, { weight: 1 })).body['error']?.['code'], 'invalid_state')
  const unknown = await port.send('PATCH', '/admin/nodes/nope', { weight: 1 })
  assert.deepEqual(refusal(unknown), [404, 'not_found', 'cluster_name'])
})

test('nodes are found by text and by deployment', async () => {
  await using port = await startContractPort()
  await registered(port, 'alpha-1', { endpoint_url: 'http://10.1.2.3:8000', upstream_model: 'Special' })
  await registered(port, 'beta-1')
  const found = async (query: string) => {
    const { body } = await port.send('GET', `/admin/nodes?${query}`)
    return (body['data'] as unknown as { cluster_name: string }[]).map((node) => node.cluster_name).join()
  }
  assert.equal(await found('search=ALPHA'), 'alpha-1')
  assert.equal(await found('search=10.1.2'), 'alpha-1')
  assert.equal(await found('search=special'), 'alpha-1')
  assert.equal(await found('search=-1'), 'beta-1,alpha-1')
  assert.equal(await found('search=%25'), '')
  assert.equal(await found(`deployment_id=${crypto.randomUUID()}`), '')
})

test('what the leader saw of a node is its score, and what it waits for is told', async () => {
  await using port = await startContractPort()
  const path = await registered(port, 'gpu-1')
  const state = async () => (await port.send('GET', `${path}/status`)).body as Record<string, unknown>
  const fresh = await state()
  assert.deepEqual(
    [fresh['status'], fresh['health_score'], fresh['breaker'], fresh['heartbeat'], fresh['waits_for']],
    ['active', null, null, null, null],
  )
  const { postgres } = port.database
  const see = (running: number, waiting: number) =>
    postgres.query(
      `INSERT INTO node_live SELECT id, true, $1, $2, 0, now() FROM nodes
       ON CONFLICT (node_id) DO UPDATE SET running = $1, waiting = $2, observed_at = now()`,
      [running, waiting],
    )
  await see(3, 1)
  assert.equal((await port.send('GET', path)).body['health_score'], 75)
  assert.equal((await state())['health_score'], 75)
  await port.send('POST', `${path}/drain`)
  assert.deepEqual((await state())['waits_for'], { what: 'running_requests', requests: 4, until: null })
  await see(0, 0)
  assert.deepEqual((await state())['waits_for'], { what: 'undrain', requests: 0, until: null })
  await port.send('POST', `${path}/terminate`)
  const ending = await state()
  const { until, ...rest } = ending['waits_for'] as Record<string, unknown>
  assert.deepEqual(rest, { what: 'running_requests', requests: 0 })
  assert.equal(Date.parse(String(until)) - Date.parse(String(ending['status_changed_at'])), 600_000)
  assert.deepEqual(refusal(await port.send('GET', '/admin/nodes/nope/status')), [
    404,
    'not_found',
    'cluster_name',
  ])
})

test('what proxies tell of a node is shown, and what it still has to answer is by whoever counts more', async () => {
  await using port = await startContractPort()
  const path = await registered(port, 'gpu-1')
  const { postgres } = port.database
  const proxies = {
    inFlight: 7,
    ttftMs: 123.456,
    itlMs: 9.87,
    breaker: 'rejecting',
    rejectedBy: 2,
    errorRate: 0.5,
  }
  await postgres.query('INSERT INTO node_live SELECT id, true, 3, 1, 0, now(), $1 FROM nodes', [proxies])
  const { body } = await port.send('GET', path)
  const fields = [
    'health_score',
    'breaker',
    'rejected_by',
    'in_flight',
    'queue_depth',
    'avg_ttft_ms',
    'avg_itl_ms',
  ]
  assert.deepEqual(
    fields.map((field) => body[field]),
    [10, 'rejecting', 2, 7, 1, 123.5, 9.9],
  )
  await port.send('POST', `${path}/drain`)
  const draining = (await port.send('GET', `${path}/status`)).body as Record<string, unknown>
  assert.deepEqual(draining['waits_for'], { what: 'running_requests', requests: 7, until: null })
  assert.deepEqual([draining['breaker'], draining['rejected_by']], ['rejecting', 2])
  await postgres.query('UPDATE node_live SET proxies = NULL')
  const quiet = (await port.send('GET', path)).body
  assert.deepEqual(
    fields.map((field) => quiet[field]),
    [75, 'admitting', 0, 3, 1, null, null],
  )
})

test('what happens to a node is logged with who did it and why, newest first and in pages', async () => {
  await using port = await startContractPort()
  const path = await registered(port, 'gpu-1')
  await port.send('POST', `${path}/drain`)
  await port.send('POST', `${path}/drain`)
  await port.send('POST', `${path}/undrain`)
  const { postgres } = port.database
  const { rows } = await postgres.query<{ id: string }>('SELECT id FROM nodes')
  await postgres.query(loadQuery('node-events-health'), [rows[0]?.id, false, 'its health check fails'])
  await port.send('POST', `${path}/terminate`)
  await postgres.query("UPDATE nodes SET status_changed_at = now() - interval '1 minute'")
  await postgres.query(loadQuery('nodes-finish-terminating'), [[rows[0]?.id]])
  assert.deepEqual(await logOf(port, path), [
    'registered active',
    'status draining',
    'status active',
    'health unhealthy',
    'status terminating',
    'status terminated',
  ])
  const page = await port.send('GET', `${path}/logs?limit=2&offset=1`)
  assert.deepEqual(page.body['pagination'], { total: 6, limit: 2, offset: 1, has_more: true })
  const [first, second] = page.body['data'] as unknown as { actor: string; sequence: number }[]
  assert.equal(first?.actor, 'admin:root')
  assert.ok((first?.sequence ?? 0) > (second?.sequence ?? 0))
  const last = await port.send('GET', `${path}/logs?limit=1`)
  assert.deepEqual(
    [last.body['data']?.[0]?.['actor'], last.body['data']?.[0]?.['message']],
    ['leader', 'nothing runs on it any more'],
  )
  const state = (await port.send('GET', `${path}/status`)).body
  const health = await port.send('GET', `${path}/logs?event=health`)
  assert.ok(JSON.stringify(health.body).includes(`"at":"${state['health_changed_at']}"`))
  assert.equal((await port.send('GET', '/admin/nodes/nope/logs')).status, 404)
  assert.deepEqual(refusal(await port.send('GET', `${path}/logs?event=x`)), [
    400,
    'invalid_parameter',
    'event',
  ])
})

test('of each node the last 500 events are kept', async () => {
  await using port = await startContractPort()
  const one = await registered(port, 'gpu-1')
  const other = await registered(port, 'gpu-2')
  await port.database.postgres.query(
    `INSERT INTO node_events (node_id, event, status, actor, message)
     SELECT id, 'changed', 'active', 'x', n::text FROM nodes, generate_series(1, 510) n WHERE cluster_name = 'gpu-1'`,
  )
  const total = async (path: string) =>
    Number((await port.send('GET', `${path}/logs?limit=1`)).body['pagination']?.['total'])
  assert.equal(await total(one), 500)
  assert.equal(await total(other), 1)
  const oldest = await port.send('GET', `${one}/logs?limit=1&offset=499`)
  assert.equal(oldest.body['data']?.[0]?.['message'], '11')
})

test('a launch is validated as a whole, and then refused since nothing can launch', async () => {
  await using port = await startContractPort()
  await port.send('POST', '/admin/models', modelBody({ name: 'm' }))
  await port.database.postgres.query(
    `INSERT INTO instance_types (id, provider, name, vcpus, memory_gb, gpu_model, gpu_count, gpu_memory_gb)
     VALUES ($1, 'local', 'big', 8, 64, 'H100', 1, 80), ($2, 'local', 'plain', 8, 64, NULL, 0, NULL)`,
    [crypto.randomUUID(), crypto.randomUUID()],
  )
  const launch = (changes: object) =>
    port.send('POST', '/admin/nodes/launch', { model_name: 'm', provider: 'local', ...changes })
  const cases = [
    [{ model_name: 'nope' }, 404, 'not_found', 'model_name'],
    [{ provider: 'nowhere' }, 404, 'not_found', 'provider'],
    [{ region: 'mars' }, 404, 'not_found', 'region'],
    [{ instance_type: 'huge' }, 404, 'not_found', 'instance_type'],
    [{ gpu_type: 'Z9' }, 404, 'not_found', 'gpu_type'],
    [{ gpu_type: 'H100', instance_type: 'plain' }, 400, 'invalid_parameter', 'gpu_type'],
    [{ engine: 'openai' }, 404, 'not_found', 'engine'],
    [{ engine_args: ['\u0000'] }, 400, 'invalid_parameter', 'engine_args[0]'],
    [{ disk_size_gb: 0 }, 400, 'invalid_parameter', 'disk_size_gb'],
    [{ gpus: 1 }, 400, 'unknown_parameter', 'gpus'],
    [{}, 409, 'launcher_not_configured', 'provider'],
    [{ region: 'local', instance_type: 'big', gpu_type: 'H100' }, 409, 'launcher_not_configured', 'provider'],
  ] as const
  for (const [changes, ...expected] of cases) {
    assert.deepEqual(refusal(await launch(changes)), expected, JSON.stringify(changes))
  }
  const { rows } = await port.database.postgres.query('SELECT FROM nodes UNION ALL SELECT FROM jobs')
  assert.equal(rows.length, 0)
})

test('a launch is followed by its job', async () => {
  await using port = await startContractPort()
  const { postgres } = port.database
  const id = crypto.randomUUID()
  await postgres.query(
    `INSERT INTO jobs (id, kind, status, stage, progress, detail, error, created_at, finished_at)
     VALUES ($1, 'launch', 'failed', 'boot', 40, $2, 'no capacity', now() - interval '30 s', now() - interval '10 s')`,
    [id, JSON.stringify({ stages: [{ stage: 'boot', at: '2026-01-01T00:00:00Z' }] })],
  )
  const { body } = await port.send('GET', `/admin/nodes/launch-status?job_id=${id}`)
  assert.deepEqual(body, {
    job_id: id,
    status: 'failed',
    stage: 'boot',
    progress: 40,
    stages: [{ stage: 'boot', at: '2026-01-01T00:00:00Z' }],
    elapsed_seconds: 20,
    error: 'no capacity',
  })
  const other = crypto.randomUUID()
  await postgres.query("INSERT INTO jobs (id, kind, status) VALUES ($1, 'other', 'pending')", [other])
  for (const unknown of [crypto.randomUUID(), other]) {
    const reply = await port.send('GET', `/admin/nodes/launch-status?job_id=${unknown}`)
    assert.deepEqual(refusal(reply), [404, 'not_found', 'job_id'])
  }
  assert.equal((await port.send('GET', '/admin/nodes/launch-status')).status, 400)
})

test('a node that is being launched is shown without an address and is in no snapshot', async () => {
  await using port = await startContractPort()
  const { name } = await launchedNode(port)
  const shown = (await port.send('GET', `/admin/nodes/${name}`)).body
  assert.deepEqual([shown['status'], shown['endpoint_url']], ['launching', null])
  const state = (await port.send('GET', `/admin/nodes/${name}/status`)).body
  assert.equal(state['waits_for']?.['what'], 'registration')
  assert.deepEqual((await loadSnapshot(port.database.postgres)).nodes, [])
  const terminated = await port.send('POST', `/admin/nodes/${name}/terminate`)
  assert.equal(terminated.body['status'], 'terminated')
})
