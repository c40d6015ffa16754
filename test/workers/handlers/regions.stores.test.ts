import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { packageRoot } from '../../../src/io/package-root.js'
import {
  type ContractPort,
  instanceTypeBody,
  type JsonReply,
  modelBody,
  nodeBody,
  refusal,
  regionBody,
  startContractPort,
} from '../../support/contract-port.js'

/** Status, code and param of a refusal. */

const namesOf = ({ body }: JsonReply, field: string) =>
  (body as unknown as { data: Record<string, string>[] }).data.map((row) => row[field]).join()

/** A model with a deployment in a region on an instance type; there is no way to make one but SQL. */
async function deployment(port: ContractPort, regionId: unknown, instanceTypeId: unknown, status = 'active') {
  const model = await port.send('POST', '/admin/models', modelBody())
  await port.database.postgres.query(
    `INSERT INTO deployments (id, model_id, provider, region_id, instance_type_id, target_node_count, status)
     VALUES (gen_random_uuid(), $1, 'acme-cloud', $2, $3, 2, $4)`,
    [model.body['id'], regionId, instanceTypeId, status],
  )
}

test('a region and an instance type come back as they were sent, with what was left out filled in', async () => {
  await using port = await startContractPort()
  const region = await port.send('POST', '/admin/regions', regionBody({ code: 'north-1' }))
  assert.equal(region.status, 201)
  const { id, created_at, updated_at, ...rest }: Record<string, unknown> = region.body
  assert.ok(id && created_at && updated_at)
  assert.deepEqual(rest, { provider: 'acme-cloud', code: 'north-1', name: 'Somewhere', price_multiplier: 1 })

  const sent = instanceTypeBody({ name: 'gpu.big', regions: ['north-1'], price_spot_per_hour: 0.000001 })
  const type = await port.send('POST', '/admin/instance-types', sent)
  assert.equal(type.status, 201)
  const { id: typeId, created_at: made, updated_at: changed, ...fields }: Record<string, unknown> = type.body
  assert.ok(typeId && made && changed)
  assert.deepEqual(fields, { ...sent, price_as_of: null })
  const path = `/admin/instance-types/${type.body['id']}`
  const patched = await port.send('PATCH', path, { price_as_of: '2024-02-29', price_spot_per_hour: null })
  assert.deepEqual((await port.send('GET', path)).body, patched.body)
  assert.deepEqual([patched.body['price_as_of'], patched.body['price_spot_per_hour']], ['2024-02-29', null])
})

test('one provider has a code and a name once', async () => {
  await using port = await startContractPort()
  await port.send('POST', '/admin/regions', regionBody({ code: 'r' }))
  const other = await port.send('POST', '/admin/regions', regionBody({ code: 's' }))
  const twin = await port.send('POST', '/admin/regions', regionBody({ code: 'r' }))
  assert.deepEqual(refusal(twin), [409, 'already_exists', 'code'])
  const renamed = await port.send('PATCH', `/admin/regions/${other.body['id']}`, { code: 'r' })
  assert.deepEqual(refusal(renamed), [409, 'already_exists', 'code'])
  assert.equal(
    (await port.send('POST', '/admin/regions', regionBody({ code: 'r', provider: 'b' }))).status,
    201,
  )

  await port.send('POST', '/admin/instance-types', instanceTypeBody({ name: 't' }))
  const type = await port.send('POST', '/admin/instance-types', instanceTypeBody({ name: 't' }))
  assert.deepEqual(refusal(type), [409, 'already_exists', 'name'])
})

test('an instance type has a whole GPU or none, and regions that there are', async () => {
  await using port = await startContractPort()
  const cases: [object, (string | number)[]][] = [
    [{ gpu_model: null }, [400, 'invalid_parameter', 'gpu_model']],
    [{ gpu_memory_gb: null }, [400, 'invalid_parameter', 'gpu_memory_gb']],
    [{ gpu_count: 0 }, [400, 'invalid_parameter', 'gpu_model']],
    [{ gpu_count: 0, gpu_model: null }, [400, 'invalid_parameter', 'gpu_memory_gb']],
    [{ regions: ['nowhere'] }, [404, 'not_found', 'regions[0]']],
    [{ regions: [] }, [400, 'invalid_parameter', 'regions']],
    [{ price_as_of: '2025-02-30' }, [400, 'invalid_parameter', 'price_as_of']],
    [{ price_as_of: '0000-01-01' }, [400, 'invalid_parameter', 'price_as_of']],
    [{ price_on_demand_per_hour: 0.0000001 }, [400, 'invalid_parameter', 'price_on_demand_per_hour']],
  ]
  const type = await port.send('POST', '/admin/instance-types', instanceTypeBody())
  for (const [changes, expected] of cases) {
    const created = await port.send('POST', '/admin/instance-types', instanceTypeBody(changes))
    assert.deepEqual(refusal(created), expected, JSON.stringify(changes))
    const changed = await port.send('PATCH', `/admin/instance-types/${type.body['id']}`, changes)
    assert.deepEqual(refusal(changed), expected, JSON.stringify(changes))
  }
  const none = instanceTypeBody({ gpu_count: 0, gpu_model: null, gpu_memory_gb: null })
  assert.equal((await port.send('POST', '/admin/instance-types', none)).status, 201)
  assert.deepEqual(port.failures, [])
})

test('instance types and regions are found by every filter', async () => {
  await using port = await startContractPort()
  for (const code of ['north', 'south']) await port.send('POST', '/admin/regions', regionBody({ code }))
  const small = { name: 'small', gpu_model: 'T4', gpu_memory_gb: 16, vcpus: 4, memory_gb: 16 }
  await port.send(
    'POST',
    '/admin/instance-types',
    instanceTypeBody({ ...small, price_on_demand_per_hour: 0.5 }),
  )
  await port.send(
    'POST',
    '/admin/instance-types',
    instanceTypeBody({ name: 'big', gpu_count: 8, regions: ['north'] }),
  )
  const types = async (query: string) =>
    namesOf(await port.send('GET', `/admin/instance-types?provider=acme-cloud&sort=name&${query}`), 'name')
  assert.equal(await types(''), 'big,small')
  assert.equal(await types('gpu_model=t4'), 'small')
  assert.equal(await types('min_gpu_count=8'), 'big')
  assert.equal(await types('min_gpu_memory=17'), 'big')
  assert.equal(await types('min_vcpus=5'), 'big')
  assert.equal(await types('min_memory=16.5'), 'big')
  assert.equal(await types('max_price_per_hour=0.5'), 'small')
  assert.equal(await types('region=north'), 'big,small')
  assert.equal(await types('region=south'), 'small')
  assert.equal(await types('region=nowhere'), '')
  assert.equal(await types('search=h10'), 'big')
  assert.equal(await types('search=SMA'), 'small')
  const regions = async (query: string) => namesOf(await port.send('GET', `/admin/regions?${query}`), 'code')
  assert.equal(await regions('provider=acme-cloud&sort=code'), 'north,south')
  assert.equal(await regions('provider=acme-cloud&search=NOR'), 'north')
  assert.equal(await regions('search=frankfurt&sort=code'), 'eu-central-1,europe-west3')
})

test('prices of a region are its multiple of the list prices, in every place that shows them', async () => {
  await using port = await startContractPort()
  const codes = ['a', 'b', 'c']
  const regions = await Promise.all(
    codes.map((code, index) =>
      port.send('POST', '/admin/regions', regionBody({ code, price_multiplier: 1 + index / 3 })),
    ),
  )
  const prices = { price_on_demand_per_hour: 21.957642, price_spot_per_hour: null, price_as_of: '2025-06-01' }
  const type = await port.send(
    'POST',
    '/admin/instance-types',
    instanceTypeBody({ ...prices, regions: ['a', 'b'] }),
  )
  const { body } = await port.send('GET', `/admin/instance-types/${type.body['id']}/pricing`)
  assert.equal(body['price_as_of'], '2025-06-01')
  const shown = body['data'] as unknown as { region: string; price_on_demand_per_hour: number }[]
  assert.deepEqual(
    shown.map((row) => [row.region, row.price_on_demand_per_hour]),
    [
      ['a', 21.957642],
      ['b', 29.276856],
    ],
  )
  const there = await port.send('GET', `/admin/regions/${regions[1]?.body['id']}/availability`)
  assert.equal(there.body['instance_types']?.[0]?.['price_on_demand_per_hour'], 29.276856)
  const elsewhere = await port.send('GET', `/admin/regions/${regions[2]?.body['id']}/availability`)
  assert.deepEqual(elsewhere.body['instance_types'], [])
})

test('availability shows what runs in a region', async () => {
  await using port = await startContractPort()
  const region = await port.send('POST', '/admin/regions', regionBody({ code: 'north' }))
  const type = await port.send('POST', '/admin/instance-types', instanceTypeBody({ name: 'big' }))
  await deployment(port, region.body['id'], type.body['id'])
  await deployment(port, region.body['id'], type.body['id'], 'terminated')
  await port.send('POST', '/admin/models', modelBody({ name: 'm' }))
  const place = { provider: 'acme-cloud', region: 'north' }
  await port.send('POST', '/admin/nodes', nodeBody('m', { ...place, cluster_name: 'here' }))
  await port.send('POST', '/admin/nodes', nodeBody('m', { ...place, cluster_name: 'over' }))
  await port.send('POST', '/admin/nodes/over/terminate', { force: true })
  await port.send('POST', '/admin/nodes', nodeBody('m', { ...place, region: 'south' }))
  const { body } = await port.send('GET', `/admin/regions/${region.body['id']}/availability`)
  const nodes = body['nodes'] as unknown as { cluster_name: string }[]
  const deployments = body['deployments'] as unknown as { instance_type: string; target_node_count: number }[]
  assert.deepEqual(
    nodes.map((node) => node.cluster_name),
    ['here'],
  )
  assert.deepEqual(
    deployments.map((row) => [row.instance_type, row.target_node_count]),
    [['big', 2]],
  )
})

test('what is in use is neither removed nor renamed, and what is over does not count', async () => {
  await using port = await startContractPort()
  const { postgres } = port.database
  const region = await port.send('POST', '/admin/regions', regionBody({ code: 'north' }))
  const type = await port.send(
    'POST',
    '/admin/instance-types',
    instanceTypeBody({ name: 'big', regions: ['north'] }),
  )
  await deployment(port, region.body['id'], type.body['id'])
  await port.send('POST', '/admin/models', modelBody({ name: 'm' }))
  const body = nodeBody('m', { cluster_name: 'n', provider: 'acme-cloud', region: 'north' })
  await port.send('POST', '/admin/nodes', body)
  await postgres.query('UPDATE nodes SET instance_type_id = $1', [type.body['id']])
  const regionPath = `/admin/regions/${region.body['id']}`
  const typePath = `/admin/instance-types/${type.body['id']}`

  const users = async (method: string, path: string, change?: object) => {
    const { status, body: reply } = await port.send(method, path, change)
    assert.deepEqual([status, reply['error']?.['code']], [409, 'in_use'])
    return reply['error']?.['message'] ?? ''
  }
  const uses = [/node 'n'/, /deployment '/]
  for (const use of [...uses, /instance type 'big'/]) assert.match(await users('DELETE', regionPath), use)
  await users('PATCH', regionPath, { code: 'south' })
  for (const use of uses) assert.match(await users('DELETE', typePath), use)
  await users('PATCH', typePath, { name: 'small' })
  assert.equal((await port.send('PATCH', regionPath, { name: 'Other', price_multiplier: 2 })).status, 200)
  assert.equal((await port.send('PATCH', typePath, { regions: null, vcpus: 3 })).status, 200)

  await port.send('POST', '/admin/nodes/n/terminate', { force: true })
  await postgres.query("UPDATE deployments SET status = 'terminated'")
  for (const path of [regionPath, typePath]) {
    assert.equal((await port.send('DELETE', path)).status, 200)
    assert.deepEqual(refusal(await port.send('DELETE', path)), [404, 'not_found', 'id'])
    assert.equal((await port.send('GET', path)).status, 404)
  }
  assert.deepEqual(port.failures, [])
})

test('a region that is removed while an instance type begins to name it leaves none that names it', async () => {
  await using port = await startContractPort()
  for (let round = 0; round < 15; round++) {
    const code = `r-${round}`
    const { body } = await port.send('POST', '/admin/regions', regionBody({ code }))
    const [removed, named] = await Promise.all([
      port.send('DELETE', `/admin/regions/${body['id']}`),
      port.send('POST', '/admin/instance-types', instanceTypeBody({ regions: [code] })),
    ])
    assert.ok(
      (removed.status === 200 && named.status === 404) || (removed.status === 409 && named.status === 201),
      `${removed.status} ${named.status}`,
    )
  }
  assert.deepEqual(port.failures, [])
})

test('the catalogue is seeded, and seeding it again changes nothing that was changed', async () => {
  await using port = await startContractPort()
  const { postgres } = port.database
  const { rows } = await postgres.query<{ provider: string; regions: string; types: string }>(
    `SELECT provider, count(DISTINCT code) AS regions, count(DISTINCT t.name) AS types
     FROM regions JOIN instance_types t USING (provider) GROUP BY provider ORDER BY provider`,
  )
  assert.deepEqual(
    rows.map(({ provider }) => provider),
    ['aws', 'azure', 'gcp', 'lambda', 'local'],
  )
  for (const { provider, regions, types } of rows) {
    if (provider !== 'local') assert.ok(Number(regions) >= 15 && Number(types) >= 15, provider)
  }
  const undated = await postgres.query(
    `SELECT FROM instance_types
     WHERE provider <> 'local' AND (price_as_of IS NULL) <> (price_on_demand_micros IS NULL)`,
  )
  assert.equal(undated.rowCount, 0)

  const found = await port.send('GET', '/admin/regions?search=eu-west-1')
  const path = `/admin/regions/${found.body['data']?.[0]?.['id']}`
  assert.equal((await port.send('PATCH', path, { price_multiplier: 7, name: 'Ours' })).status, 200)
  const state = async (): Promise<unknown> => (await postgres.query('SELECT * FROM regions ORDER BY id')).rows
  const before = await state()
  const migrations = join(packageRoot, 'sql/postgres/migrations')
  const seed = (await readdir(migrations)).find((file) => file.endsWith('-catalogue-prices.sql'))
  assert.ok(seed)
  await postgres.query(await readFile(join(migrations, seed), 'utf8'))
  assert.deepEqual(await state(), before)
})
