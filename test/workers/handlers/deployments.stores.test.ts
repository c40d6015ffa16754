import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pino } from 'pino'
import { loadQuery } from '../../../src/io/postgres.js'
import { loadSnapshot } from '../../../src/io/snapshot-load.js'
import { NOTHING_LAUNCHED } from '../../../src/workers/launchers/launching.js'
import { createReconciler } from '../../../src/workers/orchestration/reconcile-deployments.js'
import {
  type ContractPort,
  deploymentBody,
  modelBody,
  refusal,
  startContractPort,
} from '../../support/contract-port.js'
import { launchedNode } from '../../support/launched-node.js'

async function withMachines(port: ContractPort): Promise<void> {
  await port.database.postgres.query(
    `INSERT INTO instance_types (id, provider, name, vcpus, memory_gb, gpu_model, gpu_count, gpu_memory_gb)
     VALUES ($1, 'local', 'big', 8, 64, 'H100', 1, 80)`,
    [crypto.randomUUID()],
  )
}

/** A deployment with nodes that its launcher brought up. @returns its path, its nodes' names, oldest first */
async function running(port: ContractPort, count: number) {
  const model = await port.send('POST', '/admin/models', modelBody())
  const created = await port.send('POST', '/admin/deployments', deploymentBody(model.body['name']))
  const deploymentId = created.body['id'] ?? ''
  const names: string[] = []
  for (let node = 0; node < count; node++) {
    const { id, name, headers } = await launchedNode(port, { modelId: model.body['id'], deploymentId })
    const body = { endpoint_url: `http://10.0.0.${node + 1}:8000` }
    assert.equal((await port.send('POST', `/admin/nodes/${id}/register`, body, headers)).status, 200)
    names.push(name)
  }
  await port.database.postgres.query(
    "UPDATE deployments SET target_node_count = $2, status = 'active' WHERE id = $1",
    [deploymentId, count],
  )
  return { path: `/admin/deployments/${deploymentId}`, modelPath: `/admin/models/${model.body['id']}`, names }
}

async function statuses(port: ContractPort, names: readonly string[]): Promise<string> {
  const all = await Promise.all(names.map((name) => port.send('GET', `/admin/nodes/${name}`)))
  return all.map(({ body }) => body['status']).join()
}

/** The leader's part: what has run dry is terminated, deployments settle. */
async function settle(port: ContractPort): Promise<void> {
  const { postgres } = port.database
  await postgres.query("UPDATE nodes SET status_changed_at = now() - interval '1 hour'")
  await postgres.query(loadQuery('nodes-finish-terminating'), [[]])
  await reconcile(port)
}

async function reconcile({ database: { postgres } }: ContractPort): Promise<void> {
  const reconciler = createReconciler({
    postgres,
    launching: NOTHING_LAUNCHED,
    readLive: () => Promise.resolve(new Map()),
    logger: pino({ level: 'silent' }),
    now: Date.now,
  })
  await reconciler.look()
}

test('a deployment comes back as it was sent, and sets the strategy of its model’s route', async () => {
  await using port = await startContractPort()
  await withMachines(port)
  const model = await port.send('POST', '/admin/models', modelBody({ name: 'm', aliases: ['alias'] }))
  const sent = {
    node_count: 0,
    provider: 'aws',
    region: 'us-east-1',
    instance_type: 'p5.48xlarge',
    gpu_type: 'H100',
    engine: 'sglang',
    engine_args: ['--mem-fraction-static', '0.9'],
    use_spot: true,
    fallback_on_demand_after_seconds: 300,
    disk_size_gb: 200,
    load_balancing_strategy: 'least-connections',
    auto_scaling: {
      enabled: true,
      min_nodes: 1,
      max_nodes: 4,
      target_concurrency: 16,
      target_ttft_ms: 500,
    },
  }
  const routePath = `/admin/routes/${model.body['id']}`
  await port.send('PUT', routePath, { idle_timeout_ms: 1234 })
  const created = await port.send('POST', '/admin/deployments', { model_name: 'alias', ...sent })
  assert.equal(created.status, 202)
  const { id, created_at, updated_at, ...rest }: Record<string, unknown> = created.body
  assert.ok(id && created_at && updated_at)
  const expected = {
    model_id: model.body['id'],
    model_name: 'm',
    ...sent,
    live_nodes: 0,
    status: 'paused',
    status_reason: null,
    asleep: false,
  }
  assert.deepEqual(rest, expected)
  const route = (await port.send('GET', routePath)).body
  assert.deepEqual([route['strategy'], Number(route['idle_timeout_ms'])], ['least-connections', 1234])
  const [live] = (await loadSnapshot(port.database.postgres)).routes
  assert.equal(live?.strategy, 'least-connections')

  const path = `/admin/deployments/${created.body['id']}`
  const patched = await port.send('PATCH', path, {
    gpu_type: null,
    region: null,
    auto_scaling: null,
    load_balancing_strategy: 'weighted',
  })
  const {
    updated_at: _updated,
    created_at: _created,
    id: _id,
    ...after
  }: Record<string, unknown> = patched.body
  assert.deepEqual(after, {
    ...expected,
    gpu_type: null,
    region: null,
    auto_scaling: null,
    load_balancing_strategy: 'weighted',
  })
  assert.equal((await port.send('GET', routePath)).body['strategy'], 'weighted')
})

test('every wrong field of a deployment is refused by name, and nothing is written', async () => {
  await using port = await startContractPort()
  await withMachines(port)
  await port.send('POST', '/admin/models', modelBody({ name: 'm' }))
  const scaling = { enabled: true, min_nodes: 2, max_nodes: 4 }
  const cases = [
    [{ model_name: 'nope' }, 404, 'not_found', 'model_name'],
    [{ provider: 'nowhere' }, 404, 'not_found', 'provider'],
    [{ provider: undefined }, 400, 'invalid_parameter', 'provider'],
    [{ region: 'mars' }, 404, 'not_found', 'region'],
    [{ instance_type: 'huge' }, 404, 'not_found', 'instance_type'],
    [{ gpu_type: 'Z9' }, 404, 'not_found', 'gpu_type'],
    [{ node_count: -1 }, 400, 'invalid_parameter', 'node_count'],
    [{ node_count: 1001 }, 400, 'invalid_parameter', 'node_count'],
    [{ auto_scaling: { ...scaling, min_nodes: 5 } }, 400, 'invalid_parameter', 'auto_scaling.max_nodes'],
    [{ auto_scaling: { enabled: true } }, 400, 'invalid_parameter', 'auto_scaling.max_nodes'],
    [{ auto_scaling: { ...scaling, least: 1 } }, 400, 'unknown_parameter', 'auto_scaling.least'],
    [{ auto_scaling: scaling, node_count: 1 }, 400, 'invalid_parameter', 'node_count'],
    [{ load_balancing_strategy: 'random' }, 400, 'invalid_parameter', 'load_balancing_strategy'],
    [{ fallback_on_demand_after_seconds: -1 }, 400, 'invalid_parameter', 'fallback_on_demand_after_seconds'],
    [
      { node_count: 1, load_balancing_strategy: 'prefix-affinity' },
      409,
      'launcher_not_configured',
      'provider',
    ],
    [{ node_count: undefined }, 409, 'launcher_not_configured', 'provider'],
    [{ auto_scaling: scaling, node_count: 2 }, 409, 'launcher_not_configured', 'provider'],
  ] as const
  for (const [changes, ...expected] of cases) {
    const reply = await port.send('POST', '/admin/deployments', deploymentBody('m', changes))
    assert.deepEqual(refusal(reply), expected, JSON.stringify(changes))
  }
  const tables = ['deployments', 'nodes', 'jobs', 'routing_configs']
  const { rows } = await port.database.postgres.query(
    tables.map((table) => `SELECT FROM ${table}`).join(' UNION ALL '),
  )
  assert.equal(rows.length, 0)
  assert.deepEqual(port.failures, [])
})

test('deployments are found by every filter', async () => {
  await using port = await startContractPort()
  await withMachines(port)
  await port.send('POST', '/admin/models', modelBody({ name: 'one', aliases: ['uno'] }))
  await port.send('POST', '/admin/models', modelBody({ name: 'two' }))
  await port.send('POST', '/admin/deployments', deploymentBody('one', { region: 'local' }))
  const two = await port.send('POST', '/admin/deployments', deploymentBody('two', { instance_type: 'big' }))
  await port.send('DELETE', `/admin/deployments/${two.body['id']}`)
  const found = async (query: string) => {
    const { body } = await port.send('GET', `/admin/deployments?${query}`)
    return (body['data'] as unknown as { model_name: string }[]).map((row) => row.model_name).join()
  }
  assert.equal(await found(''), 'two,one')
  assert.equal(await found('model=uno'), 'one')
  assert.equal(await found('model=nope'), '')
  assert.equal(await found('provider=local'), 'two,one')
  assert.equal(await found('provider=aws'), '')
  assert.equal(await found('status=paused'), 'one')
  assert.equal(await found('status=terminated'), 'two')
  assert.equal(await found('search=BIG'), 'two')
  assert.equal(await found('search=loc'), 'two,one')
  assert.equal(await found('search=%25'), '')
  assert.deepEqual(refusal(await port.send('GET', '/admin/deployments?status=x')), [
    400,
    'invalid_parameter',
    'status',
  ])
})

test('a deployment that is scaled down gives up its newest nodes, drained or at once', async () => {
  await using port = await startContractPort()
  const { path, names } = await running(port, 4)
  const scale = (target_node_count: number, strategy = 'gradual') =>
    port.send('PUT', `${path}/scale`, { target_node_count, strategy })

  const gradual = await scale(3)
  assert.deepEqual([gradual.status, gradual.body['status']], [202, 'scaling'])
  assert.equal(await statuses(port, names), 'active,active,active,terminating')
  const immediate = await scale(2, 'immediate')
  assert.equal(immediate.body['status'], 'scaling')
  assert.equal(await statuses(port, names), 'active,active,terminated,terminated')
  await reconcile(port)
  assert.equal((await port.send('GET', path)).body['status'], 'active')
  const [last] = names.slice(-1)
  const log = await port.send('GET', `/admin/nodes/${last}/logs?limit=1`)
  assert.equal(log.body['data']?.[0]?.['message'], 'its deployment is scaled to 2')

  // More would have to be launched: nothing has changed then.
  const before = (await port.send('GET', path)).headers.get('etag')
  assert.deepEqual(refusal(await scale(3)), [409, 'launcher_not_configured', 'provider'])
  assert.equal((await port.send('GET', path)).headers.get('etag'), before)

  assert.equal((await scale(0)).body['status'], 'scaling')
  await settle(port)
  const paused = (await port.send('GET', path)).body
  assert.deepEqual([paused['status'], Number(paused['live_nodes'])], ['paused', 0])
  for (const bad of [-1, 1.5, 1001]) {
    assert.deepEqual(refusal(await scale(bad)), [400, 'invalid_parameter', 'target_node_count'])
  }
  assert.deepEqual(port.failures, [])
})

test('a deployment settles when it has the nodes that it wants', async () => {
  await using port = await startContractPort()
  const { path } = await running(port, 2)
  const set = (status: string, wanted: number) =>
    port.database.postgres.query('UPDATE deployments SET status = $1, target_node_count = $2', [
      status,
      wanted,
    ])
  const settled = async () => {
    await settle(port)
    return (await port.send('GET', path)).body['status']
  }
  await set('launching', 2)
  assert.equal(await settled(), 'active')
  await set('scaling', 3)
  assert.equal(await settled(), 'scaling')
  await set('scaling', 2)
  assert.equal(await settled(), 'active')
  await set('failed', 3)
  assert.equal(await settled(), 'failed')
})

test('a deployment that is deleted drains its nodes and ends with the last, and so long its model is in use', async () => {
  await using port = await startContractPort()
  const { path, modelPath, names } = await running(port, 2)
  const inUse = async () => refusal(await port.send('DELETE', modelPath)).slice(0, 2)
  const deleted = await port.send('DELETE', path)
  assert.deepEqual([deleted.status, deleted.body['status']], [200, 'draining'])
  assert.equal(await statuses(port, names), 'terminating,terminating')
  assert.equal((await port.send('DELETE', path)).body['status'], 'draining')
  for (const [method, rest, body] of [
    ['PATCH', '', { disk_size_gb: 200 }],
    ['PUT', '/scale', { target_node_count: 0 }],
  ] as const) {
    const refused = await port.send(method, path + rest, body)
    assert.deepEqual(refusal(refused), [409, 'invalid_state', null])
  }
  await port.send('POST', `/admin/nodes/${names[0]}/terminate`, { force: true })
  await reconcile(port)
  assert.equal((await port.send('GET', path)).body['status'], 'draining')
  assert.deepEqual(await inUse(), [409, 'in_use'])
  await settle(port)
  assert.equal((await port.send('GET', path)).body['status'], 'terminated')
  assert.equal((await port.send('DELETE', path)).body['status'], 'terminated')
  assert.equal((await port.send('DELETE', modelPath)).status, 200)
  assert.equal((await port.send('GET', path)).body['status'], 'terminated')
})

test('a model with a paused deployment cannot be deleted, and says which it is', async () => {
  await using port = await startContractPort()
  const { path, modelPath } = await running(port, 0)
  const refused = await port.send('DELETE', modelPath)
  assert.deepEqual(refusal(refused).slice(0, 2), [409, 'in_use'])
  assert.ok(refused.body['error']?.['message']?.includes(path.split('/').at(-1) ?? '-'))
  const unknown = `/admin/deployments/${crypto.randomUUID()}`
  for (const [method, rest, body] of [
    ['GET', '', undefined],
    ['PATCH', '', { disk_size_gb: 200 }],
    ['PUT', '/scale', { target_node_count: 0 }],
    ['DELETE', '', undefined],
  ] as const) {
    assert.deepEqual(refusal(await port.send(method, unknown + rest, body)), [404, 'not_found', 'id'])
  }
})

test('deployments of a model that is deleted at the same time are made before or not at all', async () => {
  await using port = await startContractPort()
  for (let round = 0; round < 8; round++) {
    const model = await port.send('POST', '/admin/models', modelBody())
    const body = deploymentBody(model.body['name'], { load_balancing_strategy: 'weighted' })
    const [one, deleted, other] = await Promise.all([
      port.send('POST', '/admin/deployments', body),
      port.send('DELETE', `/admin/models/${model.body['id']}`),
      port.send('POST', '/admin/deployments', body),
    ])
    const made = [one, other].filter(({ status }) => status === 202).length
    assert.equal(deleted.status, made > 0 ? 409 : 200)
  }
  assert.deepEqual(port.failures, [])
})
