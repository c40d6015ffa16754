import assert from 'node:assert/strict'
import { test } from 'node:test'
import { uuidv7 } from 'uuidv7'
import { z } from 'zod'
import { instanceTypeBody, regionBody } from '../../support/calls/catalogue.js'
import { modelBody, nodeBody, refusal, startContractPort } from '../../support/contract-port.js'

const Rows = z.object({
  data: z.array(z.record(z.string(), z.unknown())),
  pagination: z.object({ total: z.number() }),
})

test('the catalogue is seeded with the regions and GPU instance types of the known providers', async () => {
  await using port = await startContractPort()
  const rows = async (path: string) => Rows.parse((await port.send('GET', path)).body)
  for (const provider of ['aws', 'azure', 'gcp', 'lambda', 'local']) {
    const { data } = await rows(`/admin/regions?provider=${provider}`)
    assert.ok(data.length >= (provider === 'local' ? 1 : 10), provider)
    const types = await rows(`/admin/instance-types?provider=${provider}`)
    for (const type of types.data) {
      const { name, gpu_model, gpu_count, gpu_memory_gb, price_per_hour, price_as_of } = type
      if (provider === 'local') continue
      assert.ok(
        typeof gpu_model === 'string' && Number(gpu_count) > 0 && Number(gpu_memory_gb) > 0,
        String(name),
      )
      assert.ok(Number(price_per_hour) > 0 && typeof price_as_of === 'string', String(name))
    }
    assert.ok(types.data.length >= (provider === 'local' ? 1 : 5), provider)
  }
  const [p5] = (await rows('/admin/instance-types?search=p5.48')).data
  assert.equal(p5?.['gpu_model'], 'H100')
  assert.equal(p5['price_per_hour'], 98.32)
  const large = await rows('/admin/instance-types?gpu_model=h100&min_gpu_memory_gb=640&max_price_per_hour=50')
  assert.deepEqual(
    large.data.map(({ name }) => name),
    ['gpu_8x_h100_sxm5'],
  )
})

test('a price in a region is the list price times its multiplier, in whole micro-dollars', async () => {
  await using port = await startContractPort()
  const region = await port.send('POST', '/admin/regions', regionBody({ price_multiplier: 1.1 }))
  const type = await port.send(
    'POST',
    '/admin/instance-types',
    instanceTypeBody({ price_per_hour: 0.333333, price_as_of: '2026-02-28' }),
  )
  const pricing = await port.send('GET', `/admin/instance-types/${type.body['id']}/pricing`)
  assert.deepEqual(pricing.body['data'], [
    {
      region_id: region.body['id'],
      region: region.body['code'],
      price_multiplier: 1.1,
      price_per_hour: 0.366666,
      price_spot_per_hour: null,
    },
  ])
  const there = await port.send('GET', `/admin/regions/${region.body['id']}/availability`)
  assert.equal(there.body['instance_types']?.[0]?.['price_per_hour'], 0.366666)
  assert.equal(there.body['instance_types']?.[0]?.['price_as_of'], '2026-02-28')
})

test('what is used stays under its name and is not deleted; a second delete is a 404', async () => {
  await using port = await startContractPort()
  const region = (await port.send('POST', '/admin/regions', regionBody())).body
  const type = (await port.send('POST', '/admin/instance-types', instanceTypeBody())).body
  const model = (await port.send('POST', '/admin/models', modelBody())).body
  const node = nodeBody(model['name'], { provider: 'acme', region: region['code'] })
  assert.equal((await port.send('POST', '/admin/nodes', node)).status, 201)
  const deployment = uuidv7()
  await port.database.postgres.query(
    `INSERT INTO deployments (id, model_id, provider, region_id, instance_type_id, target_node_count, status)
     VALUES ($1, $2, 'acme', $3, $4, 0, 'paused')`,
    [deployment, model['id'], region['id'], type['id']],
  )
  const paths = [`/admin/regions/${region['id']}`, `/admin/instance-types/${type['id']}`]
  for (const path of paths) {
    const refused = await port.send('DELETE', path)
    assert.deepEqual(refusal(refused), [409, 'in_use', null])
    assert.match(String(refused.body['error']?.['message']), new RegExp(deployment))
    assert.deepEqual(refusal(await port.send('PATCH', path, { provider: 'other' })), [409, 'in_use', null])
    assert.equal((await port.send('GET', path)).body['provider'], 'acme')
  }
  const there = await port.send('GET', `${paths[0]}/availability`)
  assert.equal(there.body['nodes']?.[0]?.['cluster_name'], node['cluster_name'])
  assert.equal(there.body['deployments']?.[0]?.['id'], deployment)

  await port.send('POST', `/admin/nodes/${String(node['cluster_name'])}/terminate`, { force: true })
  await port.database.postgres.query("UPDATE deployments SET status = 'terminated'")
  for (const path of paths) {
    assert.equal((await port.send('DELETE', path)).status, 200)
    assert.deepEqual(refusal(await port.send('DELETE', path)), [404, 'not_found', 'id'])
  }
  assert.deepEqual(port.failures, [])
})

test('a code or name is taken once for each provider', async () => {
  await using port = await startContractPort()
  const code = 'eu-1'
  const made = (provider: string) => port.send('POST', '/admin/regions', regionBody({ provider, code }))
  assert.equal((await made('acme')).status, 201)
  assert.equal((await made('other')).status, 201)
  assert.deepEqual(refusal(await made('acme')), [409, 'already_exists', 'code'])
  const other = await port.send('POST', '/admin/regions', regionBody())
  const renamed = await port.send('PATCH', `/admin/regions/${other.body['id']}`, { code })
  assert.deepEqual(refusal(renamed), [409, 'already_exists', 'code'])
  const type = instanceTypeBody()
  assert.equal((await port.send('POST', '/admin/instance-types', type)).status, 201)
  const again = await port.send('POST', '/admin/instance-types', type)
  assert.deepEqual(refusal(again), [409, 'already_exists', 'name'])
})
