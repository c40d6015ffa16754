import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { adminPortEndpoints, tenantPortEndpoints } from '../../src/core/contract/contract.js'
import { type Endpoint, honoursIfMatch, isAudited } from '../../src/core/contract/endpoint.js'
import { getModel } from '../../src/core/contract/models.js'
import type { Call } from '../support/calls/call.js'
import { allCalls, callOf } from '../support/calls/all.js'
import { type ContractPort, refusal, startContractPort } from '../support/contract-port.js'
import { freshUsageStore } from '../support/usage-store.js'

/** Every endpoint of the admin port and every change on the tenant port, called: what holds for all of them alike. */
const endpoints = [
  ...adminPortEndpoints,
  ...tenantPortEndpoints.filter((one) => isAudited(one) || allCalls[one.id] !== undefined),
]

function call(port: ContractPort, { method }: Endpoint, { path, body, headers }: Call, more: object = {}) {
  return port.send(method, path, body, { ...headers, ...more })
}

const Orders = z.object({ enum: z.array(z.string()) })
const Page = z.object({ data: z.array(z.record(z.string(), z.unknown())) })

test('every endpoint has a call that succeeds with what it declares, and every call an endpoint', async () => {
  await using store = await freshUsageStore()
  await using port = await startContractPort({ clickhouseUrl: store.url })
  for (const endpoint of endpoints) {
    const prepared = await callOf(port, endpoint)
    const reply = await call(port, endpoint, prepared)
    if (prepared.refused !== undefined) {
      assert.equal(reply.body['error']?.['code'], prepared.refused, endpoint.id)
      continue
    }
    const declared = endpoint.reply[reply.status]
    assert.ok(declared, `${endpoint.id}: ${reply.status} ${JSON.stringify(reply.body)}`)
    const parsed = declared.safeParse(reply.body)
    assert.ok(parsed.success, `${endpoint.id}: ${parsed.error?.message}`)
  }
  const ids = new Set(endpoints.map(({ id }) => id))
  assert.deepEqual(
    Object.keys(allCalls).filter((id) => !ids.has(id)),
    [],
  )
  assert.deepEqual(port.failures, [])
})

test('every change leaves exactly one entry in the audit log, what only reads none', async () => {
  await using store = await freshUsageStore()
  await using port = await startContractPort({ clickhouseUrl: store.url })
  const entries = async () => {
    const { rows } = await port.database.postgres.query<{
      actor: string
      action: string
      request_id: string
    }>('SELECT actor, action, request_id FROM audit_log ORDER BY id')
    return rows
  }
  for (const endpoint of endpoints) {
    const prepared = await callOf(port, endpoint)
    const before = (await entries()).length
    const reply = await call(port, endpoint, prepared)
    const added = (await entries()).slice(before)
    const changes = isAudited(endpoint) && prepared.refused === undefined
    assert.equal(added.length, changes ? 1 : 0, endpoint.id)
    for (const entry of added) {
      assert.equal(entry.actor, prepared.actor ?? 'admin:root')
      assert.equal(entry.request_id, reply.headers.get('x-request-id'))
    }
  }
})

test('a change of another version than the caller has seen is refused, for every row that has one', async () => {
  await using store = await freshUsageStore()
  await using port = await startContractPort({ clickhouseUrl: store.url })
  for (const endpoint of endpoints) {
    const prepared = await callOf(port, endpoint)
    const stale = await call(port, endpoint, prepared, { 'if-match': '"999999"' })
    if (!honoursIfMatch(endpoint)) {
      assert.deepEqual(refusal(stale), [400, 'not_supported', 'If-Match'], endpoint.id)
      continue
    }
    assert.deepEqual(refusal(stale), [412, 'precondition_failed', 'If-Match'], endpoint.id)
    const any = await call(port, endpoint, prepared, { 'if-match': '*' })
    assert.ok(any.status < 300, `${endpoint.id}: ${any.status}`)
  }
})

test('replies that show a row carry its version as ETag, with which it can be changed once', async () => {
  await using store = await freshUsageStore()
  await using port = await startContractPort({ clickhouseUrl: store.url })
  for (const endpoint of endpoints) {
    const reply = await call(port, endpoint, await callOf(port, endpoint))
    const shows = endpoint.versioned === true && endpoint.method !== 'DELETE'
    assert.equal(reply.headers.get('etag') !== null, shows, endpoint.id)
  }
  const { path } = await callOf(port, getModel)
  const seen = (await port.send('GET', path)).headers.get('etag') ?? ''
  const change = (family: string) => port.send('PATCH', path, { family }, { 'if-match': seen })
  const both = await Promise.all([change('one'), change('two')])
  assert.deepEqual(both.map(({ status }) => status).sort(), [200, 412])
  assert.notEqual((await port.send('GET', path)).headers.get('etag'), seen)
})

test('every list comes in each order that it declares', async () => {
  await using store = await freshUsageStore()
  await using port = await startContractPort({ clickhouseUrl: store.url })
  for (const endpoint of endpoints) {
    const sort: unknown = endpoint.query?.shape['sort']
    if (!(sort instanceof z.ZodType)) continue
    const { path, headers } = await callOf(port, endpoint)
    for (const order of Orders.parse(z.toJSONSchema(sort)).enum) {
      const { status, body } = await port.send('GET', `${path}?sort=${order}`, undefined, headers)
      assert.equal(status, 200, `${endpoint.id} by ${order}: ${JSON.stringify(body)}`)
      const column = order.replace('-', '')
      const present = Page.parse(body)
        .data.map((row) => row[column])
        .filter((value) => typeof value === 'string' || typeof value === 'number')
      const sorted = present.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0))
      assert.deepEqual(
        present,
        order.startsWith('-') ? sorted.toReversed() : sorted,
        `${endpoint.id} by ${order}`,
      )
    }
  }
})
