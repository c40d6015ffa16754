import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { startSimulatedNode, type SimulatedNode } from '../../bench/nodes.js'
import { generateApiKey } from '../../src/core/api-key.js'
import { startTestGateway, type NewKey, type TestGateway } from '../support/gateway.js'
import { LoadClient, planRequests, type ClientView } from '../support/load.js'
import { eventually } from '../support/processes.js'
import { startStoppableStores, type StoppableStores, type StoreKind } from '../support/stoppable-stores.js'
import { allRows, faultOf, ledgersOf } from '../support/usage-audit.js'

const Ready = z.object({ status: z.string(), parts: z.record(z.string(), z.string()).optional() })
const Failure = z.object({ error: z.object({ code: z.string() }) })
/** A look-up waits a second and a half for Postgres, and before that a moment for Redis; the rest is for a slow machine. */
const FAST_MS = 10_000

let stores: StoppableStores
let node: SimulatedNode
let gateway: TestGateway
let tenant: NewKey
/** All requests of the known key, over all outages. */
const views: ClientView[] = []

before(async () => {
  stores = await startStoppableStores()
  node = await startSimulatedNode()
  gateway = await startTestGateway({}, stores)
  tenant = await gateway.createTenant()
  await gateway.serve('sim', { one: node })
})

after(async () => {
  await gateway[Symbol.asyncDispose]()
  await node.close()
  await stores[Symbol.asyncDispose]()
})

async function ready(): Promise<z.infer<typeof Ready>> {
  const reply = await fetch(`${gateway.url}/ready`)
  assert.equal(reply.status, 200)
  return Ready.parse(await reply.json())
}

/** What a key gets that is well formed and that nobody has ever seen. */
async function askUnknown(): Promise<string> {
  const from = performance.now()
  const reply = await fetch(`${gateway.url}/v1/models`, {
    headers: { authorization: `Bearer ${generateApiKey('live', randomBytes(32))}` },
  })
  const { error } = Failure.parse(await reply.json())
  const ms = performance.now() - from
  assert.ok(ms < FAST_MS, `an unknown key waited ${ms.toFixed(0)} ms`)
  return `${reply.status} ${error.code}`
}

/** A look-up that a slow machine does not finish in time is a 503. */
const unknownIsUnknown = () =>
  eventually('unknown keys are unknown', async () => (await askUnknown()) === '401 invalid_api_key')

/** Takes a store away under the load of a known key, and gives it back. */
async function outage(
  t: TestContext,
  kind: StoreKind,
  how: 'hang' | 'kill',
  during: () => Promise<void>,
): Promise<void> {
  await eventually('the gateway is ready', async () => (await ready()).status === 'ready', 60_000)
  using client = new LoadClient(gateway.port, tenant.key)
  const stop = new AbortController()
  const mix = { faults: 0, leaves: 0, paces: [2, 10], mostTokens: 100 }
  const seen = node.ledger.size
  const load = client.run(planRequests('sim', views.length + 1, mix), () => 6, stop.signal)
  await eventually('the key is known', () => node.ledger.size > seen)
  const goneAt = performance.now()
  await stores[kind][how]()
  try {
    await during()
    stores[kind].resume()
    const backAt = performance.now()
    await eventually('the gateway is ready again', async () => (await ready()).status === 'ready', 60_000)
    const seconds = (from: number, to: number) => ((to - from) / 1000).toFixed(1)
    t.diagnostic(
      `gone for ${seconds(goneAt, backAt)} s, ready again after ${seconds(backAt, performance.now())} s`,
    )
    await sleep(300)
  } finally {
    stores[kind].resume()
    stop.abort()
  }
  const served = await load
  views.push(...served)
  for (const { status, ended, done, plan, text } of served) {
    assert.deepEqual([status, ended], [200, 'complete'], text)
    if (plan.body['stream'] === true) assert.ok(done, text)
  }
  assert.ok(served.length > 0)
  // Whatever the store was, it serves again.
  await unknownIsUnknown()
}

const degraded = (part: string) =>
  eventually(`/ready tells of ${part}`, async () => {
    const { status, parts } = await ready()
    return status === 'degraded' && parts?.[part] !== undefined
  })

/** The control process tells of it too, soon enough for a probe with a short timeout. */
async function adminDegraded(part: string): Promise<void> {
  const from = performance.now()
  const reply = await fetch(`${gateway.adminUrl}/ready`)
  const { status, parts } = Ready.parse(await reply.json())
  const ms = performance.now() - from
  assert.deepEqual([reply.status, status], [200, 'degraded'])
  assert.ok(parts?.[part] !== undefined, part)
  assert.ok(ms < FAST_MS, `/ready of the admin port took ${ms.toFixed(0)} ms`)
}

/** What a report gets that needs ClickHouse. */
async function askUsage(): Promise<void> {
  const from = performance.now()
  const reply = await fetch(`${gateway.url}/v1/usage`, { headers: { authorization: `Bearer ${tenant.key}` } })
  const { error } = Failure.parse(await reply.json())
  const ms = performance.now() - from
  assert.deepEqual([reply.status, error.code], [503, 'overloaded'])
  assert.ok(Number(reply.headers.get('retry-after')) <= 5)
  assert.ok(ms < 30_000, `a report waited ${ms.toFixed(0)} ms`)
}

for (const how of ['hang', 'kill'] as const) {
  const happens = how === 'hang' ? 'hangs' : 'is killed'

  test(`Postgres ${happens}: known keys stream on, unknown ones get a fast 503`, async (t) => {
    await outage(t, 'postgres', how, async () => {
      assert.equal(await askUnknown(), '503 auth_unavailable')
      await degraded('database')
      await adminDegraded('database')
      const malformed = await fetch(`${gateway.url}/v1/models`, {
        headers: { authorization: 'Bearer sk-1' },
      })
      assert.equal(malformed.status, 401)
      for (let i = 0; i < 5; i++) {
        assert.equal(await askUnknown(), '503 auth_unavailable')
        await sleep(200)
      }
    })
  })

  test(`Redis ${happens}: known keys stream on, unknown ones get a 401`, async (t) => {
    await outage(t, 'redis', how, async () => {
      await unknownIsUnknown()
      await degraded('cache')
      await adminDegraded('cache')
      await sleep(1_000)
      await unknownIsUnknown()
    })
  })

  test(`ClickHouse ${happens}: requests are served, and billed when it is back`, async (t) => {
    await outage(t, 'clickhouse', how, async () => {
      await unknownIsUnknown()
      await askUsage()
      await askUsage()
      await degraded('analytics')
    })
  })
}

test('after all of it every request has its usage record, as the ledger has it', async (t) => {
  const ledgers = ledgersOf({ one: node })
  let rows = await allRows(gateway)
  await eventually('all usage is there', async () => {
    rows = await allRows(gateway).catch(() => [])
    return rows.length >= views.length
  })
  t.diagnostic(
    `${views.length} requests over six outages, ${rows.length} rows, ${ledgers.size} seen by the node`,
  )
  assert.equal(rows.length, views.length)
  assert.equal(new Set(rows.map((row) => row.request_id)).size, rows.length)
  for (const row of rows) {
    const attempt = ledgers.get(row.request_id)
    assert.ok(attempt !== undefined, row.request_id)
    assert.equal(faultOf(row, attempt), null, row.request_id)
    assert.equal(row.counted, 'reported')
  }
})
