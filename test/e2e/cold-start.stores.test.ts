import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Client } from 'pg'
import { uuidv7 } from 'uuidv7'
import { startSimulatedNode } from '../../bench/nodes.js'
import { startTestGateway, type TestGateway } from '../support/gateway.js'
import { eventually } from '../support/processes.js'
import { startStores, type Stores } from '../support/stores.js'

let stores: Stores
let gateway: TestGateway
let database: Client
let key: string
let names = 0

before(async () => {
  stores = await startStores({ redis: false })
  gateway = await startTestGateway({}, stores)
  database = new Client({ connectionString: stores.databaseUrl })
  await database.connect()
  key = (await gateway.createTenant()).key
})
after(async () => {
  await database.end()
  await gateway[Symbol.asyncDispose]()
  await stores[Symbol.asyncDispose]()
})

/** A model with a deployment that sleeps, whose launches took so long before. */
async function sleeping(tookMs: number, queue: object = {}) {
  const name = `cold-${++names}`
  const modelId = await gateway.createModel(name)
  await gateway.setRoute(modelId, { queue })
  const id = uuidv7()
  const launches = Array.from({ length: 4 }, () => ({ atMs: Date.now(), tookMs }))
  await database.query(
    `INSERT INTO deployments (id, model_id, provider, target_node_count, status, asleep, auto_scaling, launches)
     VALUES ($1, $2, 'local', 0, 'active', true, $3, $4)`,
    [id, modelId, { enabled: true, min_nodes: 0, max_nodes: 1 }, JSON.stringify(launches)],
  )
  await gateway.live()
  return { name, id }
}

interface Asked {
  /** What has come so far. */
  readonly text: () => string
  readonly done: Promise<{ readonly status: number; readonly requestId: string; readonly headers: Headers }>
  readonly leave: () => void
}

function ask(model: string, stream: boolean): Asked {
  const leaving = new AbortController()
  const leave = () => {
    leaving.abort()
  }
  const reply = fetch(`${gateway.url}/v1/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}` },
    body: JSON.stringify({ model, prompt: 'Once', max_tokens: 3, stream }),
    signal: leaving.signal,
  })
  let text = ''
  const read = async () => {
    const response = await reply
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    for (let part = await reader?.read(); part?.done === false; part = await reader?.read()) {
      text += part.value
    }
    const requestId = response.headers.get('x-request-id') ?? ''
    return { status: response.status, requestId, headers: response.headers }
  }
  const done = read()
  done.catch(() => undefined)
  return { text: () => text, done, leave }
}

async function queued(): Promise<number> {
  const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text()
  const samples = text.match(/^crosslogic_queued_requests\S* (\d+)$/gm) ?? []
  return samples.reduce((sum, sample) => sum + Number(sample.split(' ')[1]), 0)
}

test('requests for a model that sleeps wait with comments, and are answered and billed once when a node comes', async (t) => {
  await using node = await startSimulatedNode()
  const { name } = await sleeping(60_000)
  const stream = ask(name, true)
  const plain = ask(name, false)
  const leaves = ask(name, true)
  await eventually('all wait', async () => (await queued()) === 3)
  leaves.leave()
  await eventually('who left waits no more', async () => (await queued()) === 2)
  // Comments begin after 15 s of silence.
  await eventually('the stream is kept alive', () => stream.text().startsWith(': ping\n\n'), 60_000)
  assert.equal(plain.text(), '')

  const registeredAt = performance.now()
  await gateway.addNode(name, `${name}-node`, node)
  const streamed = await stream.done
  const whole = await plain.done
  t.diagnostic(`answered ${Math.round(performance.now() - registeredAt)} ms after the node was registered`)
  assert.deepEqual([streamed.status, whole.status], [200, 200])
  assert.match(stream.text(), /^(: ping\n\n)+data: .*data: \[DONE\]\n\n$/s)
  for (const { requestId } of [streamed, whole]) {
    const { status, completion_tokens, attempts } = await gateway.usage(requestId)
    assert.deepEqual([status, completion_tokens, attempts], [200, 3, 1])
    assert.equal(await gateway.usageRows(requestId), 1)
    assert.equal(node.ledger.get(requestId)?.length, 1)
  }
  assert.equal(node.ledger.size, 2)
  await eventually('explain shows the wait', async () => {
    const params = { request_id: streamed.requestId }
    const told = await gateway.client.requests.get({ params }).catch(() => null)
    if (told?.body.explained !== true) return false
    assert.equal(told.body.queue_position, 1)
    const { phases } = told.body
    assert.ok(phases !== null && phases.queue_ms >= 15_000 && phases.queue_ms <= told.body.latency_ms)
    return true
  })
})

test('a launch that is given up ends the waits at once, in a stream that has begun as well', async () => {
  const { name, id } = await sleeping(60_000)
  const begun = ask(name, true)
  await eventually('the stream is kept alive', () => begun.text().startsWith(': ping\n\n'), 60_000)
  const plain = ask(name, false)
  await eventually('both wait', async () => (await queued()) === 2)
  await database.query("UPDATE deployments SET status = 'failed', asleep = false WHERE id = $1", [id])
  const { status, headers, requestId } = await plain.done
  assert.equal(status, 503)
  assert.match(plain.text(), /launching one has failed.*"code":"no_healthy_node"/s)
  assert.ok(Number(headers.get('retry-after')) > 0)
  await assert.rejects(begun.done)
  assert.match(begun.text(), /^(: ping\n\n)+data: \{"error":\{.*launching one has failed.*\}\}\n\n$/s)
  assert.equal(await gateway.usageRows(requestId), 0)
})

test('who cannot wait for so long is told when the node is expected', async () => {
  const { name } = await sleeping(90_000, { cold_start_max_wait_ms: 89_000 })
  const refused = ask(name, true)
  const { status, headers } = await refused.done
  assert.deepEqual(
    [status, headers.get('retry-after'), headers.get('retry-after-ms'), headers.get('x-should-retry')],
    [503, '90', '90000', null],
  )
  assert.match(refused.text(), /One is being launched.*"code":"no_healthy_node"/)
  const { name: none } = await sleeping(1_000, { max_depth: 0 })
  assert.equal((await ask(none, true).done).status, 503)
})

test('a model that sleeps is listed, since a request wakes it', async () => {
  const { name } = await sleeping(1_000)
  const headers = { authorization: `Bearer ${key}` }
  const list = await (await fetch(`${gateway.url}/v1/models`, { headers })).text()
  assert.ok(list.includes(`"${name}"`))
  assert.equal((await fetch(`${gateway.url}/v1/models/${name}`, { headers })).status, 200)
})
