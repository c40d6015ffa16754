import assert from 'node:assert/strict'
import { test } from 'node:test'
import { refusal, startContractPort, tenantBody } from '../../support/contract-port.js'
import { numberedId } from '../../support/spool.js'

test('keys are found by every filter', async () => {
  await using port = await startContractPort()
  const { body } = await port.send('POST', '/admin/tenants', tenantBody())
  const path = `/admin/tenants/${body['tenant']?.['id']}`
  const staging = await port.send('POST', `${path}/environments`, { name: 'staging' })
  const make = (fields: object) => port.send('POST', `${path}/api-keys`, fields)
  const ci = await make({ name: 'CI runner', environment: 'staging', max_concurrency: 4 })
  assert.equal(ci.body['max_concurrency'], 4)
  const old = await make({ name: 'old', role: 'read-only' })
  await port.send('DELETE', `${path}/api-keys/${old.body['id']}`)
  await make({ name: 'short', expires_at: new Date(Date.now() + 60_000).toISOString() })
  await port.database.postgres.query(
    "UPDATE api_keys SET expires_at = now() - interval '1 s' WHERE name = 'short'",
  )
  const found = async (query: string) => {
    const reply = await port.send('GET', `${path}/api-keys?${query}`)
    assert.equal(reply.status, 200, query)
    const { data } = reply.body as object as { data: { name: string }[] }
    return data.map(({ name }) => name)
  }
  assert.deepEqual(await found(''), ['short', 'old', 'CI runner', 'First key'])
  assert.deepEqual(await found('environment=staging'), ['CI runner'])
  assert.deepEqual(await found(`environment=${staging.body['id']}`), ['CI runner'])
  assert.deepEqual(await found('environment=nothing'), [])
  assert.deepEqual(await found('role=read-only'), ['old'])
  assert.deepEqual(await found('status=active&sort=name'), ['CI runner', 'First key'])
  assert.deepEqual(await found('status=revoked'), ['old'])
  assert.deepEqual(await found('status=expired'), ['short'])
  assert.deepEqual(await found('search=RUNNER'), ['CI runner'])
  assert.deepEqual(await found(`search=${ci.body['prefix']}`), ['CI runner'])
})

test("a key's fields are set by PATCH, also in what the data plane finds, and never its secret shown", async () => {
  await using port = await startContractPort()
  const { body } = await port.send('POST', '/admin/tenants', tenantBody())
  const path = `/admin/tenants/${body['tenant']?.['id']}/api-keys`
  const key = await port.send('POST', path, { name: 'ci', tokens_per_minute: 10 })
  const one = `${path}/${key.body['id']}`
  const seen = key.headers.get('etag') ?? ''
  const expires_at = new Date(Date.now() + 3_600_000).toISOString()
  const changed = await port.send(
    'PATCH',
    one,
    { name: 'cd', expires_at, allowed_models: [] },
    { 'if-match': seen },
  )
  assert.equal(changed.status, 200)
  const { body: shown } = await port.send('GET', one)
  assert.deepEqual(changed.body, shown)
  assert.deepEqual(
    [shown['name'], shown['expires_at'], shown['tokens_per_minute'], shown['allowed_models']?.length],
    ['cd', expires_at, 10, 0],
  )
  assert.ok(!JSON.stringify(shown).includes(String(key.body['key'])))
  assert.equal((await port.send('PATCH', one, { name: 'x' }, { 'if-match': seen })).status, 412)
  const past = await port.send('PATCH', one, { expires_at: '2020-01-01T00:00:00Z' })
  assert.deepEqual(refusal(past), [400, 'invalid_parameter', 'expires_at'])
  const model = await port.send('PATCH', one, { allowed_models: ['nope'] })
  assert.deepEqual(refusal(model), [404, 'not_found', 'allowed_models[0]'])
  await port.send('DELETE', one)
  assert.deepEqual(refusal(await port.send('PATCH', one, { name: 'x' })), [409, 'invalid_state', null])
  const missing = await port.send('GET', `${path}/${numberedId(1)}`)
  assert.deepEqual(refusal(missing), [404, 'not_found', 'key_id'])
})
