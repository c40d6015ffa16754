import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apiKeyDigest, isWellFormedApiKey } from '../../../src/core/api-key.js'
import { modelBody, startContractPort, tenantBody } from '../../support/contract-port.js'
import { findKey } from '../../support/find-key.js'

test('creating a tenant gives it a production environment and a first admin key, shown once', async () => {
  await using port = await startContractPort()
  const created = await port.send('POST', '/admin/tenants', tenantBody({ tier: 'starter' }))
  assert.equal(created.status, 201)
  assert.match(created.headers.get('x-request-id') ?? '', /^[0-9a-f-]{36}$/)
  const { tenant, api_key } = created.body
  assert.ok(tenant && api_key)
  assert.equal(tenant['tier'], 'starter')
  assert.equal(tenant['status'], 'active')
  const key: string = api_key
  assert.ok(key.startsWith('clsk_live_') && isWellFormedApiKey(key))

  const resolved = await findKey(port.database.postgres, apiKeyDigest(key))
  assert.equal(resolved?.tenantId, tenant['id'])
  assert.equal(resolved?.role, 'admin')
  assert.equal(resolved?.allowedModels, null)

  const environments = await port.send('GET', `/admin/tenants/${tenant['id']}/environments`)
  assert.deepEqual(environments.body['data']?.[0]?.['name'], 'production')
  const keys = await port.send('GET', `/admin/tenants/${tenant['id']}/api-keys`)
  assert.equal(keys.body['data']?.[0]?.['prefix'], key.slice(0, 16))
  assert.ok(!JSON.stringify(keys.body).includes(key))
})

test('tenants are listed newest first, by page and by filter', async () => {
  await using port = await startContractPort()
  for (const name of ['Ants', 'Bees', 'Cats']) {
    await port.send('POST', '/admin/tenants', tenantBody({ name, tier: name === 'Bees' ? 'free' : 'pro' }))
  }
  const names = (body: object) => (body as { data: { name: string }[] }).data.map(({ name }) => name)
  const first = await port.send('GET', '/admin/tenants?limit=2')
  assert.deepEqual(names(first.body), ['Cats', 'Bees'])
  assert.deepEqual(first.body['pagination'], { total: 3, limit: 2, offset: 0, has_more: true })
  const last = await port.send('GET', '/admin/tenants?limit=2&offset=2')
  assert.deepEqual(names(last.body), ['Ants'])
  const beyond = await port.send('GET', '/admin/tenants?offset=50')
  assert.deepEqual(beyond.body, {
    data: [],
    pagination: { total: 3, limit: 50, offset: 50, has_more: false },
  })
  assert.deepEqual(names((await port.send('GET', '/admin/tenants?tier=free')).body), ['Bees'])
  assert.deepEqual(names((await port.send('GET', '/admin/tenants?search=ANT')).body), ['Ants'])
})

test('PUT and PATCH set the fields that are sent', async () => {
  await using port = await startContractPort()
  await port.send('POST', '/admin/models', modelBody({ name: 'm1', aliases: ['latest'] }))
  const { body } = await port.send('POST', '/admin/tenants', tenantBody())
  const path = `/admin/tenants/${body['tenant']?.['id']}`
  for (const method of ['PUT', 'PATCH']) {
    const changed = await port.send(method, path, { name: method, allowed_models: ['latest'] })
    assert.equal(changed.status, 200)
    assert.equal(changed.body['name'], method)
    assert.equal(changed.body['tier'], 'pro')
    assert.deepEqual(changed.body['allowed_models'], ['m1'])
  }
  assert.equal((await port.send('PATCH', path, {})).status, 400)
  assert.equal((await port.send('PATCH', path)).status, 400)
  const unlimited = await port.send('PATCH', path, { allowed_models: null })
  assert.equal(unlimited.body['allowed_models'], null)
  const detail = await port.send('GET', path)
  assert.equal(detail.body['api_keys_count'], 1)
})

test("a suspended tenant's key is found as suspended, a deleted one's is not", async () => {
  await using port = await startContractPort()
  const { body } = await port.send('POST', '/admin/tenants', tenantBody())
  const path = `/admin/tenants/${body['tenant']?.['id']}`
  const digest = apiKeyDigest(String(body['api_key']))
  const status = async () => (await findKey(port.database.postgres, digest))?.tenantStatus

  assert.equal((await port.send('POST', `${path}/suspend`)).body['status'], 'suspended')
  assert.equal(await status(), 'suspended')
  assert.equal((await port.send('POST', `${path}/activate`, {})).body['status'], 'active')
  assert.equal(await status(), 'active')
  const deleted = await port.send('DELETE', path)
  assert.deepEqual(deleted.body, { id: body['tenant']?.['id'], status: 'deleted' })
  assert.equal(await status(), undefined)
  assert.equal((await port.send('GET', path)).status, 404)
  assert.equal((await port.send('DELETE', path)).status, 404)
})

test('two live tenants cannot share an email', async () => {
  await using port = await startContractPort()
  const { body } = await port.send('POST', '/admin/tenants', tenantBody({ email: 'a@x.example' }))
  const again = await port.send('POST', '/admin/tenants', tenantBody({ email: 'A@x.example' }))
  assert.equal(again.status, 409)
  assert.equal(again.body['error']?.['code'], 'already_exists')
  assert.equal(again.body['error']?.['param'], 'email')
  await port.send('DELETE', `/admin/tenants/${body['tenant']?.['id']}`)
  assert.equal((await port.send('POST', '/admin/tenants', tenantBody({ email: 'a@x.example' }))).status, 201)
})

test('keys belong to an environment, expire, and are revoked for good', async () => {
  await using port = await startContractPort()
  const { body } = await port.send('POST', '/admin/tenants', tenantBody())
  const path = `/admin/tenants/${body['tenant']?.['id']}`
  const staging = await port.send('POST', `${path}/environments`, { name: 'staging' })
  assert.equal(staging.status, 201)
  assert.equal((await port.send('POST', `${path}/environments`, { name: 'staging' })).status, 409)

  const expires_at = new Date(Date.now() + 3_600_000).toISOString()
  for (const environment of ['staging', staging.body['id']]) {
    const created = await port.send('POST', `${path}/api-keys`, { name: 'ci', environment, expires_at })
    assert.equal(created.status, 201)
    assert.match(String(created.body['key']), /^clsk_test_/)
    assert.equal(created.body['role'], 'developer')
    assert.equal(created.body['status'], 'active')
    assert.equal(created.body['expires_at'], expires_at)
    const digest = apiKeyDigest(String(created.body['key']))
    assert.equal((await findKey(port.database.postgres, digest))?.expiresAt, Date.parse(expires_at))

    const keyPath = `${path}/api-keys/${created.body['id']}`
    for (const _ of [1, 2]) {
      const revoked = await port.send('DELETE', keyPath)
      assert.deepEqual([revoked.status, revoked.body['status']], [200, 'revoked'])
    }
    assert.equal(await findKey(port.database.postgres, digest), null)
  }
  const unknown = await port.send('POST', `${path}/api-keys`, { name: 'x', environment: 'nope' })
  assert.deepEqual([unknown.status, unknown.body['error']?.['param']], [404, 'environment'])
  const past = await port.send('POST', `${path}/api-keys`, { name: 'x', expires_at: '2020-01-01T00:00:00Z' })
  assert.deepEqual([past.status, past.body['error']?.['param']], [400, 'expires_at'])
  const model = await port.send('POST', `${path}/api-keys`, { name: 'x', allowed_models: ['nope'] })
  assert.deepEqual([model.status, model.body['error']?.['param']], [404, 'allowed_models[0]'])
})

test('an expired key is not found', async () => {
  await using port = await startContractPort()
  const { body } = await port.send('POST', '/admin/tenants', tenantBody())
  const digest = apiKeyDigest(String(body['api_key']))
  await port.database.postgres.query("UPDATE api_keys SET expires_at = now() - interval '1 second'")
  assert.equal(await findKey(port.database.postgres, digest), null)
  const keys = await port.send('GET', `/admin/tenants/${body['tenant']?.['id']}/api-keys`)
  assert.equal(keys.body['data']?.[0]?.['status'], 'expired')
})

test("another tenant's key is a 404", async () => {
  await using port = await startContractPort()
  const [one, other] = [
    await port.send('POST', '/admin/tenants', tenantBody()),
    await port.send('POST', '/admin/tenants', tenantBody()),
  ]
  const keys = await port.send('GET', `/admin/tenants/${other.body['tenant']?.['id']}/api-keys`)
  const path = `/admin/tenants/${one.body['tenant']?.['id']}/api-keys/${keys.body['data']?.[0]?.['id']}`
  assert.equal((await port.send('DELETE', path)).status, 404)
})

test('every change leaves an audit row without secrets, and announces itself', async () => {
  await using port = await startContractPort()
  const { body } = await port.send('POST', '/admin/tenants', tenantBody())
  const path = `/admin/tenants/${body['tenant']?.['id']}`
  const created = await port.send('POST', `${path}/api-keys`, { name: 'ci' })
  await port.send('PATCH', path, { name: 'Other' })
  await port.send('PATCH', path, { unknown: 1 })
  const { rows } = await port.database.postgres.query<Record<string, unknown>>(
    'SELECT actor, action, target_type, tenant_id, before, after, request_id, address FROM audit_log ORDER BY at',
  )
  assert.deepEqual(
    rows.map((row) => row['action']),
    ['tenant.create', 'api-key.create', 'tenant.update'],
  )
  const text = JSON.stringify(rows)
  assert.ok(!text.includes(String(body['api_key'])) && !text.includes(String(created.body['key'])))
  const update = rows[2]
  assert.equal(update?.['actor'], 'admin:root')
  assert.equal(update['tenant_id'], body['tenant']?.['id'])
  assert.equal((update['before'] as { name: string }).name, 'Acme')
  assert.equal((update['after'] as { name: string }).name, 'Other')
  assert.equal(update['address'], '127.0.0.1')
  assert.equal(port.changes(), 3)
})
