import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { ContractTask } from '../../src/core/contract/task.js'
import { GatewayError } from '../../src/core/errors.js'
import { createClickHouse } from '../../src/io/clickhouse.js'
import { createPostgres } from '../../src/io/postgres.js'
import { createContractServer } from '../../src/workers/contract-server.js'
import { allHandlers } from '../../src/workers/handlers/all.js'
import { modelBody, refusal, startContractPort, tenantBody } from '../support/contract-port.js'

test('who may not call gets the same words for a missing and a wrong token', async () => {
  await using port = await startContractPort()
  const replies = [
    await fetch(`${port.url}/admin/tenants`),
    await fetch(`${port.url}/admin/tenants`, { headers: { 'x-admin-token': 'wrong' } }),
    await fetch(`${port.url}/admin/tenants`, { method: 'POST', body: 'x'.repeat(10_000) }),
  ]
  const bodies = await Promise.all(replies.map((reply) => reply.text()))
  assert.deepEqual(
    replies.map(({ status }) => status),
    [401, 401, 401],
  )
  assert.equal(new Set(bodies).size, 1)
  assert.ok(replies.every(({ headers }) => headers.get('x-request-id')))
})

test('paths and methods that are not there are 404 and 405 with allow', async () => {
  await using port = await startContractPort()
  assert.deepEqual(refusal(await port.send('GET', '/admin/nothing')), [404, 'not_found', null])
  assert.deepEqual(refusal(await port.send('GET', '/admin/tenants/')), [404, 'not_found', null])
  const wrong = await port.send('DELETE', '/admin/tenants')
  assert.deepEqual(refusal(wrong), [405, 'method_not_allowed', null])
  assert.equal(wrong.headers.get('allow'), 'GET, POST, HEAD')
})

test('bad bodies, fields and headers are refused with their place', async () => {
  await using port = await startContractPort()
  const post = (body?: unknown, headers?: Record<string, string>) =>
    port.send('POST', '/admin/tenants', body, headers)
  assert.deepEqual(refusal(await post('{')), [400, 'invalid_json', null])
  assert.deepEqual(refusal(await post('[1]')), [400, 'invalid_json', null])
  assert.deepEqual(refusal(await post()), [400, 'invalid_parameter', 'name'])
  assert.deepEqual(refusal(await post(tenantBody({ nmae: 1 }))), [400, 'unknown_parameter', 'nmae'])
  assert.deepEqual(refusal(await post(tenantBody({ tier: 'gold' }))), [400, 'invalid_parameter', 'tier'])
  const limited = tenantBody({ rate_limit_per_minute: 0 })
  assert.deepEqual(refusal(await post(limited)), [400, 'invalid_parameter', 'rate_limit_per_minute'])
  const matched = await post(tenantBody(), { 'if-match': '"1"' })
  assert.deepEqual(refusal(matched), [400, 'not_supported', 'If-Match'])
  const keyed = await post(tenantBody(), { 'idempotency-key': 'a b' })
  assert.deepEqual(refusal(keyed), [400, 'invalid_parameter', 'Idempotency-Key'])
  const large = await post(tenantBody({ name: 'x'.repeat(1024 * 1024) }))
  assert.deepEqual(refusal(large), [413, 'body_too_large', null])
  const extra = await port.send('POST', `/admin/tenants/${crypto.randomUUID()}/suspend`, { why: 1 })
  assert.deepEqual(refusal(extra), [400, 'unknown_parameter', 'why'])
  const nul = await port.send('POST', '/admin/models', modelBody({ metadata: { a: '\u0000' } }))
  assert.deepEqual(refusal(nul), [400, 'invalid_parameter', 'metadata'])
  const proto = modelBody()
  const smuggled = await port.send(
    'POST',
    '/admin/models',
    JSON.stringify(proto).replace('{', '{"__proto__":{"x":1},'),
  )
  assert.equal(smuggled.status, 400)
  assert.equal(port.changes(), 0)
  assert.deepEqual(port.failures, [])
})

test('SQL in a value is a value', async () => {
  await using port = await startContractPort()
  const name = `'); DROP TABLE tenants; --`
  const created = await port.send('POST', '/admin/tenants', tenantBody({ name }))
  assert.equal(created.body['tenant']?.['name'], name)
  const found = await port.send('GET', `/admin/tenants?search=${encodeURIComponent(name)}`)
  assert.equal(found.body['pagination']?.['total'], 1)
})

test('a request that is cut off in its body changes nothing', async () => {
  await using port = await startContractPort()
  const { hostname, port: number } = new URL(port.url)
  const socket = connect(Number(number), hostname)
  const body = JSON.stringify(tenantBody())
  socket.end(
    `POST /admin/tenants HTTP/1.1\r\nhost: x\r\nx-admin-token: root\r\ncontent-length: ${body.length + 5}\r\n\r\n${body}`,
  )
  await text(socket)
  assert.equal((await port.send('GET', '/admin/tenants')).body['pagination']?.['total'], 0)
})

test('an Idempotency-Key replays the first success, waits for it, and refuses another body', async () => {
  await using port = await startContractPort()
  const body = tenantBody()
  const headers = { 'idempotency-key': 'one' }
  const replies = await Promise.all(
    Array.from({ length: 8 }, () => port.send('POST', '/admin/tenants', body, headers)),
  )
  assert.ok(replies.every(({ status }) => status === 201))
  assert.equal(new Set(replies.map((reply) => reply.body['api_key'])).size, 1)
  assert.equal((await port.send('GET', '/admin/tenants')).body['pagination']?.['total'], 1)

  const other = await port.send('POST', '/admin/tenants', tenantBody(), headers)
  assert.deepEqual(refusal(other), [409, 'idempotency_mismatch', null])
  const elsewhere = await port.send('POST', '/admin/models', body, headers)
  assert.equal(elsewhere.body['error']?.['code'], 'idempotency_mismatch')

  const { rows } = await port.database.postgres.query<{ text: string }>(
    "SELECT encode(reply, 'escape') || encode(key_digest, 'escape') AS text FROM idempotency_keys",
  )
  assert.equal(rows.length, 1)
  assert.ok(!rows[0]?.text.includes('clsk_') && !rows[0]?.text.includes('one'))
})

test('a failure is not remembered, and a day later nothing is', async () => {
  await using port = await startContractPort()
  const headers = { 'idempotency-key': 'k' }
  const body = { name: 'ci', allowed_models: ['m'] }
  const { body: made } = await port.send('POST', '/admin/tenants', tenantBody())
  const path = `/admin/tenants/${made['tenant']?.['id']}/api-keys`
  assert.equal((await port.send('POST', path, body, headers)).status, 404)
  await port.send('POST', '/admin/models', modelBody({ name: 'm' }))
  const first = await port.send('POST', path, body, headers)
  assert.equal(first.status, 201)
  assert.equal((await port.send('POST', path, body, headers)).body['id'], first.body['id'])
  await port.database.postgres.query("UPDATE idempotency_keys SET created_at = now() - interval '25 hours'")
  assert.notEqual((await port.send('POST', path, body, headers)).body['id'], first.body['id'])
})

test('a database that cannot be reached is a 503 that names no store, and is reported', async () => {
  const postgres = createPostgres({ url: 'postgres://nobody@127.0.0.1:9/none' })
  const clickhouse = createClickHouse({ url: 'http://127.0.0.1:9' })
  const answer = createContractServer({ handlers: allHandlers, postgres, clickhouse, redis: null })
  try {
    await using port = await startContractPort({ runTask: () => answer })
    for (const method of ['GET', 'POST']) {
      const reply = await port.send(method, '/admin/tenants', method === 'POST' ? tenantBody() : undefined)
      assert.deepEqual(refusal(reply), [503, 'overloaded', null])
      assert.ok(reply.headers.get('retry-after'))
      assert.doesNotMatch(JSON.stringify(reply.body), /postgres|ECONN|127\.0/i)
    }
    assert.equal(port.failures.length, 2)
    assert.match(String(port.failures[0]?.cause), /ECONNREFUSED/)
  } finally {
    await postgres.end()
    await clickhouse.close()
  }
})

test('a reply that is later than its deadline is a 503, and is not sent when it comes after all', async () => {
  let answerLate = () => {}
  await using port = await startContractPort({
    runTask: () => () =>
      new Promise((resolve) => {
        answerLate = () => {
          resolve({ status: 200, etag: null, body: new TextEncoder().encode('{}') })
        }
      }),
  })
  assert.deepEqual(refusal(await port.send('GET', '/admin/platform/health')), [503, 'overloaded', null])
  answerLate()
  await setImmediate()
  assert.deepEqual(
    port.failures.map(({ code }) => code),
    ['overloaded'],
  )
})

test('whatever a task throws is a 500 without its words', async () => {
  await using port = await startContractPort({
    runTask: () => (_task: ContractTask) => Promise.reject(new Error('secret detail')),
  })
  const reply = await port.send('GET', '/admin/tenants')
  assert.deepEqual(refusal(reply), [500, 'internal_error', null])
  assert.doesNotMatch(JSON.stringify(reply.body), /secret/)
  assert.ok(port.failures[0] instanceof GatewayError)
})

test('transactions that get in each other’s way are run again', async () => {
  await using port = await startContractPort()
  const models = await Promise.all(
    Array.from({ length: 4 }, () => port.send('POST', '/admin/models', modelBody())),
  )
  // Every one takes names that another one gives up.
  const changes = Array.from({ length: 40 }, (_, index) =>
    port.send('PATCH', `/admin/models/${models[index % 4]?.body['id']}`, {
      aliases: [`a${index % 3}`, `a${(index + 1) % 3}`],
    }),
  )
  for (const { status } of await Promise.all(changes)) assert.ok(status === 200 || status === 409)
  assert.deepEqual(port.failures, [])
})
