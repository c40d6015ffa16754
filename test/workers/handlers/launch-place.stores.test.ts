import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type ContractPort,
  deploymentBody,
  instanceTypeBody,
  modelBody,
  refusal,
  startContractPort,
} from '../../support/contract-port.js'

/** Places that no machine of the seeded catalogue can have for a model of 24 GB, with status, code and field. */
const WRONG = [
  [{ provider: 'nowhere' }, 404, 'not_found', 'provider'],
  [{ region: 'mars' }, 404, 'not_found', 'region'],
  [{ instance_type: 'huge' }, 404, 'not_found', 'instance_type'],
  [{ gpu_type: 'Z9' }, 404, 'not_found', 'gpu_type'],
  [{ provider: 'skypilot', gpu_type: 'Z9' }, 404, 'not_found', 'gpu_type'],
  [{ instance_type: 'g5.xlarge', gpu_type: 'H100' }, 400, 'invalid_parameter', 'gpu_type'],
  [{ instance_type: 'rare', region: 'eu-west-1' }, 400, 'invalid_parameter', 'region'],
  [{ gpu_type: 'RareGPU', region: 'eu-west-1' }, 400, 'invalid_parameter', 'region'],
  [{ instance_type: 'plain' }, 400, 'invalid_parameter', 'instance_type'],
  [{ instance_type: 'plain', engine: 'sglang' }, 400, 'invalid_parameter', 'instance_type'],
  [{ instance_type: 'g4dn.xlarge' }, 400, 'invalid_parameter', 'instance_type'],
  [{ provider: 'lambda', gpu_type: 'Small' }, 400, 'invalid_parameter', 'gpu_type'],
  [{ provider: 'local', use_spot: true }, 400, 'invalid_parameter', 'use_spot'],
] as const

/** More rows of the catalogue, and a model. */
async function prepared(port: ContractPort): Promise<void> {
  const types = [
    { provider: 'aws', name: 'rare', gpu_model: 'RareGPU', regions: ['us-east-1'] },
    { provider: 'aws', name: 'plain', gpu_model: null, gpu_count: 0, gpu_memory_gb: null },
    { provider: 'lambda', name: 'small', gpu_model: 'Small', gpu_memory_gb: 12 },
  ]
  for (const type of types) {
    const { status } = await port.send('POST', '/admin/instance-types', instanceTypeBody(type))
    assert.equal(status, 201)
  }
  await port.send('POST', '/admin/models', modelBody({ name: 'm', vram_required_gb: 24 }))
}

test('a launch and a new deployment refuse a place that the catalogue does not have, by its field', async () => {
  await using port = await startContractPort()
  await prepared(port)
  for (const [changes, ...expected] of WRONG) {
    const place = { provider: 'aws', ...changes }
    const launched = await port.send('POST', '/admin/nodes/launch', { model_name: 'm', ...place })
    assert.deepEqual(refusal(launched), expected, `launch ${JSON.stringify(changes)}`)
    const created = await port.send('POST', '/admin/deployments', deploymentBody('m', place))
    assert.deepEqual(refusal(created), expected, `deployment ${JSON.stringify(changes)}`)
  }
  const { rows } = await port.database.postgres.query('SELECT FROM deployments UNION ALL SELECT FROM nodes')
  assert.equal(rows.length, 0)
  assert.deepEqual(port.failures, [])
})

test('a change of a deployment is held against its other fields, and one of others is not', async () => {
  await using port = await startContractPort()
  await prepared(port)
  const created = await port.send('POST', '/admin/deployments', deploymentBody('m', { provider: 'aws' }))
  const path = `/admin/deployments/${created.body['id']}`
  for (const [{ ...changes }, ...expected] of WRONG) {
    if ('provider' in changes) continue
    assert.deepEqual(refusal(await port.send('PATCH', path, changes)), expected, JSON.stringify(changes))
  }
  const set = await port.send('PATCH', path, { region: 'us-east-1', instance_type: 'rare' })
  assert.deepEqual([set.status, set.body['region'], set.body['instance_type']], [200, 'us-east-1', 'rare'])
  const moved = await port.send('PATCH', path, { region: 'eu-west-1' })
  assert.deepEqual(refusal(moved), [400, 'invalid_parameter', 'region'])

  // The model has grown since: what does not touch the machine can be set all the same.
  await port.database.postgres.query("UPDATE models SET vram_required_gb = 1000 WHERE name = 'm'")
  assert.equal((await port.send('PATCH', path, { disk_size_gb: 500 })).status, 200)
  const grown = await port.send('PATCH', path, { engine: 'sglang' })
  assert.deepEqual(refusal(grown), [400, 'invalid_parameter', 'instance_type'])
  assert.match(grown.body['error']?.['message'] ?? '', /1000 GB.* 80 GB/)
})

test('a model that no machine of a cloud holds is refused by its name, with both figures', async () => {
  await using port = await startContractPort()
  await port.send('POST', '/admin/models', modelBody({ name: 'giant', vram_required_gb: 5000 }))
  const refused = await port.send('POST', '/admin/deployments', deploymentBody('giant', { provider: 'gcp' }))
  assert.deepEqual(refusal(refused), [400, 'invalid_parameter', 'model_name'])
  assert.match(refused.body['error']?.['message'] ?? '', /5000 GB.* 1440 GB/)
})

test('a deployment anywhere keeps the names that it was given, and is not bound to what it is first placed at', async () => {
  await using port = await startContractPort()
  await port.send('POST', '/admin/models', modelBody({ name: 'm' }))
  const create = async (changes: object) => {
    const { status, body } = await port.send('POST', '/admin/deployments', deploymentBody('m', changes))
    assert.equal(status, 202, JSON.stringify(body))
    return [body['provider'], body['region'], body['instance_type'], body['gpu_type']]
  }
  assert.deepEqual(await create({ provider: 'skypilot' }), ['skypilot', null, null, null])
  assert.deepEqual(await create({ provider: 'skypilot', region: 'us-central1', gpu_type: 'L4' }), [
    'skypilot',
    'us-central1',
    null,
    'L4',
  ])
  assert.deepEqual(await create({ provider: 'aws', gpu_type: 'L4' }), ['aws', null, null, 'L4'])
})
