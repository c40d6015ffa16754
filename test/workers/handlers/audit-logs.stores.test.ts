import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { AuditEntry } from '../../../src/core/contract/audit-logs.js'
import {
  type ContractPort,
  modelBody,
  nodeBody,
  refusal,
  startContractPort,
  tenantBody,
} from '../../support/contract-port.js'

const List = z.object({ data: z.array(AuditEntry), pagination: z.object({ total: z.number() }) })

async function list(port: ContractPort, query = '') {
  const reply = await port.send('GET', `/admin/audit-logs${query}`)
  assert.equal(reply.status, 200, JSON.stringify(reply.body))
  return List.parse(reply.body)
}
const lines = (text: string) =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => AuditEntry.parse(JSON.parse(line)))

/** Entries of a second each from 2026-03-01T00:00:00Z on, in one statement. */
async function fill(port: ContractPort, count: number, after: object = {}) {
  await port.database.postgres.query(
    `INSERT INTO audit_log (id, at, actor, action, target_type, target_id, request_id, address, after)
     SELECT gen_random_uuid(), '2026-03-01T00:00:00Z'::timestamptz + n * interval '1 second', 'admin:' || n % 3,
       'thing.change', 'thing', n::text, 'r' || n, '127.0.0.1', $2::jsonb
     FROM generate_series(0, $1::int - 1) n`,
    [count, JSON.stringify(after)],
  )
}

test('a change is found by everything that it has, newest first', async () => {
  await using port = await startContractPort()
  const tenant = (await port.send('POST', '/admin/tenants', tenantBody({ name: 'Needle Inc' }))).body[
    'tenant'
  ]
  const token = await port.send('POST', '/admin/tokens', { name: 'Ops', scope: 'admin' })
  const as = { 'x-admin-token': String(token.body['token']) }
  const path = `/admin/tenants/${tenant?.['id']}`
  const change = await port.send('PATCH', path, { tier: 'free' }, as)

  const { data, pagination } = await list(port)
  assert.equal(pagination.total, 3)
  assert.deepEqual(
    data.map(({ action }) => action),
    ['tenant.update', 'admin-token.create', 'tenant.create'],
  )
  const [newest] = data
  assert.equal(newest?.actor, 'admin:Ops')
  assert.equal(newest.before?.['tier'], 'pro')
  assert.equal(newest.after?.['tier'], 'free')
  assert.equal(newest.request_id, change.headers.get('x-request-id'))
  assert.equal(newest.address, '127.0.0.1')

  const totals = async (query: string) => (await list(port, query)).pagination.total
  assert.equal(await totals('?actor=admin:Ops'), 1)
  assert.equal(await totals('?action=tenant.create'), 1)
  assert.equal(await totals('?target_type=tenant'), 2)
  assert.equal(await totals(`?target_id=${tenant?.['id']}`), 2)
  assert.equal(await totals(`?tenant_id=${tenant?.['id']}&action=tenant.update`), 1)
  assert.equal(await totals('?search=nEEdle'), 2)
  assert.equal(await totals(`?search=${newest.request_id}`), 1)
  assert.equal(await totals('?search=%25'), 0)
  assert.equal(await totals('?actor=nobody'), 0)
})

test('dates bound the list: whole days to their end, times to the moment', async () => {
  await using port = await startContractPort()
  await fill(port, 86_400 / 60)
  await port.database.postgres.query(
    `INSERT INTO audit_log (id, at, actor, action, target_type, target_id, request_id, address)
     VALUES (gen_random_uuid(), '2020-01-01T00:00:00Z', 'a', 'b.c', 'b', '1', 'r', 'x')`,
  )
  const totals = async (query: string) => (await list(port, query)).pagination.total
  assert.equal(await totals(''), 1441)
  assert.equal(await totals('?start_date=2026-03-01&end_date=2026-03-01'), 1440)
  assert.equal(await totals('?start_date=2026-03-02'), 0)
  assert.equal(await totals('?end_date=2026-02-28'), 1)
  assert.equal(await totals('?end_date=2026-03-01T00:10:00Z'), 601)
  assert.equal(await totals('?start_date=2026-03-01T00:10:00Z&end_date=2026-03-01T00:10:01Z'), 1)
  assert.equal(await totals('?start_date=1970-01-01&end_date=9999-12-31'), 1441)
  assert.equal(await totals('?start_date=2026-03-01&tz=Pacific/Auckland&end_date=2026-03-01'), 1440)
  assert.equal(await totals('?start_date=2026-03-02&tz=Pacific/Auckland'), 0)
})

test('bad filters are refused with their place', async () => {
  await using port = await startContractPort()
  const bad = [
    ['?actor=', 'actor'],
    ['?tenant_id=1', 'tenant_id'],
    ['?start_date=yesterday', 'start_date'],
    ['?start_date=2026-03-02&end_date=2026-03-01', 'start_date'],
    ['?tz=Mars', 'tz'],
    ['?limit=201', 'limit'],
    ['/export?format=xml', 'format'],
    ['/export?start_date=2026-03-02T00:00:00Z&end_date=2026-03-01T00:00:00Z', 'start_date'],
  ] as const
  for (const [query, param] of bad) {
    const reply = await port.send('GET', `/admin/audit-logs${query}`)
    assert.deepEqual(refusal(reply), [400, 'invalid_parameter', param], query)
  }
  for (const query of ['?sort=at', '/export?limit=1', '/export?offset=1']) {
    assert.equal(
      (await port.send('GET', `/admin/audit-logs${query}`)).body['error']?.['code'],
      'unknown_parameter',
    )
  }
})

test('an export has every entry that the list has, once and in its order, in both formats', async () => {
  await using port = await startContractPort()
  await fill(port, 1734)
  const all = await port.send('GET', '/admin/audit-logs/export?format=ndjson')
  assert.equal(all.headers.get('content-type'), 'application/x-ndjson')
  const entries = lines(all.body)
  assert.deepEqual(
    entries.map(({ target_id }) => target_id),
    Array.from({ length: 1734 }, (_, n) => String(1733 - n)),
  )
  const page = (await list(port, '?limit=200&offset=700')).data
  assert.deepEqual(entries.slice(700, 900), page)

  const csv = await port.send('GET', '/admin/audit-logs/export')
  assert.match(csv.headers.get('content-disposition') ?? '', /^attachment; filename="audit-log.csv"$/)
  const rows = csv.body.split('\r\n')
  assert.equal(
    rows[0],
    'created_at,actor,action,target_type,target_id,tenant_id,before,after,request_id,address,id',
  )
  assert.equal(rows.length, 1 + 1734 + 1)
  assert.deepEqual(
    rows.slice(1, -1).map((row) => row.split(',')[4]),
    entries.map(({ target_id }) => target_id),
  )
  const some = await port.send(
    'GET',
    '/admin/audit-logs/export?format=ndjson&actor=admin:1&end_date=2026-03-01T00:01:00Z',
  )
  assert.equal(lines(some.body).length, 20)
  assert.equal((await port.send('GET', '/admin/audit-logs/export?format=ndjson&actor=x')).body, '')
})

test('an export of entries of one moment, and of large ones, misses none', async () => {
  await using port = await startContractPort()
  // All at once, as a statement makes them, and two parts would be too few for their size.
  await port.database.postgres.query(
    `INSERT INTO audit_log (id, actor, action, target_type, target_id, request_id, address, after)
     SELECT gen_random_uuid(), 'a', 'b.c', 'b', n::text, 'r', 'x', jsonb_build_object('text', repeat('x', 400000))
     FROM generate_series(1, 9) n`,
  )
  await port.database.postgres.query(
    `INSERT INTO audit_log (id, actor, action, target_type, target_id, request_id, address)
     SELECT gen_random_uuid(), 'a', 'b.c', 'b', n::text, 'r', 'x' FROM generate_series(10, 1300) n`,
  )
  const entries = lines((await port.send('GET', '/admin/audit-logs/export?format=ndjson')).body)
  assert.equal(new Set(entries.map(({ id }) => id)).size, 1300)
  assert.equal(entries.length, 1300)
})

test('an export is not changed by what happens meanwhile', async () => {
  await using port = await startContractPort()
  await fill(port, 1200, { text: 'x'.repeat(2000) })
  const response = await fetch(`${port.url}/admin/audit-logs/export?format=ndjson`, {
    headers: { 'x-admin-token': 'root' },
  })
  await port.send('POST', '/admin/tenants', tenantBody())
  assert.equal(lines(await response.text()).length, 1200)
})

test('names that a spreadsheet would run arrive as text', async () => {
  await using port = await startContractPort()
  const name = '=cmd|calc'
  await port.send('POST', '/admin/tokens', { name: `a ${name}`, scope: 'read' })
  await port.database.postgres.query(
    `INSERT INTO audit_log (id, actor, action, target_type, target_id, request_id, address)
     VALUES (gen_random_uuid(), '=cmd|calc', '+b', '-c', '@d', E'\\te', '=1+1')`,
  )
  const { body } = await port.send('GET', '/admin/audit-logs/export?format=csv')
  const row = body.split('\r\n').find((line) => line.includes('cmd') && line.includes('1+1')) ?? ''
  assert.match(row, /,'=cmd\|calc,'\+b,'-c,'@d,,,,'\te,'=1\+1,/)
})

test('no secret reaches the audit log: keys of nodes, of tenants, tokens, and what metadata holds', async () => {
  await using port = await startContractPort()
  const secret = 'sw0rdfish'
  const model = await port.send(
    'POST',
    '/admin/models',
    modelBody({ metadata: { hf: { token: secret, api_key: [secret] }, args: ['--api-key', secret] } }),
  )
  assert.equal(model.status, 201)
  await port.send('POST', '/admin/nodes', nodeBody(model.body['name'], { api_key: secret }))
  const made = await port.send('POST', '/admin/tenants', tenantBody())
  const key = String(made.body['api_key'])
  const token = String(
    (await port.send('POST', '/admin/tokens', { name: 'ci', scope: 'read' })).body['token'],
  )
  const text = (await port.send('GET', '/admin/audit-logs/export?format=ndjson')).body
  assert.equal(lines(text).length, 4)
  for (const hidden of [secret, key.slice(16), token.slice(11)]) assert.ok(!text.includes(hidden), hidden)
})

test('a token of any scope may read the log, none may change it', async () => {
  await using port = await startContractPort()
  const { body } = await port.send('POST', '/admin/tokens', { name: 'auditor', scope: 'read' })
  const as = { 'x-admin-token': String(body['token']) }
  assert.equal((await port.send('GET', '/admin/audit-logs', undefined, as)).status, 200)
  assert.equal((await port.send('GET', '/admin/audit-logs/export', undefined, as)).status, 200)
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
    assert.equal((await port.send(method, '/admin/audit-logs', {})).status, 405)
  }
})
