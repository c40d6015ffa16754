import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Client } from 'pg'
import { z } from 'zod'
import { startSimulatedNode, type SimulatedNode } from '../../bench/nodes.js'
import { quantile } from '../../bench/statistics.js'
import { tenantPortDocumented } from '../../src/core/contract/contract.js'
import type { DocumentedEndpoint, TenantEndpoint } from '../../src/core/contract/endpoint.js'
import { newRequestId } from '../../src/io/request-id.js'
import { startTestGateway, type NewKey, type TestGateway } from '../support/gateway.js'
import { type Foreign, type Probe, type ProbeRequest, probesOf } from '../support/isolation-probes.js'
import { eventually } from '../support/processes.js'
import { numberedId } from '../support/spool.js'
import { startStores, type Stores } from '../support/stores.js'

/*
 * Tenant A has all that a tenant can have. Tenant B, by the key of an admin, tries every route that the contract
 * declares with it, whatever routes there are: one that takes something unknown fails until it is thought about.
 */

const ROUNDS = 200
const SECRET = 'acme-secret'
const OPEN = 'open-model'

const isTenants = (endpoint: DocumentedEndpoint): endpoint is TenantEndpoint => endpoint.auth === 'key'
/** Bodies of inference go to a node; what a key may not use there is a 403 by the wire contract. */
const ROUTES = tenantPortDocumented
  .filter(isTenants)
  .filter(({ id, method }) => !(id.startsWith('inference.') && method === 'POST'))

let stores: Stores
let gateway: TestGateway
let node: SimulatedNode
let postgres: Client
let a: NewKey & { readonly tenantId: string }
let b: string
let foreign: Foreign
/** Texts that a reply to B must not hold. */
let secrets: string[]

before(async () => {
  node = await startSimulatedNode()
  stores = await startStores({ redis: true })
  gateway = await startTestGateway({}, stores)
  postgres = new Client({ connectionString: stores.databaseUrl })
  await postgres.connect()
  const secretModel = `${SECRET}/model`
  await gateway.serve(OPEN, { open: node })
  const modelId = await gateway.serve(secretModel, { secret: node })
  const tenantA = await gateway.createTenant({ name: SECRET })
  const { body: environment } = await gateway.client.environments.create({
    params: { id: tenantA.id },
    body: { name: `${SECRET}-env` },
  })
  const key = await gateway.createKey(tenantA.id, {
    name: `${SECRET}-key`,
    role: 'admin',
    environment: environment.id,
  })
  a = { ...key, tenantId: tenantA.id }
  b = (await gateway.createTenant({ allowed_models: [OPEN] })).key
  const requestIds = [
    await complete(a.key, secretModel),
    await complete(a.key, OPEN),
    await complete(a.key, OPEN),
  ]
  const own = await complete(b, OPEN)
  await Promise.all([...requestIds, own].map((id) => gateway.usage(id)))
  await eventually('the requests are explained or recorded', async () => {
    const replies = await Promise.all(
      requestIds.map((id) => ask(a.key, 'GET', { path: `/v1/requests/${id}` })),
    )
    return replies.every(({ status }) => status === 200)
  })
  const [requestId = ''] = requestIds
  secrets = [SECRET, tenantA.id, key.id, environment.id, modelId, ...requestIds]
  foreign = {
    key_id: { existing: key.id, never: numberedId(0xa1) },
    api_key_id: { existing: key.id, never: numberedId(0xa2) },
    environment: { existing: environment.id, never: numberedId(0xa3) },
    search: { existing: key.key.slice(0, 16), never: 'clsk_live_0000000' },
    request_id: { existing: requestId, never: newRequestId(Date.now()) },
    model_id: { existing: secretModel, never: 'no-such/model' },
    model: { existing: secretModel, never: 'no-such/model' },
    cursor: { existing: await cursorOf(a.key), never: await cursorOf(b) },
  }
})
after(async () => {
  await postgres.end()
  await gateway[Symbol.asyncDispose]()
  await stores[Symbol.asyncDispose]()
  await node.close()
})

async function complete(key: string, model: string): Promise<string> {
  const reply = await ask(key, 'POST', {
    path: '/v1/completions',
    body: { model, prompt: 'Once', max_tokens: 3 },
  })
  assert.equal(reply.status, 200, reply.text)
  return reply.requestId
}

async function ask(key: string, method: string, { path, body }: ProbeRequest) {
  const reply = await fetch(gateway.url + path, {
    method,
    headers: { authorization: `Bearer ${key}` },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  return {
    status: reply.status,
    requestId: reply.headers.get('x-request-id') ?? '',
    text: await reply.text(),
  }
}

/** A cursor into a tenant's records; '' while no route of this contract has pages by cursor. */
async function cursorOf(key: string): Promise<string> {
  const paged = ROUTES.find(({ query }) => query !== undefined && 'cursor' in query.shape)
  if (paged === undefined) return ''
  const { text } = await ask(key, 'GET', { path: `${paged.path}?limit=1` })
  return z.object({ next_cursor: z.string().nullable() }).parse(JSON.parse(text)).next_cursor ?? ''
}

/** When a reply was made, where it says so. */
const NOW = /"end":"[^"]*"/

/** What a caller learns from a reply: all of it but its own request id, the time and what was asked with. */
async function learned(
  key: string,
  { method, pair }: Probe,
  which: 'existing' | 'never',
  request: ProbeRequest,
) {
  const { status, requestId, text } = await ask(key, method, request)
  return `${status} ${text.replaceAll(requestId, '').replaceAll(pair[which], '').replace(NOW, '')}`
}

const probes = () => ROUTES.flatMap((endpoint) => probesOf(endpoint, foreign))

/** All rows of A in the tables that tenants can change. */
async function rowsOfA(): Promise<unknown> {
  const { rows } = await postgres.query<{ rows: unknown }>(
    `SELECT jsonb_build_array(
      (SELECT jsonb_agg(to_jsonb(t)) FROM tenants t WHERE id = $1),
      (SELECT jsonb_agg(to_jsonb(e) ORDER BY id) FROM environments e WHERE tenant_id = $1),
      (SELECT jsonb_agg(to_jsonb(k) - 'last_used_at' ORDER BY id) FROM api_keys k WHERE tenant_id = $1)
    ) AS rows`,
    [a.tenantId],
  )
  const usage = await gateway.query(
    `SELECT count() AS n, sum(cost_nanos) AS cost FROM usage_records WHERE tenant_id = '${a.tenantId}'`,
  )
  return [rows, usage]
}

test('what A has is there for A, so that the walk would see it', async () => {
  for (const { id, method, path, params } of ROUTES) {
    if (method !== 'GET') continue
    const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => foreign[name]?.existing ?? '')
    const { status, text } = await ask(a.key, 'GET', { path: filled })
    assert.equal(status, 200, `${id}: ${text}`)
    if (params !== undefined)
      assert.ok(
        secrets.some((secret) => text.includes(secret)),
        id,
      )
  }
})

test('lists and totals show B nothing of A', async () => {
  for (const { id, method, path, params } of ROUTES) {
    if (method !== 'GET' || params !== undefined) continue
    const { status, text } = await ask(b, 'GET', { path })
    assert.equal(status, 200, `${id}: ${text}`)
    for (const secret of secrets) assert.ok(!text.includes(secret), `${id} tells B of ${secret}: ${text}`)
  }
})

test('to B what A has and what never existed are the same, byte by byte, and nothing of A changes', async () => {
  const before = await rowsOfA()
  assert.ok(probes().length > 0)
  for (const probe of probes()) {
    // Figures of a minute that has just passed may differ: then both are asked again.
    for (let attempt = 1; ; attempt++) {
      const existing = await learned(b, probe, 'existing', probe.existing)
      const never = await learned(b, probe, 'never', probe.never)
      for (const secret of secrets) assert.ok(!existing.includes(secret), `${probe.what}: ${existing}`)
      const isFilter = probe.what.includes('?')
      if (!isFilter) assert.match(existing, /^404 /, probe.what)
      // Where a cursor leads depends on where it points, in B's own records.
      if (probe.what.includes('?cursor')) break
      if (existing === never) break
      if (attempt === 2) assert.equal(existing, never, probe.what)
    }
  }
  assert.deepEqual(await rowsOfA(), before)
})

test('the time that it takes is that of what never existed: medians', async (t) => {
  for (const probe of probes()) {
    // Of a filter that finds nothing there is only the time that finding nothing takes.
    if ((await ask(b, probe.method, probe.existing)).status !== 404) continue
    const times = { existing: [] as number[], never: [] as number[] }
    for (let round = 0; round < ROUNDS; round++) {
      // In turns, each as often first.
      const order = round % 2 === 0 ? (['existing', 'never'] as const) : (['never', 'existing'] as const)
      for (const which of order) {
        const from = performance.now()
        await ask(b, probe.method, probe[which])
        times[which].push(performance.now() - from)
      }
    }
    const median = (ms: number[]) =>
      `${quantile(
        ms.toSorted((x, y) => x - y),
        0.5,
      ).toFixed(3)} ms`
    t.diagnostic(`${probe.what}: A's ${median(times.existing)}, never existed ${median(times.never)}`)
  }
})
