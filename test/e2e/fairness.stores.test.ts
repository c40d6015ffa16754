import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startSimulatedNode } from '../../bench/nodes.js'
import { floodUnder } from '../../bench/resilience/flood.js'
import { startTestGateway } from '../support/gateway.js'
import { LoadClient } from '../support/load.js'
import { metricOf } from '../support/usage-audit.js'

const MODEL = 'acme/shared'
const SLOTS = 8
const TENANTS = 9
const FLOOD = 400
const EACH = 5

test('a tenant that floods a full model delays itself: nine others are served in their turn', async (t) => {
  await using node = await startSimulatedNode()
  await using gateway = await startTestGateway()
  const modelId = await gateway.createModel(MODEL)
  await gateway.addNode(MODEL, 'shared', node, { max_concurrency: SLOTS })
  // Whoever would wait for too long at the pace of the first few is refused: here nobody is.
  await gateway.setRoute(modelId, { queue: { max_depth: 1_000, max_wait_ms: 600_000 } })
  await gateway.live()
  const client = async () =>
    new LoadClient(gateway.port, (await gateway.createTenant({ tier: 'enterprise' })).key)
  using flooding = await client()
  const behaving = await Promise.all(Array.from({ length: TENANTS }, client))

  const path = '/v1/chat/completions'
  const body = { model: MODEL, max_tokens: 6, sim_itl_ms: 40 }
  // Their keys and connections are known before the flood: what is measured is their turn alone.
  const messages = [{ role: 'user', content: 'Hello' }]
  for (const one of behaving) {
    const view = await one.send({ path, body: { ...body, messages }, leave: null })
    assert.equal(view.status, 200, view.text)
  }
  const order = () => [...node.ledger.keys()].slice(TENANTS)
  const arrived = () => order().length
  const { flood, nine } = await floodUnder({
    flooding,
    behaving,
    flood: FLOOD,
    each: EACH,
    request: { path, body },
    arrived,
    isFlooded: async () => {
      const queued = await metricOf(gateway, 'crosslogic_queued_requests')
      return queued + arrived() >= FLOOD
    },
  })
  for (const one of behaving) one[Symbol.dispose]()

  for (const view of [...flood, ...nine.map((one) => one.view)])
    assert.deepEqual([view.status, view.ended], [200, 'complete'], view.text)
  assert.ok(node.stats().mostRunning <= SLOTS, `${node.stats().mostRunning} requests at once`)
  // How many requests reached the node between the sending of one and its own arrival there.
  const places = new Map(order().map((id, at) => [id, at]))
  const overtaken = nine.map(
    ({ view, arrivedBefore }) => (places.get(view.requestId ?? '') ?? NaN) - arrivedBefore,
  )
  const most = Math.max(...overtaken)
  t.diagnostic(
    `${nine.length} requests of ${TENANTS} tenants beside ${FLOOD} of one: at most ${most} went before one of them`,
  )
  const last = Math.max(...nine.map(({ view }) => places.get(view.requestId ?? '') ?? NaN))
  assert.ok(last < FLOOD, 'the flood was over before the others were served')
  // Its eight peers' own, what the node had begun, and a few of the flood in turn; first come first served has 390.
  assert.ok(most <= 2 * (TENANTS + SLOTS), `${most} went before one request`)
})
