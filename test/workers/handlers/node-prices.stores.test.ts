import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listInstanceTypes } from '../../../src/core/contract/instance-types.js'
import { type ContractPort, modelBody, nodeBody, startContractPort } from '../../support/contract-port.js'
import { insertCostingNode } from '../../support/costing-node.js'

/** The prices that a node has had, the first one first. */
async function pricesOf(port: ContractPort, nodeId: string) {
  const { rows } = await port.database.postgres.query<{ micros: string | null; source: string }>(
    `SELECT price_per_hour_micros AS micros, source FROM node_prices WHERE node_id = $1 ORDER BY from_at`,
    [nodeId],
  )
  return rows.map(({ micros, source }) => `${micros ?? 'none'} ${source}`)
}

async function typeOf(port: ContractPort, name: string): Promise<string> {
  const { body } = await port.send('GET', `/admin/instance-types?provider=aws&search=${name}`)
  return listInstanceTypes.reply[200].parse(body).data.find((row) => row.name === name)?.id ?? ''
}

test('a registered node has the price that its operator says', async () => {
  await using port = await startContractPort()
  const model = await port.send('POST', '/admin/models', modelBody())
  const register = async (changes: object) => {
    const { body } = await port.send('POST', '/admin/nodes', nodeBody(model.body['name'], changes))
    return pricesOf(port, body['id'] ?? '')
  }
  assert.deepEqual(await register({ price_per_hour: 3.67 }), ['3670000 operator'])
  assert.deepEqual(await register({}), [])
})

test('launched nodes follow the prices of the catalogue, others and those that are gone do not', async () => {
  await using port = await startContractPort()
  const { postgres } = port.database
  const model = await port.send('POST', '/admin/models', modelBody())
  const instanceTypeId = await typeOf(port, 'g5.xlarge')
  const hourAgo = new Date(Date.now() - 3_600_000)
  const common = {
    modelId: model.body['id'] ?? '',
    instanceTypeId,
    launcher: 'skypilot',
    priceMicros: 1_006_000,
    since: hourAgo,
  } as const
  const here = await insertCostingNode(postgres, { ...common, region: 'us-east-1' })
  const anywhere = await insertCostingNode(postgres, {
    ...common,
    machine: { market: 'on_demand', regions: ['eu-west-1', 'eu-central-1'] },
  })
  const spot = await insertCostingNode(postgres, {
    ...common,
    region: 'us-east-1',
    machine: { market: 'spot', regions: ['us-east-1'] },
    priceMicros: null,
  })
  const gone = await insertCostingNode(postgres, { ...common, region: 'us-east-1', until: new Date() })
  const byHand = await insertCostingNode(postgres, { ...common, region: 'us-east-1', launcher: 'static' })
  const other = await insertCostingNode(postgres, {
    ...common,
    region: 'us-east-1',
    instanceTypeId: await typeOf(port, 'g6.xlarge'),
  })
  const all = async () =>
    Promise.all([here, anywhere, spot, gone, byHand, other].map(({ id }) => pricesOf(port, id)))
  const before = ['1006000 catalogue']

  const path = `/admin/instance-types/${instanceTypeId}`
  assert.equal((await port.send('PATCH', path, { price_on_demand_per_hour: 2 })).status, 200)
  assert.deepEqual(await all(), [
    [...before, '2000000 catalogue'],
    // In the preferred of its regions, whose multiplier is 1.11.
    [...before, '2220000 catalogue'],
    [],
    before,
    ['1006000 operator'],
    before,
  ])
  const shown = await port.send('GET', `/admin/nodes/${here.name}`)
  assert.equal(Number(shown.body['price_per_hour']), 2)
  const log = await port.send('GET', `/admin/nodes/${here.name}/logs`)
  const last = log.body['data']?.[0]
  assert.deepEqual(
    [last?.['event'], last?.['actor'], last?.['message']],
    ['changed', 'catalogue', 'price_per_hour 1.006 → 2'],
  )

  // The same price again is none; a spot price is for spot machines; none that is known any more is a price too.
  assert.equal((await port.send('PATCH', path, { vcpus: 8 })).status, 200)
  assert.equal((await port.send('PATCH', path, { price_spot_per_hour: 0.4 })).status, 200)
  assert.deepEqual(await pricesOf(port, here.id), [...before, '2000000 catalogue'])
  assert.deepEqual(await pricesOf(port, spot.id), ['400000 catalogue'])
  assert.equal((await port.send('PATCH', path, { price_spot_per_hour: null })).status, 200)
  assert.deepEqual(await pricesOf(port, spot.id), ['400000 catalogue', 'none catalogue'])

  const regions = await port.send('GET', '/admin/regions?provider=aws&search=us-east-1')
  const region = `/admin/regions/${regions.body['data']?.[0]?.['id']}`
  assert.equal((await port.send('PATCH', region, { price_multiplier: 1.5 })).status, 200)
  assert.deepEqual(await pricesOf(port, here.id), [...before, '2000000 catalogue', '3000000 catalogue'])
  assert.deepEqual(await pricesOf(port, anywhere.id), [...before, '2220000 catalogue'])
})

test('an import of the configuration changes prices of launched nodes as well', async () => {
  await using port = await startContractPort()
  const model = await port.send('POST', '/admin/models', modelBody())
  const node = await insertCostingNode(port.database.postgres, {
    modelId: model.body['id'] ?? '',
    instanceTypeId: await typeOf(port, 'g5.xlarge'),
    region: 'us-east-1',
    launcher: 'skypilot',
    priceMicros: 1_006_000,
    since: new Date(Date.now() - 3_600_000),
  })
  const document = `version: 1
instance_types:
  - { provider: aws, name: g5.xlarge, price_on_demand_per_hour: 1.234567 }
`
  const imported = await port.send('POST', '/admin/config/import', document, {
    'content-type': 'application/yaml',
  })
  assert.equal(imported.status, 200, JSON.stringify(imported.body))
  assert.deepEqual(await pricesOf(port, node.id), ['1006000 catalogue', '1234567 catalogue'])
})
