import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { apiKeyDigest } from '../../../src/core/api-key.js'
import {
  type ContractPort,
  type JsonReply,
  modelBody,
  refusal,
  startContractPort,
  tenantBody,
} from '../../support/contract-port.js'
import { numberedId } from '../../support/spool.js'
import { findKey } from '../../support/find-key.js'

const PATH = '/v1/api-keys'

type Send = (method: string, path: string, body?: unknown) => Promise<JsonReply>

const withKey =
  (port: ContractPort, key: string): Send =>
  (method, path, body) =>
    port.send(method, path, body, { authorization: `Bearer ${key}` })

/** A tenant with the id and key of its first API key, and a way to call with that. */
async function tenantOn(port: ContractPort) {
  const { body } = await port.send('POST', '/admin/tenants', tenantBody())
  const id = body['tenant']?.['id'] ?? ''
  const key = body['api_key'] ?? ''
  const send = withKey(port, key)
  const keyId = (await send('GET', PATH)).body['data']?.[0]?.['id'] ?? ''
  return { id, key, keyId, send, admin: `/admin/tenants/${id}` }
}

const finds = (port: ContractPort, key: unknown) => findKey(port.database.app, apiKeyDigest(String(key)))

test('a tenant makes keys, in the environment of the key that calls unless it says another', async () => {
  await using port = await startContractPort()
  const tenant = await tenantOn(port)
  await port.send('POST', '/admin/models', modelBody({ name: 'm', aliases: ['also-m'] }))
  const staging = await port.send('POST', `${tenant.admin}/environments`, { name: 'staging' })

  const live = await tenant.send('POST', PATH, { name: 'a' })
  assert.equal(live.status, 201)
  assert.deepEqual([live.body['environment'], live.body['role']], ['production', 'developer'])
  assert.match(live.body['key'] ?? '', /^clsk_live_/)
  const expires_at = new Date(Date.now() + 3_600_000).toISOString()
  const manager = await tenant.send('POST', PATH, {
    name: 'b',
    role: 'admin',
    environment: staging.body['id'],
    tokens_per_minute: 5,
    allowed_models: ['also-m'],
    expires_at,
  })
  assert.match(manager.body['key'] ?? '', /^clsk_test_/)
  assert.deepEqual(manager.body, {
    key: manager.body['key'],
    id: manager.body['id'],
    name: 'b',
    prefix: manager.body['key']?.slice(0, 16),
    environment: 'staging',
    role: 'admin',
    status: 'active',
    rate_limit_per_minute: null,
    tokens_per_minute: 5,
    max_concurrency: null,
    allowed_models: ['m'],
    created_at: manager.body['created_at'],
    last_used_at: null,
    expires_at,
  })
  const inStaging = await withKey(port, manager.body['key'] ?? '')('POST', PATH, { name: 'c' })
  assert.equal(inStaging.body['environment'], 'staging')

  const list = await tenant.send('GET', `${PATH}?sort=name&limit=2`)
  const names = list.body['data'] as unknown as { name: string }[]
  assert.deepEqual(
    names.map(({ name }) => name),
    ['First key', 'a'],
  )
  assert.equal(list.body['pagination']?.['total'], 4)
  assert.ok(!JSON.stringify(list.body).includes(live.body['key'] ?? '-'))
  assert.deepEqual(
    refusal(await tenant.send('POST', PATH, { name: 'd', allowed_models: ['m', 'no-such'] })),
    [404, 'not_found', 'allowed_models[1]'],
  )
  assert.deepEqual(refusal(await tenant.send('POST', PATH, { name: 'd', max_concurrency: 0 })), [
    400,
    'invalid_parameter',
    'max_concurrency',
  ])
  const { rows } = await port.database.postgres.query(
    "SELECT actor FROM audit_log WHERE action = 'api-key.create' AND tenant_id = $1 ORDER BY id",
    [tenant.id],
  )
  const [byFirst, bySecond] = [tenant.keyId, manager.body['id']].map((id) => ({ actor: `key:${id}` }))
  assert.deepEqual(rows, [byFirst, byFirst, bySecond])
})

test("another tenant's keys and environments are as unknown as those that there are not", async () => {
  await using port = await startContractPort()
  const [one, other] = [await tenantOn(port), await tenantOn(port)]
  const { body } = await port.send('POST', `${other.admin}/environments`, { name: 'theirs' })
  const calls: [string, string, object | undefined][] = [
    ['DELETE', `${PATH}/ID`, undefined],
    ['POST', `${PATH}/ID/rotate`, {}],
  ]
  for (const [method, path, sent] of calls) {
    const theirs = await one.send(method, path.replace('ID', other.keyId), sent)
    const nobodys = await one.send(method, path.replace('ID', numberedId(9)), sent)
    assert.deepEqual(refusal(theirs), [404, 'not_found', 'key_id'])
    const message = theirs.body['error']?.['message']?.replace(other.keyId, numberedId(9))
    assert.equal(message, nobodys.body['error']?.['message'])
  }
  for (const environment of [body['id'], 'theirs', numberedId(9)]) {
    const reply = await one.send('POST', PATH, { name: 'x', environment })
    assert.deepEqual(refusal(reply), [404, 'not_found', 'environment'])
  }
  assert.notEqual(await finds(port, other.key), null)
})

test('keys of other roles than admin read the list and change nothing', async () => {
  await using port = await startContractPort()
  const tenant = await tenantOn(port)
  for (const role of ['developer', 'read-only']) {
    const { body } = await tenant.send('POST', PATH, { name: role, role })
    const send = withKey(port, body['key'] ?? '')
    assert.equal((await send('GET', PATH)).status, 200)
    for (const reply of [
      await send('POST', PATH, { name: 'x' }),
      await send('POST', `${PATH}/${body['id']}/rotate`, {}),
      await send('DELETE', `${PATH}/${body['id']}`),
    ]) {
      assert.deepEqual(refusal(reply), [403, 'role_not_allowed', null])
    }
  }
})

test('a rotated key has all that the old one had, and the old one is dead at once or lives for the overlap', async () => {
  await using port = await startContractPort()
  const tenant = await tenantOn(port)
  await port.send('POST', '/admin/models', modelBody({ name: 'm' }))
  const made = await tenant.send('POST', PATH, {
    name: 'ci',
    role: 'read-only',
    allowed_models: ['m'],
    rate_limit_per_minute: 7,
    expires_at: new Date(Date.now() + 3_600_000).toISOString(),
  })
  const first = await tenant.send('POST', `${PATH}/${made.body['id']}/rotate`)
  assert.equal(first.status, 201)
  const same = ({ body }: JsonReply) => {
    const own = { id: null, key: null, prefix: null, created_at: null }
    return { ...(body as object), ...own }
  }
  assert.deepEqual(same(first), same(made))
  assert.notEqual(first.body['key'], made.body['key'])
  assert.equal(await finds(port, made.body['key']), null)
  assert.notEqual(await finds(port, first.body['key']), null)
  const again = await tenant.send('POST', `${PATH}/${made.body['id']}/rotate`)
  assert.deepEqual(refusal(again), [409, 'invalid_state', null])
  const revived = await port.send('PATCH', `${tenant.admin}/api-keys/${made.body['id']}`, {
    expires_at: null,
  })
  assert.deepEqual(refusal(revived), [409, 'invalid_state', null])

  const path = `${PATH}/${first.body['id']}/rotate`
  const second = await tenant.send('POST', path, { overlap_seconds: 60 })
  assert.notEqual(await finds(port, first.body['key']), null)
  assert.notEqual(await finds(port, second.body['key']), null)
  assert.equal(second.body['expires_at'], made.body['expires_at'])
  const { postgres } = port.database
  const { rows: ends } = await postgres.query<{ seconds: number }>(
    'SELECT extract(epoch FROM expires_at - now())::float8 AS seconds FROM api_keys WHERE id = $1',
    [first.body['id']],
  )
  const seconds = ends[0]?.seconds ?? 0
  assert.ok(seconds > 0 && seconds <= 60, String(seconds))
  await postgres.query("UPDATE api_keys SET expires_at = now() - interval '1 s' WHERE id = $1", [
    first.body['id'],
  ])
  assert.equal(await finds(port, first.body['key']), null)
  assert.deepEqual(refusal(await tenant.send('POST', path)), [409, 'invalid_state', null])
  const listed = await tenant.send('GET', `${PATH}?status=expired`)
  assert.equal(listed.body['data']?.[0]?.['id'], first.body['id'])
  for (const overlap_seconds of [-1, 604_801, 1.5, null]) {
    const reply = await tenant.send('POST', path, { overlap_seconds })
    assert.deepEqual(refusal(reply), [400, 'invalid_parameter', 'overlap_seconds'])
  }
  const { rows } = await postgres.query<{ target_id: string; after: JsonReply['body'] }>(
    "SELECT target_id, after FROM audit_log WHERE action = 'api-key.rotate' ORDER BY id",
  )
  assert.deepEqual(
    rows.map(({ target_id, after }) => [target_id, after['status'], after['replaced_by']?.['id']]),
    [
      [made.body['id'], 'revoked', first.body['id']],
      [first.body['id'], 'active', second.body['id']],
    ],
  )
})

test('a rotated key never lives longer for its overlap', async () => {
  await using port = await startContractPort()
  const tenant = await tenantOn(port)
  const expires_at = new Date(Date.now() + 60_000).toISOString()
  const { body } = await tenant.send('POST', PATH, { name: 'short', expires_at })
  await tenant.send('POST', `${PATH}/${body['id']}/rotate`, { overlap_seconds: 3_600 })
  const { rows } = await port.database.postgres.query<{ expires_at: Date }>(
    'SELECT expires_at FROM api_keys WHERE id = $1',
    [body['id']],
  )
  assert.equal(rows[0]?.expires_at.toISOString(), expires_at)
})

test('a key may revoke itself, the last of its role too, and be rotated by itself', async () => {
  await using port = await startContractPort()
  const tenant = await tenantOn(port)
  const rotated = await tenant.send('POST', `${PATH}/${tenant.keyId}/rotate`)
  assert.equal(rotated.status, 201)
  assert.deepEqual(refusal(await tenant.send('GET', PATH)), [401, 'invalid_api_key', null])
  const send = withKey(port, rotated.body['key'] ?? '')
  const gone = await send('DELETE', `${PATH}/${rotated.body['id']}`)
  assert.deepEqual([gone.status, gone.body], [200, { id: rotated.body['id'], status: 'revoked' }])
  assert.deepEqual(refusal(await send('GET', PATH)), [401, 'invalid_api_key', null])
})

test('a revocation can be repeated, and only the first one is a change', async () => {
  await using port = await startContractPort()
  const tenant = await tenantOn(port)
  const { body } = await tenant.send('POST', PATH, { name: 'ci' })
  const replies = [1, 2, 3].map(() => tenant.send('DELETE', `${PATH}/${body['id']}`))
  for (const reply of await Promise.all(replies)) assert.equal(reply.status, 200)
  const { rowCount } = await port.database.postgres.query(
    "SELECT FROM audit_log WHERE action = 'api-key.revoke' AND target_id = $1",
    [body['id']],
  )
  assert.equal(rowCount, 1)
})

test('a key that is being revoked makes no other one, however the two interleave', async () => {
  await using port = await startContractPort()
  const { postgres } = port.database
  for (let round = 0; round < 10; round++) {
    const tenant = await tenantOn(port)
    // The port goes on taking the key, as a proxy does that has not heard of the revocation yet.
    const client = await postgres.connect()
    try {
      await client.query('BEGIN')
      await client.query('UPDATE api_keys SET revoked_at = now() WHERE id = $1', [tenant.keyId])
      const asked = tenant.send('POST', PATH, { name: 'heir' })
      await sleep(20)
      await client.query('COMMIT')
      assert.deepEqual(refusal(await asked), [401, 'invalid_api_key', null])
    } finally {
      client.release()
    }
  }
})

test('a key of a tenant that was suspended does not get shown again what it made', async () => {
  await using port = await startContractPort()
  const tenant = await tenantOn(port)
  const headers = { authorization: `Bearer ${tenant.key}`, 'idempotency-key': 'once' }
  const make = () => port.send('POST', PATH, { name: 'made' }, headers)
  const made = await make()
  assert.equal((await make()).body['key'], made.body['key'])
  await port.send('POST', `${tenant.admin}/suspend`)
  assert.deepEqual(refusal(await make()), [403, 'tenant_suspended', null])
})
