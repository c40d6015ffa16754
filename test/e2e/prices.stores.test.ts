import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startSimulatedNode, type SimulatedNode } from '../../bench/nodes.js'
import { startTestGateway, type TestGateway } from '../support/gateway.js'
import { eventually } from '../support/processes.js'
import { metricOf } from '../support/usage-audit.js'

const CHEAP = { price_input_per_million: 1, price_cached_input_per_million: 0.5, price_output_per_million: 2 }
const DEAR = { price_input_per_million: 7, price_cached_input_per_million: 3, price_output_per_million: 11 }
const TOKENS = 100
const ITL_MS = 25

let gateway: TestGateway
let node: SimulatedNode
let key: string

before(async () => {
  node = await startSimulatedNode({ cachedFraction: 0.25 })
  gateway = await startTestGateway()
  key = (await gateway.createTenant()).key
})
after(async () => {
  await gateway[Symbol.asyncDispose]()
  await node.close()
})

/** Streams that run or begin stand nearly still until `change` has come. */
const hold = () => node.setFault({ kind: 'slow', factor: 40 })

/** A request whose answer takes its time; `ended` reads it to its end. */
async function begin(model: string, body: object = {}) {
  const reply = await fetch(`${gateway.url}/v1/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}` },
    body: JSON.stringify({
      model,
      prompt: 'Once upon a time there was',
      max_tokens: TOKENS,
      sim_itl_ms: ITL_MS,
      stream: true,
      ...body,
    }),
  })
  assert.equal(reply.status, 200)
  const id = reply.headers.get('x-request-id') ?? ''
  return {
    /** @returns its usage record */
    async ended() {
      assert.match(await reply.text(), /data: \[DONE\]\n\n$/)
      return gateway.usage(id)
    },
  }
}

/** Nano-dollars of a record's tokens at prices in dollars per million. */
function costAt(
  prices: typeof CHEAP,
  row: { prompt_tokens: number; cached_tokens: number; completion_tokens: number },
): number {
  const nanos = (tokens: number, dollars: number) => tokens * dollars * 1000
  return (
    nanos(row.prompt_tokens - row.cached_tokens, prices.price_input_per_million) +
    nanos(row.cached_tokens, prices.price_cached_input_per_million) +
    nanos(row.completion_tokens, prices.price_output_per_million)
  )
}

async function change(id: string, body: object): Promise<void> {
  await gateway.client.models.patch({ params: { id }, body })
  await gateway.live()
  assert.ok(node.stats().running > 0, 'the change is to come in mid-stream')
  await node.clearFault('slow')
}

async function served(name: string, fields: object = {}): Promise<string> {
  const id = await gateway.createModel(name, { ...CHEAP, ...fields })
  await gateway.addNode(name, `${name}-node`, node)
  await gateway.live()
  return id
}

test('a request is billed at the price of its start, one that begins after the change at the new one', async () => {
  const id = await served('priced')
  await hold()
  const running = await begin('priced')
  await change(id, DEAR)
  const later = await begin('priced')
  const [old, young] = [await running.ended(), await later.ended()]
  assert.deepEqual([old.completion_tokens, young.completion_tokens], [TOKENS, TOKENS])
  assert.ok(old.cached_tokens > 0)
  assert.equal(old.cost_nanos, costAt(CHEAP, old))
  assert.equal(young.cost_nanos, costAt(DEAR, young))
})

test('a request that waited for a node is billed at the price of when it came', async () => {
  const id = await served('awaited')
  await gateway.client.nodes.patch({ params: { cluster_name: 'awaited-node' }, body: { max_concurrency: 1 } })
  await gateway.live()
  await hold()
  const running = await begin('awaited')
  const waiting = begin('awaited')
  await eventually('it waits', async () => (await metricOf(gateway, 'crosslogic_queued_requests')) === 1)
  await change(id, DEAR)
  await running.ended()
  const row = await (await waiting).ended()
  assert.equal(row.cost_nanos, costAt(CHEAP, row))
})

test('new names in mid-stream change neither the bill of what runs nor the name that it is under', async () => {
  const id = await served('old-name', { aliases: ['nick'] })
  await hold()
  const byName = await begin('old-name')
  const byAlias = await begin('nick')
  await change(id, { name: 'new-name', aliases: ['other'], ...DEAR })
  const later = await begin('other')
  for (const running of [byName, byAlias]) {
    const row = await running.ended()
    assert.deepEqual([row.model, row.cost_nanos], ['old-name', costAt(CHEAP, row)])
  }
  const row = await later.ended()
  assert.deepEqual([row.model, row.cost_nanos], ['new-name', costAt(DEAR, row)])
  const gone = await fetch(`${gateway.url}/v1/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}` },
    body: JSON.stringify({ model: 'nick', prompt: '' }),
  })
  assert.equal(gone.status, 404)
})
