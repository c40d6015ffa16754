import assert from 'node:assert/strict'
import { after, before, test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { Client } from 'undici'
import { z } from 'zod'
import { startSimulatedNode, type SimulatedNode } from '../../bench/nodes.js'
import { startTestGateway, type NewKey, type TestGateway } from '../support/gateway.js'
import { eventually } from '../support/processes.js'
import { openRawClient } from '../support/raw-client.js'
import { startStores, type Stores } from '../support/stores.js'
import { metricOf } from '../support/usage-audit.js'

/** As the product promises it. Held of the median: a machine that is short of processor time is no fault of the product. */
const PROMISED_MS = 1_000
/** Held of each. */
const LIMIT_MS = 4_000
const WITH_BUS = { promisedMs: PROMISED_MS, limitMs: LIMIT_MS }
const WITHOUT_BUS = { promisedMs: 5_000, limitMs: 15_000 }
const TRIALS = Number(process.env['REVOCATION_TRIALS'] ?? 200)
const TRIALS_WITHOUT_BUS = 12
/** Each stays with one of an instance's two proxies: that all eight come to the same one happens once in 128 times. */
const CONNECTIONS = 8
/** How long after the last acceptance nothing more may come. */
const QUIET_MS = 60
const MODEL = 'acme/revoked'

let stores: Stores
let gateways: readonly [TestGateway, TestGateway]
let node: SimulatedNode
let connections: readonly Client[]
/** Ends the streams that a failed test leaves: nobody has to wait for them. */
const over = new AbortController()

before(async () => {
  stores = await startStores({ redis: true })
  const env = { PROXY_PROCESSES: '2' }
  const first = await startTestGateway(env, stores)
  gateways = [first, await startTestGateway(env, stores)]
  node = await startSimulatedNode({ seed: 1 })
  await first.serve(MODEL, { revoked: node })
  await gateways[1].live()
  connections = gateways.flatMap(({ url }) => Array.from({ length: CONNECTIONS }, () => new Client(url)))
})

after(async () => {
  over.abort()
  for (const connection of connections) await connection.destroy()
  for (const gateway of gateways) await gateway[Symbol.asyncDispose]()
  await node[Symbol.asyncDispose]()
  await stores[Symbol.asyncDispose]()
})

const tenant = () => gateways[0].createTenant({ tier: 'enterprise' })

/** What becomes of a key. A gateway that is too slow to look it up says so, and is asked again: that is no verdict. */
async function statusOf(connection: Client, key: string): Promise<number> {
  const headers = { authorization: `Bearer ${key}` }
  let status = 0
  await eventually('a verdict on the key', async () => {
    const reply = await connection.request({ method: 'GET', path: '/v1/models', headers })
    const text = await reply.body.text()
    status = reply.statusCode
    return !(status === 503 && text.includes('"code":"auth_unavailable"'))
  })
  return status
}

/** Asks on every connection, without a pause, until told to stop. */
function hammer(key: string) {
  let stopped = false
  const accepted = { first: new Set<Client>(), lastAt: 0 }
  const refusedBy = new Set<Client>()
  const statuses = new Set<number>()
  const loops = connections.map(async (connection) => {
    while (!stopped) {
      const status = await statusOf(connection, key)
      statuses.add(status)
      if (status === 200) {
        accepted.first.add(connection)
        accepted.lastAt = performance.now()
      } else refusedBy.add(connection)
      await sleep(8)
    }
  })
  return {
    statuses,
    everywhereAccepted: () =>
      eventually('every connection is let in', () => accepted.first.size === connections.length),
    /** When the last reply that was a 200 had come. */
    async lastAccepted(limitMs: number) {
      const deadline = performance.now() + limitMs
      while (
        performance.now() < deadline &&
        (refusedBy.size < connections.length || performance.now() < accepted.lastAt + QUIET_MS)
      )
        await sleep(5)
      stopped = true
      await Promise.all(loops)
      assert.equal(refusedBy.size, connections.length, 'every connection is refused in the end')
      return accepted.lastAt
    },
  }
}

/** A stream that would run for minutes; when it was over, and what it said. */
async function openStream(gateway: TestGateway, key: string, model = MODEL) {
  const reply = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    signal: over.signal,
    headers: { authorization: `Bearer ${key}`, connection: 'close' },
    body: JSON.stringify({
      model,
      stream: true,
      max_tokens: 100_000,
      sim_itl_ms: 20,
      messages: [{ role: 'user', content: 'x' }],
    }),
  })
  assert.equal(reply.status, 200)
  const reader = reply.body?.pipeThrough(new TextDecoderStream()).getReader()
  assert.ok(reader)
  let { value: text = '' } = await reader.read()
  const ended = (async () => {
    let cleanly = true
    for (;;) {
      const part = await reader.read().catch(() => {
        cleanly = false
        return { done: true, value: '' }
      })
      text += part.value ?? ''
      if (part.done) return { at: performance.now(), text, cleanly }
    }
  })()
  return { id: reply.headers.get('x-request-id') ?? '', ended }
}

const openStreams = (key: string) =>
  Promise.all([...gateways, ...gateways].map((gateway) => openStream(gateway, key)))

type Stream = Awaited<ReturnType<typeof openStream>>

/** When the last of the streams was over. Each must have ended by the error, and by nothing that looks like an end. */
async function lastCut(streams: readonly Stream[], code: string): Promise<number> {
  const ends = await Promise.all(streams.map(({ ended }) => ended))
  for (const { text, cleanly } of ends) {
    assert.match(text, new RegExp(`data: \\{"error":\\{[^\\n]*"code":"${code}"\\}\\}\\n\\n$`))
    assert.deepEqual([/^data: \[DONE\]/m.test(text), cleanly], [false, false])
  }
  return Math.max(...ends.map(({ at }) => at))
}

interface Lags {
  readonly accepted: number
  readonly cut: number
}

/** From the moment that the change was sent until the last request was let in, and the last stream cut. */
async function lagsOf(
  key: string,
  change: () => Promise<unknown>,
  code: string,
  { limitMs } = WITH_BUS,
): Promise<Lags> {
  const asking = hammer(key)
  await asking.everywhereAccepted()
  const streams = await openStreams(key)
  const sentAt = performance.now()
  await change()
  const acceptedAt = await asking.lastAccepted(limitMs + 1_000)
  const cutAt = await lastCut(streams, code)
  return { accepted: Math.max(0, acceptedAt - sentAt), cut: cutAt - sentAt }
}

function print(t: TestContext, what: string, lags: readonly Lags[], bound = WITH_BUS): void {
  for (const kind of ['accepted', 'cut'] as const) {
    const sorted = lags.map((lag) => lag[kind]).sort((a, b) => a - b)
    const [p50 = 0, max = 0] = [sorted[Math.floor(sorted.length / 2)], sorted.at(-1)]
    t.diagnostic(
      `${what}, ${kind === 'cut' ? 'last stream cut' : 'last request let in'} after: p50 ${p50.toFixed(1)} ms, max ${max.toFixed(1)} ms of ${sorted.length} (promised: ${bound.promisedMs} ms)`,
    )
    assert.ok(max <= bound.limitMs, `${kind}: ${max} ms`)
    if (sorted.length >= 10) assert.ok(p50 <= bound.promisedMs, `${kind}: ${p50} ms`)
  }
}

const revoke = (at: TestGateway, tenantId: string, { id }: NewKey) =>
  at.client.tenantApiKeys.delete({ params: { id: tenantId, key_id: id } })

const revokeOwn = (at: TestGateway, by: string, { id }: NewKey) =>
  fetch(`${at.url}/v1/api-keys/${id}`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${by}` },
  }).then((reply) => {
    assert.equal(reply.status, 200)
  })

/** The sum of the metric's observations over both instances' proxies. */
async function observations(): Promise<number> {
  const texts = await Promise.all(
    gateways.map(async ({ adminUrl }) => (await fetch(`${adminUrl}/metrics`)).text()),
  )
  return texts.reduce((sum, text) => {
    const [, count = ''] = /^crosslogic_key_revocation_lag_seconds_count (\d+)$/m.exec(text) ?? []
    return sum + Number(count)
  }, 0)
}

test('a revoked key is refused by all four proxies of two instances, and its streams are cut', async (t) => {
  const { id, key } = await tenant()
  const keys: NewKey[] = []
  for (let trial = 0; trial < TRIALS; trial++) keys.push(await gateways[0].createKey(id))
  const observedBefore = await observations()
  const lags: Lags[] = []
  for (const [trial, revoked] of keys.entries()) {
    const at = gateways[trial % 2 === 0 ? 0 : 1]
    const change = () => (trial % 4 < 2 ? revoke(at, id, revoked) : revokeOwn(at, key, revoked))
    lags.push(await lagsOf(revoked.key, change, 'invalid_api_key'))
  }
  print(t, 'revoked', lags)
  // Four proxies each.
  await eventually(
    'every proxy has said how late it was',
    async () => (await observations()) >= observedBefore + 4 * TRIALS,
  )

  let later = 0
  for (const revoked of keys) {
    const statuses = await Promise.all(connections.map((connection) => statusOf(connection, revoked.key)))
    later += statuses.filter((status) => status !== 401).length
  }
  t.diagnostic(`let in later: ${later} of ${keys.length * connections.length}`)
  assert.equal(later, 0)
  assert.equal(await statusOf(connections[0] ?? assert.fail(), key), 200)
})

test('with the bus cut a revocation takes longer, and is in effect all the same', async (t) => {
  const redis = new Redis(stores.redisUrl ?? '')
  try {
    const { id } = await tenant()
    const keys: NewKey[] = []
    for (let trial = 0; trial < TRIALS_WITHOUT_BUS; trial++) keys.push(await gateways[0].createKey(id))
    // Nobody may publish or subscribe: who listens is thrown out, and everything else goes on.
    await redis.call('ACL', 'SETUSER', 'default', 'resetchannels')
    const lags: Lags[] = []
    for (const [trial, revoked] of keys.entries()) {
      const at = gateways[trial % 2 === 0 ? 0 : 1]
      lags.push(await lagsOf(revoked.key, () => revoke(at, id, revoked), 'invalid_api_key', WITHOUT_BUS))
    }
    print(t, 'revoked without the bus', lags, WITHOUT_BUS)
  } finally {
    await redis.call('ACL', 'SETUSER', 'default', 'allchannels')
    redis.disconnect()
  }
})

test("a suspended tenant's streams are cut with its own error, and a bystander's run on", async (t) => {
  const bystander = await tenant()
  const other = await openStreams(bystander.key)
  const lags: Lags[] = []
  for (let trial = 0; trial < 5; trial++) {
    const { id, key } = await tenant()
    const suspend = () => gateways[trial % 2 === 0 ? 0 : 1].client.tenants.suspend({ params: { id } })
    lags.push(await lagsOf(key, suspend, 'tenant_suspended'))
  }
  print(t, 'suspended', lags)
  const { id, key } = await tenant()
  const deleted = () => gateways[0].client.tenants.delete({ params: { id } })
  print(t, 'deleted', [await lagsOf(key, deleted, 'invalid_api_key')])
  const racing = await Promise.race([...other.map(({ ended }) => ended), sleep(10)])
  assert.equal(racing, undefined, 'a bystander was cut')
  await revoke(gateways[0], bystander.id, { id: await firstKey(bystander.id), key: '' })
  await lastCut(other, 'invalid_api_key')
})

const refusedEverywhere = (key: string) =>
  eventually('every connection is refused', async () => {
    const statuses = await Promise.all(connections.map((connection) => statusOf(connection, key)))
    return statuses.every((status) => status === 401)
  })

async function firstKey(tenantId: string): Promise<string> {
  const { body } = await gateways[0].client.tenantApiKeys.list({ params: { id: tenantId } })
  return body.data[0]?.id ?? ''
}

test('a key that expires under its streams ends them, by its expiry as it is by then', async (t) => {
  const { id } = await tenant()
  const inMs = (ms: number) => new Date(Date.now() + ms).toISOString()
  const expires = await gateways[0].createKey(id, { expires_at: inMs(8_000) })
  const prolonged = await gateways[0].createKey(id, { expires_at: inMs(8_000) })
  const sooner = await gateways[0].createKey(id, { expires_at: inMs(3_600_000) })
  const [dying, living, shortened] = await Promise.all(
    [expires, prolonged, sooner].map(({ key }) => openStreams(key)),
  )
  assert.ok(dying && living && shortened)
  const patch = (key: NewKey, ms: number) =>
    gateways[1].client.tenantApiKeys.patch({
      params: { id, key_id: key.id },
      body: { expires_at: inMs(ms) },
    })
  await patch(prolonged, 16_000)
  await patch(sooner, 2_000)
  const { body } = await gateways[0].client.tenantApiKeys.get({ params: { id, key_id: expires.id } })
  const lateMs = async (streams: readonly Stream[], expiresAt: string) => {
    const at = performance.timeOrigin + (await lastCut(streams, 'invalid_api_key'))
    return at - Date.parse(expiresAt)
  }
  const late = await lateMs(dying, body.expires_at ?? '')
  t.diagnostic(`cut ${late.toFixed(0)} ms after the expiry (promised: ${PROMISED_MS})`)
  assert.ok(late >= 0 && late <= LIMIT_MS)
  await lastCut(shortened, 'invalid_api_key')
  for (const connection of connections) assert.equal(await statusOf(connection, expires.key), 401)
  const racing = await Promise.race([...living.map(({ ended }) => ended), sleep(500)])
  assert.equal(racing, undefined, 'a prolonged key was cut')
  await lastCut(living, 'invalid_api_key')
})

test('a rotated key is dead at once, or lives for the overlap and no longer', async (t) => {
  const owner = await tenant()
  const rotate = async ({ id }: NewKey, overlap_seconds: number) => {
    const reply = await fetch(`${gateways[1].url}/v1/api-keys/${id}/rotate`, {
      method: 'POST',
      headers: { authorization: `Bearer ${owner.key}` },
      body: JSON.stringify({ overlap_seconds }),
    })
    assert.equal(reply.status, 201)
    return z.object({ id: z.string(), key: z.string() }).parse(await reply.json())
  }
  const old = await gateways[0].createKey(owner.id)
  let next: NewKey | undefined
  const atOnce = async () => {
    next = await rotate(old, 0)
  }
  print(t, 'rotated', [await lagsOf(old.key, atOnce, 'invalid_api_key')])
  assert.ok(next)
  const streams = await openStreams(next.key)
  const from = performance.now()
  const last = await rotate(next, 6)
  for (const connection of connections) assert.equal(await statusOf(connection, last.key), 200)
  const racing = await Promise.race([
    ...streams.map(({ ended }) => ended),
    sleep(from + 2_000 - performance.now()),
  ])
  assert.equal(racing, undefined, 'cut within the overlap')
  for (const connection of connections) assert.equal(await statusOf(connection, next.key), 200)
  const lived = (await lastCut(streams, 'invalid_api_key')) - from
  t.diagnostic(`with an overlap of 6 s cut after ${lived.toFixed(0)} ms`)
  assert.ok(lived >= 5_500 && lived <= 7_000 + LIMIT_MS)
  for (const connection of connections) assert.equal(await statusOf(connection, next.key), 401)
  for (const connection of connections) assert.equal(await statusOf(connection, last.key), 200)
})

test("a deleted environment's keys are refused everywhere", async () => {
  const { id } = await tenant()
  const { body } = await gateways[0].client.environments.create({ params: { id }, body: { name: 'staging' } })
  const key = await gateways[0].createKey(id, { environment: 'staging' })
  const streams = await openStreams(key.key)
  const { id: env_id } = body
  const deleted = () => gateways[1].client.environments.delete({ params: { id, env_id } })
  await assert.rejects(deleted(), /active API keys/)
  await revoke(gateways[0], id, key)
  await deleted()
  await lastCut(streams, 'invalid_api_key')
  for (const connection of connections) assert.equal(await statusOf(connection, key.key), 401)
})

test('what was generated until the cut is billed, and a request that has had no answer gets a status', async () => {
  const { id } = await tenant()
  const key = await gateways[0].createKey(id)
  const stream = await openStream(gateways[0], key.key)
  const silent = fetch(`${gateways[0].url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key.key}`, connection: 'close' },
    body: JSON.stringify({
      model: MODEL,
      max_tokens: 10_000,
      sim_itl_ms: 20,
      messages: [{ role: 'user', content: 'x' }],
    }),
  })
  await sleep(500)
  await revoke(gateways[1], id, key)
  const reply = await silent
  assert.equal(reply.status, 401)
  assert.match(await reply.text(), /"code":"invalid_api_key"/)
  const { text } = await stream.ended
  const seen = text.match(/"content":"[^"]/g)?.length ?? 0
  const row = await gateways[0].usage(stream.id)
  // What the client has seen: a reply that began well and ended in an error.
  assert.deepEqual([row.status, row.error_code, row.completion_tokens], [200, 'invalid_api_key', seen])
  assert.ok(seen > 0 && row.cost_nanos > 0)
})

test('a request whose body comes after the revocation of its key is refused', async () => {
  const { id } = await tenant()
  for (const gateway of gateways) {
    const key = await gateways[0].createKey(id)
    const body = JSON.stringify({ model: MODEL, max_tokens: 1, messages: [{ role: 'user', content: 'x' }] })
    const head = [
      'POST /v1/chat/completions HTTP/1.1',
      'host: a',
      `authorization: Bearer ${key.key}`,
      `content-length: ${body.length}`,
    ].join('\r\n')
    const clients = await Promise.all([1, 2, 3, 4].map(() => openRawClient(gateway.port)))
    try {
      for (const client of clients) client.send(`${head}\r\n\r\n${body.slice(0, 20)}`)
      for (const connection of connections) assert.equal(await statusOf(connection, key.key), 200)
      await revoke(gateway, id, key)
      await refusedEverywhere(key.key)
      for (const client of clients) client.send(body.slice(20))
      for (const client of clients) assert.equal((await client.reply()).status, 401)
    } finally {
      for (const client of clients) client[Symbol.dispose]()
    }
  }
})

test('a request that waits for a node is refused when its key is revoked', async () => {
  const model = 'acme/full'
  await gateways[0].createModel(model)
  await gateways[0].addNode(model, 'full', node, { max_concurrency: 1 })
  for (const gateway of gateways) await gateway.live()
  const [holder, { id }] = [await tenant(), await tenant()]
  const key = await gateways[0].createKey(id)
  const holding = await openStream(gateways[0], holder.key, model)
  const ask = () =>
    fetch(`${gateways[0].url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key.key}`, connection: 'close' },
      body: JSON.stringify({ model, max_tokens: 1, messages: [{ role: 'user', content: 'x' }] }),
    })
  let revoked = false
  /** A proxy that has not heard of the stream at the other one for a while sends a request to the node: it comes again. */
  const askUntilRevoked = async () => {
    let reply = await ask()
    while (reply.status === 200 && !revoked) {
      await reply.arrayBuffer()
      reply = await ask()
    }
    return reply
  }
  // The proxy that does not hold the stream learns of it from the other one.
  await sleep(2_000)
  const waiting = [askUntilRevoked(), askUntilRevoked(), askUntilRevoked()]
  await eventually('they wait', async () => (await metricOf(gateways[0], 'crosslogic_queued_requests')) === 3)
  revoked = true
  await revoke(gateways[0], id, key)
  for (const reply of await Promise.all(waiting)) {
    assert.equal(reply.status, 401)
    assert.match(await reply.text(), /"code":"invalid_api_key"/)
  }
  await revoke(gateways[0], holder.id, { id: await firstKey(holder.id), key: '' })
  await lastCut([holding], 'invalid_api_key')
})

test('a key says when it was last used, and its version stays', async () => {
  const { id } = await tenant()
  const key = await gateways[0].createKey(id)
  const get = () => gateways[0].client.tenantApiKeys.get({ params: { id, key_id: key.id } })
  const { etag, body } = await get()
  assert.equal(body.last_used_at, null)
  const from = Date.now()
  for (const connection of connections) assert.equal(await statusOf(connection, key.key), 200)
  const until = Date.now()
  await eventually('the use is shown', async () => (await get()).body.last_used_at !== null)
  const used = await get()
  const usedAt = Date.parse(used.body.last_used_at ?? '')
  assert.ok(usedAt >= from - 1_000 && usedAt <= until + 1_000, `${usedAt - from} ms`)
  assert.equal(used.etag, etag)
})
