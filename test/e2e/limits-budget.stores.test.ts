import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { startSimulatedNode, type SimulatedNode } from '../../bench/nodes.js'
import type { NewKey } from '../support/gateway.js'
import { startHammer } from '../support/limits/hammer.js'
import { startLimitBed, type LimitBed } from '../support/limits/limit-bed.js'
import { eventually } from '../support/processes.js'

const PROXIES = 4
const CONNECTIONS = 48
const MODEL = 'dear'
const TOKENS = 10
/** Of a million tokens; what is read costs nothing, so that a request costs what it is expected to. */
const PRICE_USD = 1_000
const COST_NANOS = TOKENS * PRICE_USD * 1_000
const BUDGET_USD = 2
/** Printed beside what was measured: a machine may be slow. */
const PROMISED_MS = 2_000
const Failure = z.object({ error: z.object({ code: z.string(), type: z.string() }) })
const Spent = z.array(z.object({ nanos: z.string() }))

let bed: LimitBed
let node: SimulatedNode

before(async () => {
  bed = await startLimitBed()
  node = await startSimulatedNode({ models: [MODEL] })
  await bed.serve(MODEL, node, { price_input_per_million: 0, price_output_per_million: PRICE_USD })
})

after(async () => {
  await node.close()
  await bed[Symbol.asyncDispose]()
})

const bodyOf = (fields: object = {}) => ({
  model: MODEL,
  max_tokens: TOKENS,
  messages: [{ role: 'user', content: 'Hello' }],
  ...fields,
})

function ask({ key }: NewKey, fields: object = {}, port = bed.ports[0]): Promise<Response> {
  return fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
    method: 'POST',
    // A connection of its own: it may come to any proxy of the instance.
    headers: { authorization: `Bearer ${key}`, connection: 'close' },
    body: JSON.stringify(bodyOf(fields)),
  })
}

/** What a tenant has been billed, in nano-dollars. */
async function billed({ id }: NewKey): Promise<number> {
  const rows = await bed.first.query(
    `SELECT toString(sum(cost_nanos)) AS nanos FROM usage_records WHERE tenant_id = '${id}'`,
  )
  return Number(Spent.parse(rows)[0]?.nanos)
}

const tenantWith = (usd: number): Promise<NewKey> =>
  bed.first.createTenant({ tier: 'enterprise', max_monthly_spend_usd: usd })

test('a budget is never exceeded and used up, running streams finish, and a raised one lets requests in', async (t) => {
  const budgetNanos = BUDGET_USD * 1e9
  const tenant = await tenantWith(BUDGET_USD)
  const streams = await Promise.all(
    bed.ports.map((port) => ask(tenant, { stream: true, sim_itl_ms: 300 }, port)),
  )
  const texts = Promise.all(streams.map((reply) => reply.text()))
  const hammer = await startHammer({
    ports: bed.ports,
    key: tenant.key,
    connections: CONNECTIONS,
    body: bodyOf({ sim_itl_ms: 2 }),
  })
  // Until nothing more is admitted: all is settled by then, the streams' share included.
  for (const text of await texts) assert.ok(text.endsWith('data: [DONE]\n\n'), text)
  let last = -1
  await eventually('the budget is spent', async () => {
    const before = hammer.admittedSoFar
    await sleep(1_000)
    const spent = before === last && before === hammer.admittedSoFar
    last = before
    return spent
  })
  const run = await hammer.stop()
  assert.deepEqual([...run.refused.keys()], ['insufficient_quota'])
  const admittedNanos = (run.admitted.length + streams.length) * COST_NANOS
  t.diagnostic(
    `$${admittedNanos / 1e9} of $${BUDGET_USD} were admitted by ${PROXIES} proxies, at $${COST_NANOS / 1e9} a request`,
  )
  assert.ok(admittedNanos <= budgetNanos, 'more than the budget was admitted')
  assert.ok(admittedNanos > budgetNanos - PROXIES * COST_NANOS, 'the budget was not used up')
  await eventually('all is billed', async () => (await billed(tenant)) === admittedNanos)

  const refused = await ask(tenant)
  assert.equal(refused.status, 429)
  assert.equal(refused.headers.get('x-should-retry'), 'false')
  assert.deepEqual(Failure.parse(await refused.json()).error, {
    ...{ code: 'insufficient_quota', type: 'insufficient_quota' },
  })

  const raisedAt = performance.now()
  await bed.first.client.tenants.patch({
    params: { id: tenant.id },
    body: { max_monthly_spend_usd: BUDGET_USD * 2 },
  })
  for (const port of bed.ports) {
    await eventually(
      'a raised budget lets requests in',
      async () => (await ask(tenant, {}, port)).status === 200,
    )
  }
  const raisedMs = performance.now() - raisedAt
  t.diagnostic(
    `a raised budget lets requests in on both instances after ${raisedMs.toFixed(0)} ms (promised: ${PROMISED_MS})`,
  )
})

test('what was billed this month counts against a budget that is set later', async (t) => {
  const tenant = await bed.first.createTenant({ tier: 'enterprise' })
  for (let i = 0; i < 3; i++) {
    const reply = await ask(tenant)
    await reply.arrayBuffer()
    assert.equal(reply.status, 200)
  }
  await eventually('it is billed', async () => (await billed(tenant)) === 3 * COST_NANOS)
  // Less than what is spent already: after the leader has looked nothing is let in. Until then one request may be.
  const setAt = performance.now()
  await bed.first.client.tenants.patch({
    params: { id: tenant.id },
    body: { max_monthly_spend_usd: (2 * COST_NANOS) / 1e9 },
  })
  for (const port of bed.ports) {
    await eventually('the budget is known to be spent', async () => {
      const reply = await ask(tenant, { max_tokens: 1 }, port)
      await reply.arrayBuffer()
      return reply.status === 429
    })
  }
  t.diagnostic(`known by both instances after ${(performance.now() - setAt).toFixed(0)} ms`)
})
