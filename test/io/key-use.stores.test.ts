import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readVersion } from '../../src/io/changes.js'
import { writeKeyUse } from '../../src/io/key-use.js'
import { startContractPort, tenantBody } from '../support/contract-port.js'

test('a use is written once a minute, never back in time nor into the future, and makes nothing stale', async () => {
  await using port = await startContractPort()
  const { app } = port.database
  const { body } = await port.send('POST', '/admin/tenants', tenantBody())
  const list = `/admin/tenants/${body['tenant']?.['id']}/api-keys`
  const keyId = (await port.send('GET', list)).body['data']?.[0]?.['id'] ?? ''
  const { headers } = await port.send('GET', `${list}/${keyId}`)
  const version = await readVersion(app)
  const lastUsed = async () => {
    const reply = await port.send('GET', `${list}/${keyId}`)
    assert.equal(reply.headers.get('etag'), headers.get('etag'))
    return Date.parse(reply.body['last_used_at'] ?? '')
  }
  const now = Date.now()
  const use = (at: number) => writeKeyUse(app, [{ keyId, at: new Date(at) }])
  await use(now - 600_000)
  assert.equal(await lastUsed(), now - 600_000)
  await use(now - 541_000)
  assert.equal(await lastUsed(), now - 600_000)
  await use(now - 300_000)
  await use(now - 500_000)
  assert.equal(await lastUsed(), now - 300_000)
  await use(now + 3_600_000)
  assert.ok(Math.abs((await lastUsed()) - now) < 10_000)
  assert.equal(await readVersion(app), version)
})

test('proxies that write about the same keys in any order do not get in each other’s way', async () => {
  await using port = await startContractPort()
  const { app } = port.database
  const { body } = await port.send('POST', '/admin/tenants', tenantBody())
  const path = `/admin/tenants/${body['tenant']?.['id']}/api-keys`
  const ids: string[] = []
  for (let at = 0; at < 40; at++) ids.push((await port.send('POST', path, { name: 'k' })).body['id'] ?? '')
  const from = Date.now() - 3_600_000
  const writers = Array.from({ length: 8 }, async (_, writer) => {
    for (let round = 0; round < 10; round++) {
      const order = (writer + round) % 2 === 0 ? ids : ids.toReversed()
      await writeKeyUse(
        app,
        order.map((keyId) => ({ keyId, at: new Date(from + 61_000 * (round + writer)) })),
      )
    }
  })
  await Promise.all(writers)
  const { rows } = await app.query<{ at: Date }>(
    'SELECT DISTINCT last_used_at AS at FROM api_keys WHERE id = ANY ($1::uuid[])',
    [ids],
  )
  assert.deepEqual(
    rows.map(({ at }) => at.getTime()),
    [from + 61_000 * 16],
  )
})
