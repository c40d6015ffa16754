import assert from 'node:assert/strict'
import { test } from 'node:test'
import { adminPortEndpoints } from '../../../src/core/contract/contract.js'
import { ERRORS } from '../../../src/core/errors.js'
import { scopeOf } from '../../../src/core/contract/endpoint.js'
import { callOf } from '../../support/calls/all.js'
import { type ContractPort, refusal, startContractPort } from '../../support/contract-port.js'
import { freshUsageStore } from '../../support/usage-store.js'

const create = (port: ContractPort, body: object) => port.send('POST', '/admin/tokens', body)
const as = (token: unknown) => ({ 'x-admin-token': String(token) })

test('a token is shown once, stored as its digest, and opens the API until the very call that revokes it', async () => {
  await using port = await startContractPort()
  const { status, body } = await create(port, { name: 'ci', scope: 'admin' })
  assert.equal(status, 201)
  const token = String(body['token'])
  assert.match(token, /^clat_[0-9A-Za-z]{49}$/)
  assert.equal(body['prefix'], token.slice(0, 11))
  const { rows } = await port.database.postgres.query<{ text: string }>(
    'SELECT (SELECT string_agg(t::text, $1) FROM admin_tokens t) || (SELECT string_agg(a::text, $1) FROM audit_log a) AS text',
    [' '],
  )
  assert.doesNotMatch(rows[0]?.text ?? token, new RegExp(token.slice(11)))

  const list = await port.send('GET', '/admin/tokens', undefined, as(token))
  assert.equal(list.body['data']?.[0]?.['status'], 'active')
  assert.notEqual(list.body['data'][0]['last_used_at'], null)
  assert.equal('token' in list.body['data'][0], false)

  const path = `/admin/tokens/${body['id']}`
  assert.deepEqual((await port.send('DELETE', path, undefined, as(token))).body, {
    id: body['id'],
    status: 'revoked',
  })
  const after = await port.send('GET', '/admin/tokens', undefined, as(token))
  assert.deepEqual(refusal(after), [401, 'invalid_admin_token', null])
  assert.equal((await port.send('DELETE', path)).status, 200)
  assert.equal((await port.send('GET', '/admin/tokens')).body['data']?.[0]?.['status'], 'revoked')
})

test('the audit log names the token, and each revocation once', async () => {
  await using port = await startContractPort()
  const { body } = await create(port, { name: 'Deploy bot', scope: 'admin' })
  const mine = as(body['token'])
  const other = await port.send('POST', '/admin/tokens', { name: 'other', scope: 'read' }, mine)
  for (let n = 0; n < 2; n++) await port.send('DELETE', `/admin/tokens/${other.body['id']}`, undefined, mine)
  const { rows } = await port.database.postgres.query('SELECT actor, action FROM audit_log ORDER BY id')
  assert.deepEqual(rows, [
    { actor: 'admin:root', action: 'admin-token.create' },
    { actor: 'admin:Deploy bot', action: 'admin-token.create' },
    { actor: 'admin:Deploy bot', action: 'admin-token.revoke' },
  ])
})

test('a scope opens what it says, for every endpoint there is, and only admin makes or revokes tokens', async () => {
  await using store = await freshUsageStore()
  await using port = await startContractPort({ clickhouseUrl: store.url })
  const tokens = {
    read: (await create(port, { name: 'r', scope: 'read' })).body['token'],
    operate: (await create(port, { name: 'o', scope: 'operate' })).body['token'],
    admin: (await create(port, { name: 'a', scope: 'admin' })).body['token'],
  }
  const opens = { read: ['read'], operate: ['read', 'operate'], admin: ['read', 'operate', 'admin'] }
  for (const endpoint of adminPortEndpoints) {
    if (endpoint.auth !== 'admin') continue
    for (const scope of ['read', 'operate', 'admin'] as const) {
      const prepared = await callOf(port, endpoint)
      const { status } = await fetch(port.url + prepared.path, {
        method: endpoint.method,
        headers: as(tokens[scope]),
        ...(prepared.body !== undefined && { body: JSON.stringify(prepared.body) }),
      })
      const open = opens[scope].includes(scopeOf(endpoint))
      assert.equal(status === 403, !open, `${endpoint.id} as ${scope}: ${status}`)
      const expected = prepared.refused === undefined ? 299 : ERRORS[prepared.refused].status
      if (open) assert.ok(status <= expected, `${endpoint.id} as ${scope}: ${status}`)
    }
  }
  const raise = await port.send('POST', '/admin/tokens', { name: 'x', scope: 'admin' }, as(tokens.operate))
  assert.deepEqual(refusal(raise), [403, 'scope_not_allowed', null])
})

test('an expired token is refused, and says so in the list', async () => {
  await using port = await startContractPort()
  const soon = new Date(Date.now() + 3_600_000).toISOString()
  const { body } = await create(port, { name: 'short', scope: 'read', expires_at: soon })
  assert.equal(body['expires_at'], soon)
  assert.equal((await port.send('GET', '/admin/tokens', undefined, as(body['token']))).status, 200)
  await port.database.postgres.query("UPDATE admin_tokens SET expires_at = now() - interval '1 second'")
  assert.equal((await port.send('GET', '/admin/tokens', undefined, as(body['token']))).status, 401)
  assert.equal((await port.send('GET', '/admin/tokens')).body['data']?.[0]?.['status'], 'expired')
})

test('a name is taken while its token lives, whatever its case, and root never is one', async () => {
  await using port = await startContractPort()
  const first = await create(port, { name: 'ci', scope: 'read' })
  assert.deepEqual(refusal(await create(port, { name: 'CI', scope: 'read' })), [
    409,
    'already_exists',
    'name',
  ])
  await port.send('DELETE', `/admin/tokens/${first.body['id']}`)
  assert.equal((await create(port, { name: 'CI', scope: 'read' })).status, 201)
  for (const name of ['root', 'ROOT', '', ' ci', 'ci ', 'с', 'a\u0000b', 'x'.repeat(101), 7]) {
    assert.deepEqual(
      refusal(await create(port, { name, scope: 'read' })),
      [400, 'invalid_parameter', 'name'],
      String(name),
    )
  }
})

test('bad fields and unknown tokens are refused with their place', async () => {
  await using port = await startContractPort()
  const past = new Date(Date.now() - 1000).toISOString()
  const bad = [
    [{ scope: 'read' }, [400, 'invalid_parameter', 'name']],
    [{ name: 'a' }, [400, 'invalid_parameter', 'scope']],
    [{ name: 'a', scope: 'root' }, [400, 'invalid_parameter', 'scope']],
    [{ name: 'a', scope: 'read', expires_at: past }, [400, 'invalid_parameter', 'expires_at']],
    [{ name: 'a', scope: 'read', expires_at: 'soon' }, [400, 'invalid_parameter', 'expires_at']],
    [{ name: 'a', scope: 'read', token: 'mine' }, [400, 'unknown_parameter', 'token']],
  ] as const
  for (const [body, expected] of bad) assert.deepEqual(refusal(await create(port, body)), expected)
  const unknown = await port.send('DELETE', `/admin/tokens/${crypto.randomUUID()}`)
  assert.deepEqual(refusal(unknown), [404, 'not_found', 'id'])
  assert.deepEqual(refusal(await port.send('DELETE', '/admin/tokens/1')), [400, 'invalid_parameter', 'id'])
})

test('the use of a token is noted once a minute, not with every call', async () => {
  await using port = await startContractPort()
  const { body } = await create(port, { name: 'ci', scope: 'read' })
  const use = async () => {
    await Promise.all(
      Array.from({ length: 8 }, () => port.send('GET', '/admin/tokens', undefined, as(body['token']))),
    )
    const { rows } = await port.database.postgres.query<{ version: string }>(
      'SELECT xmin::text AS version FROM admin_tokens',
    )
    return rows[0]?.version
  }
  const first = await use()
  assert.equal(await use(), first)
  await port.database.postgres.query("UPDATE admin_tokens SET last_used_at = now() - interval '2 minutes'")
  assert.notEqual(await use(), first)
})
