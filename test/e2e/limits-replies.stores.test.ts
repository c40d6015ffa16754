import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import OpenAI from 'openai'
import { startSimulatedNode, type SimulatedNode } from '../../bench/nodes.js'
import { getLimits } from '../../src/core/contract/limits.js'
import { startTestGateway, type TestGateway } from '../support/gateway.js'
import { eventually } from '../support/processes.js'

/** What clients see of limits, over the wire of one gateway without Redis. */

const MODEL = 'limited-8b'
let gateway: TestGateway
let node: SimulatedNode

before(async () => {
  node = await startSimulatedNode({ models: [MODEL] })
  gateway = await startTestGateway()
  await gateway.serve(MODEL, { one: node })
})
after(async () => {
  await gateway[Symbol.asyncDispose]()
  await node.close()
})

interface Asked {
  readonly model?: string
  readonly max_tokens?: number
  readonly stream?: boolean
  readonly sim_itl_ms?: number
}

function ask(key: string, asked: Asked = {}): Promise<Response> {
  return fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}` },
    body: JSON.stringify({
      model: MODEL,
      max_tokens: 4,
      messages: [{ role: 'user', content: 'Hello' }],
      ...asked,
    }),
  })
}

async function keyWith(limits: object, tenant: object = {}): Promise<string> {
  const { id } = await gateway.createTenant(tenant)
  return (await gateway.createKey(id, limits)).key
}

const left = ({ headers }: Response) => headers.get('x-ratelimit-remaining-requests')

test('every reply to a request says what is left, also one that fails for another reason', async () => {
  const key = await keyWith({ rate_limit_per_minute: 5, tokens_per_minute: 6_000 })
  const plain = await ask(key)
  assert.equal(plain.status, 200)
  const headers = (reply: Response) =>
    ['limit', 'remaining', 'reset'].flatMap((what) =>
      ['requests', 'tokens'].map((of) => reply.headers.get(`x-ratelimit-${what}-${of}`)),
    )
  const [limitR, limitT, remainingR, remainingT, resetR, resetT] = headers(plain)
  // On a slow machine some of it has come back by the time of the reply.
  assert.deepEqual([limitR, limitT], ['5', '6000'])
  assert.ok(remainingR === '4' || remainingR === '5', String(remainingR))
  assert.ok(Number(remainingT) > 5_900, String(remainingT))
  for (const reset of [resetR, resetT]) assert.match(String(reset), /^\d+(ms|s)$/)
  await plain.arrayBuffer()

  const stream = await ask(key, { stream: true })
  assert.ok(Number(left(stream)) >= 3, String(left(stream)))
  await stream.text()
  const unknown = await ask(key, { model: 'no-such-model' })
  assert.equal(unknown.status, 404)
  assert.ok(Number(left(unknown)) >= 3, String(left(unknown)))
  await unknown.arrayBuffer()
})

test('a refusal names the limit and says when to come back, and the official client knows it', async () => {
  const key = await keyWith({ rate_limit_per_minute: 1 })
  await (await ask(key)).arrayBuffer()
  const refused = await ask(key)
  assert.equal(refused.status, 429)
  const seconds = Number(refused.headers.get('retry-after'))
  assert.ok(seconds >= 20 && seconds <= 60, String(seconds))
  assert.equal(Math.ceil(Number(refused.headers.get('retry-after-ms')) / 1_000), seconds)
  assert.equal(left(refused), '0')
  const { error } = (await refused.json()) as { error: Record<string, unknown> }
  assert.deepEqual([error['type'], error['code']], ['requests', 'rate_limit_exceeded'])
  assert.match(
    String(error['message']),
    /this API key may make 1 request per minute\. Try again in \d+(s|m0s)\.$/,
  )

  const openai = new OpenAI({ apiKey: key, baseURL: `${gateway.url}/v1`, maxRetries: 0 })
  await assert.rejects(
    openai.chat.completions.create({ model: MODEL, messages: [{ role: 'user', content: 'Hello' }] }),
    (thrown) => thrown instanceof OpenAI.RateLimitError && thrown.code === 'rate_limit_exceeded',
  )
})

test("an environment's and a tenant's limits hold for all of their keys together", async () => {
  const { id, key: first } = await gateway.createTenant({ rate_limit_per_minute: 3 })
  const { key: second } = await gateway.createKey(id)
  const statuses = []
  for (const key of [first, second, first, second]) {
    const reply = await ask(key)
    statuses.push(reply.status)
    await reply.arrayBuffer()
  }
  assert.deepEqual(statuses, [200, 200, 200, 429])
})

test('a request too many at once is refused, and let in when one has ended', async () => {
  const key = await keyWith({ max_concurrency: 1 })
  // Holds the stream until the second request has been refused.
  await node.setFault({ kind: 'slow', factor: 100 })
  const stream = await ask(key, { stream: true, max_tokens: 20, sim_itl_ms: 20 })
  const refused = await ask(key)
  assert.equal(refused.status, 429)
  const { error } = (await refused.json()) as { error: Record<string, unknown> }
  assert.deepEqual([error['type'], error['code']], ['requests', 'concurrency_exceeded'])
  await node.clearFault('slow')
  await stream.text()
  const next = await ask(key)
  assert.equal(next.status, 200)
  await next.arrayBuffer()
})

test('a spent budget is not to be tried again, and the running stream finishes', async () => {
  // Two dollars for a million completion tokens: about a thousand of them.
  const key = await keyWith({}, { max_monthly_spend_usd: 0.002_1 })
  const stream = await ask(key, { stream: true, max_tokens: 1_000, sim_itl_ms: 1 })
  const refused = await ask(key, { max_tokens: 1_000 })
  assert.equal(refused.status, 429)
  assert.equal(refused.headers.get('x-should-retry'), 'false')
  const { error } = (await refused.json()) as { error: Record<string, unknown> }
  assert.deepEqual([error['type'], error['code']], ['insufficient_quota', 'insufficient_quota'])
  assert.match(await stream.text(), /data: \[DONE\]\n\n$/)
})

test('a key can ask for its limits, and how a request was served tells what was left of them', async () => {
  const key = await keyWith(
    { rate_limit_per_minute: 10, max_concurrency: 2 },
    { max_monthly_spend_usd: 5, tokens_per_minute: 50_000 },
  )
  const reply = await ask(key)
  const id = reply.headers.get('x-request-id') ?? ''
  await reply.arrayBuffer()
  const limits = await fetch(`${gateway.url}/v1/limits`, { headers: { authorization: `Bearer ${key}` } })
  const { data } = getLimits.reply[200].parse(await limits.json())
  assert.deepEqual(
    data.map(({ limit, scope, max, remaining }) => [limit, scope, max, limit === 'tokens' || remaining]),
    [
      ['requests', 'key', 10, data[0]?.remaining],
      ['tokens', 'tenant', 50_000, true],
      ['concurrency', 'key', 2, 2],
      ['spend', 'tenant', 5, data[3]?.remaining],
    ],
  )
  assert.ok((data[0]?.remaining ?? 0) >= 9 && (data[3]?.remaining ?? 5) < 5)
  await eventually('that it is explained', async () => {
    const told = await fetch(`${gateway.url}/v1/requests/${id}`, {
      headers: { authorization: `Bearer ${key}` },
    })
    const { limits: kept } = (await told.json()) as { limits?: { limit: string; remaining: number }[] }
    if (told.status !== 200 || kept === undefined || kept.length === 0) return false
    assert.deepEqual(
      kept.map(({ limit }) => limit),
      ['requests', 'tokens', 'concurrency', 'spend'],
    )
    return true
  })
  const query = await fetch(`${gateway.url}/v1/limits?x=1`, { headers: { authorization: `Bearer ${key}` } })
  assert.equal(query.status, 400)
})
