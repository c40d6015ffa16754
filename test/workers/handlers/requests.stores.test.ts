import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { getOwnRequest, getServedRequest } from '../../../src/core/contract/requests.js'
import type { ServedRequest } from '../../../src/core/explanation.js'
import { newRequestId } from '../../../src/io/request-id.js'
import { refusal, startContractPort, type ContractPort } from '../../support/contract-port.js'
import {
  consideredNode,
  explainedAttempt,
  explainRequests,
  servedRequest,
} from '../../support/explanations.js'
import { numberedId, TENANT_ID } from '../../support/spool.js'
import { startTenantPort } from '../../support/tenant-port.js'
import { freshUsageStore, recordUsage } from '../../support/usage-store.js'

const HOUR_MS = 3_600_000

/** An id as a request gets it that comes now, or so long ago. */
const requestId = (agoMs = 0) => newRequestId(Date.now() - agoMs)

async function adminView(port: ContractPort, id: string) {
  const { status, body } = await port.send('GET', `/admin/requests/${id}`)
  assert.equal(status, 200, JSON.stringify(body))
  assert.deepEqual(getServedRequest.reply[200].parse(body), body)
  return getServedRequest.reply[200].parse(body)
}

/** A stream that broke at its first node and went on at another one, after it had waited. */
function resumedRequest(id: string, startedMs: number): ServedRequest {
  return servedRequest(1, {
    requestId: id,
    startedAtMicros: startedMs * 1000,
    servedModel: 'llama-3.1-70b-instruct',
    servedBecause: 'fallback',
    e2eMicros: 3_500_500,
    queuePosition: 4,
    limits: [
      { limit: 'tokens', scope: 'key', max: 40_000, remaining: 12_345 },
      { limit: 'spend', scope: 'tenant', max: 2_500_000_000, remaining: 1_000_000 },
    ],
    phases: {
      authMicros: 500,
      bodyMicros: 0,
      limitsMicros: 100,
      admitMicros: 150,
      queueMicros: 900_000,
      routeMicros: 250,
      connectMicros: 1_000,
      firstTokenMicros: 98_000,
      streamMicros: 2_500_000,
      settleMicros: 500,
    },
    attempts: [
      explainedAttempt({
        outcome: 'upstream_connection_lost',
        considered: [
          consideredNode(5),
          consideredNode(6, { load: 17, predictedTtftMs: null, warmth: 0.25 }),
          consideredNode(7, { unavailable: 'draining' }),
        ],
      }),
      explainedAttempt({
        nodeId: numberedId(6),
        node: 'gpu-6',
        reason: 'resume',
        chosenBy: 'sticky',
        connectedAtMicros: null,
        sentAtMicros: 1_100_000,
        firstTokenAtMicros: 1_140_125,
        endedAtMicros: 3_500_000,
        considered: [],
      }),
    ],
    seams: [
      {
        fromNode: numberedId(5),
        toNode: numberedId(6),
        afterTokens: 12,
        atMicros: 1_040_700,
        gapMicros: 99_425,
        cause: 'upstream_connection_lost',
      },
    ],
  })
}

test('an admin sees all of how a request was served, and what was billed for it', async () => {
  await using store = await freshUsageStore()
  await using port = await startContractPort({ clickhouseUrl: store.url })
  const startedMs = Date.now() - 5000
  const id = newRequestId(startedMs)
  await explainRequests(store, [resumedRequest(id, startedMs)])
  await recordUsage(store, [
    [
      { requestId: id, startedAtMicros: startedMs * 1000 },
      { attempts: 2, resumed: 1, endedAtMicros: (startedMs + 3500) * 1000 },
    ],
  ])
  const { attempts, seams, usage, phases, limits, ...request } = await adminView(port, id)
  assert.deepEqual(limits, [
    { limit: 'tokens', scope: 'key', max: 40_000, remaining: 12_345 },
    { limit: 'spend', scope: 'tenant', max: 2.5, remaining: 0.001 },
  ])
  assert.deepEqual(request, {
    request_id: id,
    tenant_id: TENANT_ID,
    api_key_id: numberedId(3),
    model: 'llama-3.1-8b-instruct',
    served_model: 'llama-3.1-70b-instruct',
    served_because: 'fallback',
    endpoint: 'chat.completions',
    stream: true,
    status: 200,
    error_code: null,
    started_at: new Date(startedMs).toISOString(),
    latency_ms: 3500.5,
    explained: true,
    unexplained_because: null,
    sampled_at: 1,
    strategy: 'least-latency',
    queue_position: 4,
  })
  assert.deepEqual(phases, {
    auth_ms: 0.5,
    body_ms: 0,
    limits_ms: 0.1,
    admit_ms: 0.15,
    queue_ms: 900,
    route_ms: 0.25,
    connect_ms: 1,
    first_token_ms: 98,
    stream_ms: 2500,
    settle_ms: 0.5,
  })
  const [first, second] = attempts
  assert.deepEqual(
    [first?.node, first?.node_id, first?.reason, first?.chosen_by, first?.candidates, first?.outcome],
    ['gpu-5', numberedId(5), 'first', 'least-latency', 2, 'upstream_connection_lost'],
  )
  assert.deepEqual(first?.considered, [
    {
      node_id: numberedId(5),
      node: 'gpu-5',
      unavailable: null,
      load: 3,
      predicted_ttft_ms: 40,
      weight: 1,
      warmth: 1,
    },
    {
      node_id: numberedId(6),
      node: 'gpu-6',
      unavailable: null,
      load: 17,
      predicted_ttft_ms: null,
      weight: 1,
      warmth: 0.25,
    },
    {
      node_id: numberedId(7),
      node: 'gpu-7',
      unavailable: 'draining',
      load: 3,
      predicted_ttft_ms: 40,
      weight: 1,
      warmth: 1,
    },
  ])
  assert.deepEqual(second, {
    model: 'llama-3.1-8b-instruct',
    node_id: numberedId(6),
    node: 'gpu-6',
    reason: 'resume',
    chosen_by: 'sticky',
    candidates: null,
    considered: [],
    sent_ms: 1100,
    connected_ms: null,
    first_token_ms: 1140.125,
    ended_ms: 3500,
    outcome: 'ok',
  })
  assert.deepEqual(seams, [
    {
      from_node_id: numberedId(5),
      to_node_id: numberedId(6),
      after_tokens: 12,
      at_ms: 1040.7,
      gap_ms: 99.425,
      cause: 'upstream_connection_lost',
    },
  ])
  assert.deepEqual(usage, {
    environment_id: numberedId(2),
    node_id: numberedId(5),
    node: 'gpu-1',
    prompt_tokens: 100,
    completion_tokens: 50,
    cached_tokens: 20,
    total_tokens: 150,
    counted: 'reported',
    cost_usd: 0.0000435,
    attempts: 2,
    resumed: 1,
    client_abort: false,
    failed: false,
    ttft_ms: 120,
    itl_ms: 20,
    overhead_ms: 0.3,
    ended_at: new Date(startedMs + 3500).toISOString(),
  })
})

test('a tenant sees its own attempts, waits and times, and of nodes nothing but their ids', async () => {
  await using port = await startTenantPort()
  const startedMs = Date.now() - 5000
  const id = newRequestId(startedMs)
  await explainRequests(port.store, [resumedRequest(id, startedMs)])
  const { status, body } = await port.get(`/v1/requests/${id}`)
  assert.equal(status, 200)
  const shown = getOwnRequest.reply[200].parse(body)
  assert.deepEqual(shown, body)
  assert.doesNotMatch(JSON.stringify(body), /gpu-|least-latency|sticky|load|weight|considered|tenant_id/)
  assert.deepEqual(shown.attempts[0], {
    model: 'llama-3.1-8b-instruct',
    node_id: numberedId(5),
    reason: 'first',
    candidates: 2,
    sent_ms: 0.7,
    connected_ms: 0.65,
    first_token_ms: 40.7,
    ended_ms: 1040.7,
    outcome: 'upstream_connection_lost',
  })
  assert.equal(shown.phases?.queue_ms, 900)
  assert.deepEqual([shown.seams.length, shown.usage], [1, null])
})

test("another tenant's request does not exist, explained or not", async () => {
  await using port = await startTenantPort()
  const [explained, used, own] = [requestId(), requestId(), requestId()]
  const other = { tenantId: numberedId(99) }
  await explainRequests(port.store, [servedRequest(1, { ...other, requestId: explained })])
  await recordUsage(port.store, [
    [{ ...other, requestId: used }, {}],
    [{ requestId: own }, {}],
  ])
  for (const id of [explained, used, requestId()]) {
    const { status, body } = await port.get(`/v1/requests/${id}`)
    assert.equal(status, 404)
    const { error } = body as { error: { code: string; message: string } }
    assert.equal(error.code, 'not_found')
    assert.match(error.message, /a few seconds/)
  }
  assert.equal((await port.get(`/v1/requests/${own}`)).status, 200)
  assert.equal((await port.get(`/v1/requests/${own.toUpperCase()}`)).body['request_id'], own)
})

test('a request that was not kept is told by its usage record, and why that is all', async () => {
  await using store = await freshUsageStore()
  await using port = await startContractPort({ clickhouseUrl: store.url })
  const [plain, lost] = [requestId(), requestId()]
  await recordUsage(store, [
    [{ requestId: plain }, {}],
    [{ requestId: lost }, { status: 502, errorCode: 'gateway_lost', counted: 'estimated' }],
  ])
  const shown = await adminView(port, plain)
  assert.deepEqual(
    [shown.explained, shown.unexplained_because, shown.phases, shown.attempts, shown.latency_ms],
    [false, 'not_kept', null, [], 1100],
  )
  assert.equal(shown.usage?.cost_usd, 0.0000435)
  const other = await adminView(port, lost)
  assert.deepEqual([other.unexplained_because, other.error_code], ['gateway_lost', 'gateway_lost'])
})

test('a refused request is explained without a usage record', async () => {
  await using store = await freshUsageStore()
  await using port = await startContractPort({ clickhouseUrl: store.url })
  const id = requestId()
  await explainRequests(store, [
    servedRequest(1, { requestId: id, status: 503, errorCode: 'queue_full', attempts: [] }),
  ])
  const shown = await adminView(port, id)
  assert.deepEqual([shown.status, shown.error_code, shown.usage], [503, 'queue_full', null])
})

test('a stream that ran for days is found, and so is a row that was sent twice, once', async () => {
  await using store = await freshUsageStore()
  await using port = await startContractPort({ clickhouseUrl: store.url })
  const id = requestId(60 * HOUR_MS)
  const row = servedRequest(1, { requestId: id, startedAtMicros: (Date.now() - 60 * HOUR_MS) * 1000 })
  await explainRequests(store, [row])
  await explainRequests(store, [row])
  await recordUsage(store, [[{ requestId: id }, { completionTokens: 7 }]])
  const shown = await adminView(port, id)
  assert.deepEqual([shown.explained, shown.usage?.completion_tokens], [true, 7])
})

test('what is no id of a request is refused: a 400 for what is no UUID, else a 404', async () => {
  await using store = await freshUsageStore()
  await using port = await startContractPort({ clickhouseUrl: store.url })
  const ask = async (id: string) => refusal(await port.send('GET', `/admin/requests/${id}`))
  for (const id of ['1', 'x', '%00', `${requestId()}0`, requestId().replaceAll('-', '')]) {
    assert.deepEqual(await ask(id), [400, 'invalid_parameter', 'request_id'], id)
  }
  const ids = [
    '00000000-0000-0000-0000-000000000000',
    'ffffffff-ffff-ffff-ffff-ffffffffffff',
    'ffffffff-ffff-7fff-bfff-ffffffffffff',
    '00000000-0000-7000-8000-000000000000',
    '3f2c8f0e-6a54-4b7e-9d0a-0d6d5c1b2a39',
  ]
  for (const id of ids) assert.deepEqual(await ask(id), [404, 'not_found', 'request_id'], id)
})

test('without ClickHouse it is a 503', async () => {
  await using port = await startContractPort()
  const refused = await port.send('GET', `/admin/requests/${requestId()}`)
  assert.deepEqual(refusal(refused), [503, 'overloaded', null])
})

test('the phases of every reply add up to its latency', async () => {
  await using store = await freshUsageStore()
  await using port = await startContractPort({ clickhouseUrl: store.url })
  const micros = fc.double({ min: 0, max: 60_000_000, noNaN: true })
  const parts = fc.sample(fc.array(micros, { minLength: 10, maxLength: 10 }), 25)
  const requests = parts.map(([a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0, i = 0, j = 0]) =>
    servedRequest(1, {
      requestId: requestId(),
      e2eMicros: a + b + c + d + e + f + g + h + i + j,
      phases: {
        authMicros: a,
        bodyMicros: b,
        admitMicros: c,
        queueMicros: d,
        routeMicros: e,
        connectMicros: f,
        firstTokenMicros: g,
        streamMicros: h,
        settleMicros: i,
        limitsMicros: j,
      },
    }),
  )
  await explainRequests(store, requests)
  for (const { requestId: id, e2eMicros } of requests) {
    const { phases, latency_ms } = await adminView(port, id)
    const sum = Object.values(phases ?? {}).reduce((total, part) => total + Math.round(part * 1000), 0)
    assert.equal(sum, Math.round(latency_ms * 1000))
    assert.ok(Math.abs(sum - e2eMicros) <= 0.51)
  }
})
