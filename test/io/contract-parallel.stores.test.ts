import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { adminPortEndpoints } from '../../src/core/contract/contract.js'
import { isAudited } from '../../src/core/contract/endpoint.js'
import { ERRORS } from '../../src/core/errors.js'
import { callOf } from '../support/calls/all.js'
import { type ContractPort, startContractPort } from '../support/contract-port.js'

const PARALLEL = 50

async function auditEntries({ database }: ContractPort): Promise<number> {
  const { rows } = await database.postgres.query<{ count: string }>('SELECT count(*) AS count FROM audit_log')
  return Number(rows[0]?.count)
}

test('of 50 creations of one name at once one succeeds and 49 are told that it exists', async (t) => {
  await using port = await startContractPort()
  const creations = adminPortEndpoints.filter(
    ({ reply, errors }) => '201' in reply && errors.includes('already_exists'),
  )
  assert.ok(creations.length >= 4)
  for (const endpoint of creations) {
    const { path, body } = await callOf(port, endpoint)
    const before = await auditEntries(port)
    const replies = await Promise.all(
      Array.from({ length: PARALLEL }, () => port.send(endpoint.method, path, body)),
    )
    const created = replies.filter(({ status }) => status === 201)
    const refused = replies.filter(
      (reply) => reply.status === 409 && reply.body['error']?.['code'] === 'already_exists',
    )
    t.diagnostic(`${endpoint.id}: ${created.length} × 201, ${refused.length} × 409`)
    assert.deepEqual([created.length, refused.length], [1, PARALLEL - 1], endpoint.id)
    assert.ok(refused.every((reply) => reply.body['error']?.['param']))
    assert.equal((await auditEntries(port)) - before, 1, endpoint.id)
  }
  assert.deepEqual(port.failures, [])
})

test('50 POSTs at once with one Idempotency-Key are one change and 50 equal replies', async (t) => {
  await using port = await startContractPort()
  for (const endpoint of adminPortEndpoints.filter(({ method }) => method === 'POST')) {
    const { path, body, headers: own, refused } = await callOf(port, endpoint)
    const before = await auditEntries(port)
    const headers = { ...own, 'idempotency-key': randomUUID() }
    const replies = await Promise.all(
      Array.from({ length: PARALLEL }, () => port.send('POST', path, body, headers)),
    )
    const [first] = replies
    const expected = refused === undefined ? Object.keys(endpoint.reply) : [`${ERRORS[refused].status}`]
    assert.ok(first !== undefined && expected.includes(`${first.status}`), `${endpoint.id}: ${first?.status}`)
    const shown = replies.map((reply) =>
      JSON.stringify([reply.status, reply.headers.get('etag'), reply.body]),
    )
    assert.equal(new Set(shown).size, 1, endpoint.id)
    assert.equal(
      first.headers.get('etag') !== null,
      endpoint.versioned === true && refused === undefined,
      endpoint.id,
    )
    assert.equal(new Set(replies.map((reply) => reply.headers.get('x-request-id'))).size, PARALLEL)
    const changes = isAudited(endpoint) && refused === undefined
    assert.equal((await auditEntries(port)) - before, changes ? 1 : 0, endpoint.id)
    t.diagnostic(`${endpoint.id}: ${PARALLEL} equal replies, ${first.status}`)
  }
  assert.deepEqual(port.failures, [])
})
