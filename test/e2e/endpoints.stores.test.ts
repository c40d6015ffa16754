import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { z } from 'zod'
import { startKillableNode, type KillableNode } from '../../bench/node-fleet.js'
import { createTenantClient } from '../../src/core/client/client.js'
import { getEndpoint, listEndpoints } from '../../src/core/contract/endpoints.js'
import { startTestGateway, type TestGateway } from '../support/gateway.js'
import { eventually } from '../support/processes.js'
import { startStoppableStores, type StoppableStores } from '../support/stoppable-stores.js'

/** From a change, or a failure that the data plane has met, until callers see it; printed, and no fault of a slow machine. */
const PROMISED_MS = 1_000
const MODEL = 'acme/discovered'
const HEALTH_CHECK = {
  interval_seconds: 0.5,
  timeout_seconds: 1,
  unhealthy_threshold: 1,
  healthy_threshold: 1,
}

let stores: StoppableStores
let gateway: TestGateway
let one: KillableNode
let two: KillableNode
let key: string
let modelId: string

before(async () => {
  stores = await startStoppableStores()
  one = await startKillableNode(['--model', MODEL])
  two = await startKillableNode(['--model', MODEL])
  gateway = await startTestGateway({}, stores)
  key = (await gateway.createTenant()).key
  modelId = await gateway.createModel(MODEL, {
    aliases: ['found'],
    price_cached_input_per_million: 0.25,
    tokens_per_second_capacity: 1_000,
  })
  await gateway.addNode(MODEL, 'one', one)
  await gateway.addNode(MODEL, 'two', two)
  await gateway.setRoute(modelId, {
    strategy: 'round-robin',
    health_check: HEALTH_CHECK,
    queue: { max_depth: 0, max_wait_ms: 0 },
  })
  await gateway.live()
})
after(async () => {
  await gateway[Symbol.asyncDispose]()
  await two[Symbol.asyncDispose]()
  await one[Symbol.asyncDispose]()
  await stores[Symbol.asyncDispose]()
})

async function get(path: string, apiKey = key) {
  const reply = await fetch(gateway.url + path, { headers: { authorization: `Bearer ${apiKey}` } })
  return { status: reply.status, body: await reply.json() }
}

const shown = async () => getEndpoint.reply[200].parse((await get(`/v1/endpoints/${modelId}`)).body)
const listed = async (apiKey = key, query = '') =>
  listEndpoints.reply[200]
    .parse((await get(`/v1/endpoints${query}`, apiKey)).body)
    .data.map(({ model_name }) => model_name)
const state = async () => {
  const { status, healthy_nodes, capacity_tps } = await shown()
  return [status, healthy_nodes, capacity_tps]
}

/** Waits until the model is shown in a state. @returns the milliseconds from `from` until it was asked for */
async function becomes(wanted: readonly unknown[], from: number): Promise<number> {
  let askedAt = 0
  await eventually(`${wanted.join(' ')}, not ${(await state()).join(' ')}`, async () => {
    askedAt = performance.now()
    return JSON.stringify(await state()) === JSON.stringify(wanted)
  })
  return askedAt - from
}

async function complete(): Promise<number> {
  const reply = await fetch(`${gateway.url}/v1/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}` },
    body: JSON.stringify({ model: MODEL, prompt: 'Once', max_tokens: 3, stream: true }),
  })
  await reply.arrayBuffer()
  return reply.status
}

const AVAILABLE = ['available', 2, 2_000]

test('a model is found by id, name and alias, with its price, capacity and base URL', async () => {
  await becomes(AVAILABLE, performance.now())
  const { body } = await get(`/v1/endpoints/${modelId}`)
  assert.deepEqual(
    { ...getEndpoint.reply[200].parse(body), avg_latency_ms: null, p95_ttft_ms: null },
    {
      model_id: modelId,
      model_name: MODEL,
      family: 'sim',
      type: 'chat',
      context_length: 1_000_000,
      price_input_per_million: 1,
      price_output_per_million: 2,
      price_cached_input_per_million: 0.25,
      status: 'available',
      avg_latency_ms: null,
      p95_ttft_ms: null,
      capacity_tps: 2_000,
      healthy_nodes: 2,
      base_url: `http://127.0.0.1:${gateway.port}/v1`,
    },
  )
  for (const name of [modelId.toUpperCase(), MODEL, encodeURIComponent(MODEL), 'found']) {
    const again = await get(`/v1/endpoints/${name}`)
    assert.equal(getEndpoint.reply[200].parse(again.body).model_id, modelId, name)
  }
  const client = createTenantClient({ baseUrl: gateway.url, apiKey: key })
  const list = await client.endpoints.list({ query: { type: 'chat' } })
  assert.deepEqual(
    list.body.data.map(({ model_id }) => model_id),
    [modelId],
  )
  const single = await client.endpoints.get({ params: { model_id: MODEL } })
  assert.equal(single.body.model_id, modelId)
})

test('the list takes a type, and names what it does not take', async () => {
  assert.deepEqual(await listed(key, '?type=chat'), [MODEL])
  assert.deepEqual(await listed(key, '?type=embedding'), [])
  const Refusal = z.object({ error: z.object({ code: z.string(), param: z.string() }) })
  for (const [path, status, code, param] of [
    ['/v1/endpoints?type=image', 400, 'invalid_parameter', 'type'],
    ['/v1/endpoints?type=', 400, 'invalid_parameter', 'type'],
    ['/v1/endpoints?type=chat&type=chat', 400, 'invalid_parameter', 'type'],
    ['/v1/endpoints?limit=3', 400, 'unknown_parameter', 'limit'],
    [`/v1/endpoints/${MODEL}?type=chat`, 400, 'unknown_parameter', 'type'],
    ['/v1/endpoints/no-such-model', 404, 'model_not_found', 'model_id'],
    ['/v1/endpoints/%00', 404, 'model_not_found', 'model_id'],
  ] as const) {
    const reply = await get(path)
    assert.deepEqual([reply.status, Refusal.parse(reply.body).error], [status, { code, param }], path)
  }
})

test('a key sees only what it may use, and nothing of the rest', async () => {
  const other = await gateway.createModel('other')
  const { id } = await gateway.createTenant({ allowed_models: ['other'] })
  const bound = await gateway.createKey(id)
  await gateway.live()
  assert.deepEqual(await listed(bound.key), [])
  for (const name of [modelId, MODEL, 'found']) {
    assert.equal((await get(`/v1/endpoints/${name}`, bound.key)).status, 404, name)
  }
  // In the catalogue, without a node.
  const { body } = await get(`/v1/endpoints/${other}`, bound.key)
  assert.equal(getEndpoint.reply[200].parse(body).status, 'unavailable')
})

test('figures of all tenants appear while the model is used, and are missing alone while ClickHouse is away', async () => {
  const stranger = await gateway.createTenant()
  assert.equal(await complete(), 200)
  const figures = async () => {
    const { body } = await get(`/v1/endpoints/${modelId}`, stranger.key)
    const { avg_latency_ms, p95_ttft_ms } = getEndpoint.reply[200].parse(body)
    return { avg_latency_ms, p95_ttft_ms }
  }
  await eventually('the figures are there', async () => (await figures()).p95_ttft_ms !== null)
  assert.ok(((await figures()).avg_latency_ms ?? 0) > 0)
  stores.clickhouse.hang()
  try {
    await eventually('old figures are not shown', async () => (await figures()).p95_ttft_ms === null, 60_000)
    await becomes(AVAILABLE, performance.now())
    assert.deepEqual(await listed(), [MODEL])
  } finally {
    stores.clickhouse.resume()
  }
  await eventually('they come back', async () => (await figures()).p95_ttft_ms !== null, 60_000)
})

test('nodes that drain, die and come back are seen', async (t) => {
  const lags: Record<string, number> = {}
  const within = async (what: string, wanted: readonly unknown[], from: number) => {
    lags[what] = await becomes(wanted, from)
  }
  await becomes(AVAILABLE, performance.now())
  const change = (verb: 'drain' | 'undrain') =>
    gateway.admin('POST', `/admin/nodes/one/${verb}`, z.unknown(), {})

  let from = performance.now()
  await change('drain')
  await within('drained', ['available', 1, 1_000], from)
  from = performance.now()
  await change('undrain')
  await within('undrained', AVAILABLE, from)

  // Requests meet the failure, as they do at a busy model.
  const kill = async (what: string, node: KillableNode, wanted: readonly unknown[]) => {
    await node.kill()
    let seen = false
    const busy = (async () => {
      while (!seen) await complete()
    })()
    try {
      await within(what, wanted, performance.now())
    } finally {
      seen = true
      await busy
    }
  }
  await kill('one killed', one, ['degraded', 1, 1_000])
  assert.deepEqual(await listed(), [MODEL])
  await kill('both killed', two, ['unavailable', 0, 0])
  assert.deepEqual(await listed(), [])
  await one.restart()
  await two.restart()
  for (const [what, ms] of Object.entries(lags))
    t.diagnostic(`${what}: ${ms.toFixed(0)} ms (promised: ${PROMISED_MS})`)
  const back = await becomes(AVAILABLE, performance.now())
  t.diagnostic(`back, found by the health checks: ${back.toFixed(0)} ms`)
  assert.deepEqual(await listed(), [MODEL])
})

test('with every store away what is known is shown', async () => {
  await becomes(AVAILABLE, performance.now())
  await stores.clickhouse.kill()
  stores.postgres.hang()
  stores.redis.hang()
  try {
    assert.deepEqual(await listed(), [MODEL])
    assert.equal((await shown()).price_output_per_million, 2)
  } finally {
    stores.redis.resume()
    stores.postgres.resume()
    stores.clickhouse.resume()
  }
})
