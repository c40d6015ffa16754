import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startSimulatedNode } from '../../bench/nodes.js'
import type { AdminServedRequest } from '../../src/core/client/admin-api.js'
import { startTestGateway } from '../support/gateway.js'
import { eventually } from '../support/processes.js'
import { metricOf } from '../support/usage-audit.js'

test('an admin is told how a plain, a queued, a retried, a resumed and a refused request were served', async (t) => {
  await using gateway = await startTestGateway()
  await using good = await startSimulatedNode({ ttftMs: 5, itlMs: 5 })
  await using bad = await startSimulatedNode({ ttftMs: 5, itlMs: 5 })
  const { key } = await gateway.createTenant({ tier: 'enterprise' })

  const ask = async (model: string, body: object = {}) => {
    const reply = await fetch(`${gateway.url}/v1/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}` },
      body: JSON.stringify({ model, prompt: 'Once', max_tokens: 8, stream: true, ...body }),
    })
    await reply.text()
    return { status: reply.status, requestId: reply.headers.get('x-request-id') ?? '' }
  }
  const explained = async (requestId: string): Promise<AdminServedRequest> => {
    const found: AdminServedRequest[] = []
    await eventually(`${requestId} is explained`, async () => {
      const reply = await gateway.client.requests.get({ params: { request_id: requestId } }).catch(() => null)
      if (reply?.body.explained === true) found.push(reply.body)
      // Refused requests have no usage record.
      return found.length > 0 && (found.at(-1)?.usage !== null || found.at(-1)?.attempts.length === 0)
    })
    const last = found.at(-1)
    assert.ok(last !== undefined)
    return last
  }
  /** The phases must account for the whole time, and something must have been spent in those that are named. */
  const check = (name: string, told: AdminServedRequest, spentIn: readonly string[]) => {
    assert.ok(told.phases !== null)
    const phases = Object.entries<number>({ ...told.phases })
    const sum = phases.reduce((total, [, ms]) => total + ms, 0)
    assert.ok(Math.abs(sum - told.latency_ms) < 0.01, `${name}: ${sum} of ${told.latency_ms} ms`)
    for (const phase of spentIn) {
      assert.ok((phases.find(([key]) => key === phase)?.[1] ?? 0) > 0, `${name}: nothing in ${phase}`)
    }
    const attempts = told.attempts.map(({ reason, outcome }) => `${reason} ${outcome}`)
    const spent = phases.filter(([, ms]) => ms > 0).map(([key, ms]) => `${key} ${ms.toFixed(2)}`)
    t.diagnostic(`${name}: ${told.latency_ms.toFixed(2)} ms = ${spent.join(' + ')}; ${attempts.join(', ')}`)
    return attempts
  }

  await gateway.serve('plain', { 'plain-1': good })
  const plain = await explained((await ask('plain')).requestId)
  assert.deepEqual(check('plain', plain, ['first_token_ms', 'stream_ms']), ['first ok'])
  assert.equal(plain.attempts[0]?.considered[0]?.node, 'plain-1')

  const queuedId = await gateway.createModel('queued')
  await gateway.addNode('queued', 'queued-1', good, { max_concurrency: 1 })
  await gateway.setRoute(queuedId, { queue: { max_depth: 1 } })
  await gateway.live()
  // Holds the first one's stream until the third has been refused.
  await good.setFault({ kind: 'slow', factor: 100 })
  const holding = ask('queued', { max_tokens: 60 })
  await eventually('the node is full', () => good.stats().running === 1)
  const waiting = ask('queued')
  await eventually(
    'the second waits',
    async () => (await metricOf(gateway, 'crosslogic_queued_requests')) === 1,
  )
  const refused = await ask('queued')
  assert.equal(refused.status, 503)
  await good.clearFault('slow')
  await holding
  const queued = await explained((await waiting).requestId)
  assert.deepEqual(check('queued', queued, ['queue_ms', 'stream_ms']), ['first ok'])
  assert.equal(queued.queue_position, 1)
  const refusal = await explained(refused.requestId)
  assert.deepEqual(check('refused', refusal, []), [])
  assert.deepEqual([refusal.status, refusal.error_code, refusal.usage], [503, 'queue_full', null])

  await bad.setFault({ kind: 'http_500' })
  await gateway.serve('retried', { 'retried-1': bad, 'retried-2': good }, { strategy: 'round-robin' })
  const asked = await Promise.all([1, 2, 3, 4].map(() => ask('retried')))
  const told = await Promise.all(asked.map(({ requestId }) => explained(requestId)))
  const retried = told.find(({ attempts }) => attempts.length === 2)
  assert.ok(retried !== undefined, 'no request met the node that fails')
  assert.deepEqual(check('retried', retried, ['first_token_ms', 'stream_ms']), [
    'first upstream_error',
    'retry ok',
  ])

  await bad.clearFault('http_500')
  await bad.setFault({ kind: 'die_after_tokens', after_tokens: 3 })
  await gateway.serve('resumed', { 'resumed-1': bad, 'resumed-2': good }, { strategy: 'round-robin' })
  const streams = await Promise.all([1, 2, 3, 4].map(() => ask('resumed')))
  const continued = await Promise.all(streams.map(({ requestId }) => explained(requestId)))
  const resumed = continued.find(({ seams }) => seams.length === 1)
  assert.ok(resumed !== undefined, 'no stream met the node that fails')
  assert.deepEqual(check('resumed', resumed, ['first_token_ms', 'stream_ms']), [
    'first upstream_connection_lost',
    'resume ok',
  ])
  assert.deepEqual([resumed.seams[0]?.after_tokens, resumed.usage?.resumed], [3, 1])

  const own = await fetch(`${gateway.url}/v1/requests/${resumed.request_id}`, {
    headers: { authorization: `Bearer ${key}` },
  })
  assert.equal(own.status, 200)
  const text = await own.text()
  assert.ok(!text.includes('resumed-1'), 'a tenant is shown the name of a node')
})
