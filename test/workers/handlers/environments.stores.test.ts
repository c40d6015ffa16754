import assert from 'node:assert/strict'
import { test } from 'node:test'
import { refusal, startContractPort, tenantBody } from '../../support/contract-port.js'

test('environments are shown, changed and deleted; production keeps its name and stays', async () => {
  await using port = await startContractPort()
  const { body } = await port.send('POST', '/admin/tenants', tenantBody())
  const path = `/admin/tenants/${body['tenant']?.['id']}/environments`
  const created = await port.send('POST', path, { name: 'staging', max_concurrency: 3 })
  assert.equal(created.body['max_concurrency'], 3)
  const staging = `${path}/${created.body['id']}`
  assert.deepEqual((await port.send('GET', staging)).body, created.body)

  const renamed = await port.send('PATCH', staging, { name: 'qa', rate_limit_per_minute: 5 })
  assert.deepEqual(
    [renamed.body['name'], renamed.body['rate_limit_per_minute'], renamed.body['max_concurrency']],
    ['qa', 5, 3],
  )
  assert.deepEqual(refusal(await port.send('PATCH', staging, { name: 'production' })), [
    409,
    'already_exists',
    'name',
  ])
  assert.deepEqual(refusal(await port.send('PATCH', staging, { max_concurrency: 0 })), [
    400,
    'invalid_parameter',
    'max_concurrency',
  ])

  const { body: list } = await port.send('GET', `${path}?sort=created_at`)
  const production = `${path}/${list['data']?.[0]?.['id']}`
  assert.deepEqual(refusal(await port.send('PATCH', production, { name: 'live' })), [
    409,
    'invalid_state',
    'name',
  ])
  const limited = await port.send('PATCH', production, { name: 'production', tokens_per_minute: 5 })
  assert.deepEqual([limited.status, limited.body['tokens_per_minute']], [200, 5])
  assert.deepEqual(refusal(await port.send('DELETE', production)), [409, 'invalid_state', null])

  const deleted = await port.send('DELETE', staging)
  assert.deepEqual(deleted.body, { id: created.body['id'], status: 'deleted' })
  for (const method of ['GET', 'DELETE', 'PATCH']) {
    const reply = await port.send(method, staging, method === 'PATCH' ? { name: 'x' } : undefined)
    assert.deepEqual(refusal(reply), [404, 'not_found', 'env_id'], method)
  }
  assert.equal((await port.send('POST', path, { name: 'qa' })).status, 201)
})

test('an environment with an active key is in use; those that had expired are revoked with it', async () => {
  await using port = await startContractPort()
  const { body } = await port.send('POST', '/admin/tenants', tenantBody())
  const path = `/admin/tenants/${body['tenant']?.['id']}`
  const staging = await port.send('POST', `${path}/environments`, { name: 'staging' })
  const key = await port.send('POST', `${path}/api-keys`, { name: 'nightly', environment: 'staging' })
  const environment = `${path}/environments/${staging.body['id']}`
  const refused = await port.send('DELETE', environment)
  assert.deepEqual(refusal(refused), [409, 'in_use', null])
  assert.match(refused.body['error']?.['message'] ?? '', /'nightly'/)
  await port.database.postgres.query(
    "UPDATE api_keys SET expires_at = now() - interval '1 s' WHERE id = $1",
    [key.body['id']],
  )
  assert.equal((await port.send('DELETE', environment)).status, 200)
  const { body: shown } = await port.send('GET', `${path}/api-keys/${key.body['id']}`)
  assert.deepEqual([shown['status'], shown['environment']], ['revoked', 'staging'])
  const revival = await port.send('PATCH', `${path}/api-keys/${key.body['id']}`, { expires_at: null })
  assert.deepEqual(refusal(revival), [409, 'invalid_state', null])
})

test('no key comes into an environment while it is deleted', async () => {
  await using port = await startContractPort()
  const { body } = await port.send('POST', '/admin/tenants', tenantBody())
  const path = `/admin/tenants/${body['tenant']?.['id']}`
  for (let round = 0; round < 10; round++) {
    const name = `staging-${round}`
    const made = await port.send('POST', `${path}/environments`, { name })
    const expired = await port.send('POST', `${path}/api-keys`, { name: 'old', environment: name })
    await port.database.postgres.query(
      "UPDATE api_keys SET expires_at = now() - interval '1 s' WHERE id = $1",
      [expired.body['id']],
    )
    const [deleted, created, revived] = await Promise.all([
      port.send('DELETE', `${path}/environments/${made.body['id']}`),
      port.send('POST', `${path}/api-keys`, { name: 'new', environment: name }),
      port.send('PATCH', `${path}/api-keys/${expired.body['id']}`, { expires_at: null }),
    ])
    const statuses = [deleted.status, created.status, revived.status]
    const before = statuses[0] === 200 && statuses[1] === 404 && statuses[2] === 409
    const after = statuses[0] === 409 && (statuses[1] === 201 || statuses[2] === 200)
    assert.ok(before || after, statuses.join())
  }
  const { rows } = await port.database.postgres.query(
    `SELECT FROM api_keys k JOIN environments e ON e.id = k.environment_id
     WHERE e.deleted_at IS NOT NULL AND k.revoked_at IS NULL`,
  )
  assert.equal(rows.length, 0)
  assert.deepEqual(port.failures, [])
})
