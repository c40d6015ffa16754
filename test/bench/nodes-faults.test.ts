import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import { test } from 'node:test'
import { startSimulatedNode, type RequestFaultKind, type SimulatedNode } from '../../bench/nodes.js'
import { attempt, CONTINUOUS, frames, post, textOf } from './node-client.js'
import { eventually, openRaw, rawTokens } from './raw-http.js'

const STREAM = { prompt: 'a', max_tokens: 10, ...CONTINUOUS }
const PLAIN = { prompt: 'a', max_tokens: 10 }

/** Sends one request with a fault and reads until the connection closes. */
async function untilClosed(node: SimulatedNode, body: object, fault: object, id: string) {
  using client = await openRaw(node.port)
  client.post('/v1/completions', { ...body, sim_fault: fault }, id)
  const how = await client.closed
  return { how, bytes: client.received(), text: client.received().toString('latin1') }
}

/** What Node's own HTTP client makes of the reply. */
function nodeClient(
  node: SimulatedNode,
  body: object,
  id: string,
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(`${node.url}/v1/completions`, {
      method: 'POST',
      headers: { 'x-request-id': id },
    })
    sent.on('error', reject)
    sent.on('response', (reply) => {
      let text = ''
      reply.setEncoding('utf8').on('data', (part: string) => (text += part))
      reply.on('error', reject)
      reply.on('end', () => resolve({ status: reply.statusCode ?? 0, body: text }))
    })
    sent.end(JSON.stringify(body))
  })
}

test('dies before headers with a reset and not a byte', async () => {
  await using node = await startSimulatedNode()
  for (const [at, body] of [STREAM, PLAIN].entries()) {
    const { how, text } = await untilClosed(node, body, { kind: 'die_before_headers' }, `d${at}`)
    assert.deepEqual([how, text], ['reset', ''])
    const { status, completionTokens, finished, fault } = attempt(node, `d${at}`)
    assert.deepEqual([status, completionTokens, finished, fault], [null, 0, false, 'die_before_headers'])
  }
})

test('answers with something that is not HTTP', async () => {
  await using node = await startSimulatedNode()
  assert.match((await untilClosed(node, STREAM, { kind: 'garbage' }, 'g')).text, /^SSH-2\.0/)
  await assert.rejects(nodeClient(node, { ...PLAIN, sim_fault: { kind: 'garbage' } }, 'g2'), /Parse Error/)
})

test('refuses with a status in the shape of the engine', async () => {
  for (const [flavour, shape] of [
    ['vllm', /^\{"error":\{"message":"[^"]+","type":"\w+","param":null,"code":(404|429|500|503)\}\}$/],
    ['sglang', /^\{"object":"error","message":"[^"]+","type":"\w+","param":null,"code":(404|429|500|503)\}$/],
    ['plain', /^\{"error":\{"message":"[^"]+","type":"\w+","param":null,"code":null\}\}$/],
  ] as const) {
    await using node = await startSimulatedNode({ flavour })
    for (const status of [404, 429, 500, 503]) {
      const reply = await post(
        node,
        '/v1/completions',
        { ...STREAM, sim_fault: { kind: `http_${status}` } },
        'h',
      )
      assert.equal(reply.status, status)
      assert.match(await reply.text(), shape)
    }
  }
})

test('dies after exactly so many tokens, by FIN or by reset', async () => {
  await using node = await startSimulatedNode()
  for (const tokens of [0, 1, 9, 10]) {
    const id = `die${tokens}`
    const { how, bytes, text } = await untilClosed(
      node,
      STREAM,
      { kind: 'die_after_tokens', after_tokens: tokens },
      id,
    )
    assert.equal(how, 'end')
    assert.equal(rawTokens(bytes), tokens)
    assert.ok(!text.includes('[DONE]'))
    const entry = attempt(node, id)
    assert.deepEqual([entry.completionTokens, entry.finished, entry.aborted], [tokens, false, false])
  }
  const beyond = await post(node, '/v1/completions', {
    ...STREAM,
    sim_fault: { kind: 'die_after_tokens', after_tokens: 11 },
  })
  await frames(beyond)
  // A reset is seen as one only when it does not arrive together with data.
  const fault = { kind: 'die_after_tokens', after_tokens: 0, reset: true }
  const reset = await untilClosed(node, { ...STREAM, sim_ttft_ms: 300 }, fault, 'rst')
  assert.equal(reset.how, 'reset')
  assert.equal(node.stats().running, 0)
})

test('dies in the middle of a plain reply without a byte of it', async () => {
  await using node = await startSimulatedNode({ itlMs: 1 })
  const { text } = await untilClosed(node, PLAIN, { kind: 'die_after_tokens', after_tokens: 4 }, 'p')
  assert.equal(text, '')
  assert.deepEqual([attempt(node, 'p').completionTokens, attempt(node, 'p').writtenTokens], [4, 0])
})

test('dies after a random number of tokens that the seed decides', async () => {
  const deaths = async (seed: number) => {
    await using node = await startSimulatedNode({ seed })
    const counts: number[] = []
    for (let at = 0; at < 8; at += 1) {
      const { bytes } = await untilClosed(node, STREAM, { kind: 'die_after_tokens' }, `x${at}`)
      counts.push(rawTokens(bytes))
      assert.equal(attempt(node, `x${at}`).completionTokens, rawTokens(bytes))
    }
    return counts
  }
  const first = await deaths(3)
  assert.deepEqual(await deaths(3), first)
  assert.ok(new Set(first).size > 1)
})

test('stalls with the socket open, for ever or for a time', async () => {
  await using node = await startSimulatedNode()
  using client = await openRaw(node.port)
  client.post('/v1/completions', { ...STREAM, sim_fault: { kind: 'stall', after_tokens: 4 } }, 's')
  await client.until((text) => text.includes('"completion_tokens":4,'))
  await new Promise((resolve) => setTimeout(resolve, 30))
  assert.deepEqual([attempt(node, 's').completionTokens, node.stats().running], [4, 1])
  client.socket.end()
  await eventually(() => node.stats().running === 0, 'the stalled stream to go')
  assert.ok(attempt(node, 's').aborted)
  for (const tokens of [0, 4, 10]) {
    const fault = { kind: 'stall', after_tokens: tokens, ms: 10 }
    const all = await frames(
      await post(node, '/v1/completions', { ...STREAM, sim_fault: fault }, `s${tokens}`),
    )
    assert.equal(all.at(-1)?.usage?.completion_tokens, 10)
    const plain = await post(node, '/v1/completions', { ...PLAIN, sim_fault: fault }, `p${tokens}`)
    assert.equal(plain.status, 200)
    await plain.text()
  }
})

test('breaks the chunked framing in mid-stream', async () => {
  await using node = await startSimulatedNode()
  const fault = { kind: 'malformed_chunk', after_tokens: 3 }
  const { bytes, text } = await untilClosed(node, STREAM, fault, 'm')
  assert.equal(rawTokens(bytes), 3)
  assert.match(text, /\r\nxyz\r\n/)
  assert.equal(attempt(node, 'm').completionTokens, 3)
  await assert.rejects(nodeClient(node, { ...STREAM, sim_fault: fault }, 'm2'), /Parse Error|aborted/)
  await assert.rejects(nodeClient(node, { ...PLAIN, sim_fault: fault }, 'm3'), /Parse Error|aborted/)
  assert.equal(attempt(node, 'm3').writtenTokens, 0)
})

test('sends an error frame and then a clean end', async () => {
  await using node = await startSimulatedNode()
  const fault = { kind: 'error_frame_then_done', after_tokens: 2 }
  const reply = await nodeClient(node, { ...STREAM, sim_fault: fault }, 'e')
  assert.match(reply.body, /data: \{"error":\{.*\}\}\n\ndata: \[DONE\]\n\n$/)
  assert.deepEqual([attempt(node, 'e').completionTokens, attempt(node, 'e').finished], [2, false])
})

test('sends a second response behind a complete one', async () => {
  await using node = await startSimulatedNode()
  for (const [at, body] of [STREAM, PLAIN].entries())
    for (const ms of [undefined, 10]) {
      using client = await openRaw(node.port)
      client.post('/v1/completions', { ...body, sim_fault: { kind: 'extra_bytes', ms } }, `e${at}`)
      const text = await client.until((received) => received.endsWith('{"stray":"reply"}'))
      assert.equal(text.match(/HTTP\/1\.1 200 OK/g)?.length, 2)
      assert.ok(attempt(node, `e${at}`).finished)
    }
})

test('announces a body that is longer or shorter than the real one', async () => {
  await using node = await startSimulatedNode()
  const announced = (text: string) => Number(/content-length: (\d+)/.exec(text)?.[1])
  const length = (text: string) => text.length - text.indexOf('\r\n\r\n') - 4
  using client = await openRaw(node.port)
  client.post('/v1/completions', { ...PLAIN, sim_fault: { kind: 'short_content_length' } }, 'short')
  const short = await client.until((text) => text.endsWith('}}'))
  assert.equal(length(short), announced(short) + 10)

  const { text: long } = await untilClosed(node, PLAIN, { kind: 'long_content_length' }, 'long')
  assert.equal(length(long) + 100, announced(long))
  assert.deepEqual([attempt(node, 'long').writtenTokens, attempt(node, 'long').finished], [10, false])

  await frames(
    await post(node, '/v1/completions', { ...STREAM, sim_fault: { kind: 'short_content_length' } }, 'na'),
  )
  assert.equal(attempt(node, 'na').fault, null)
})

test('leaves usage out although it was asked for', async () => {
  await using node = await startSimulatedNode()
  const fault = { kind: 'no_usage' }
  const all = await frames(await post(node, '/v1/completions', { ...STREAM, sim_fault: fault }, 'n'))
  assert.ok(all.every((frame) => frame.usage === null))
  assert.equal(attempt(node, 'n').completionTokens, 10)
  const plain = await post(node, '/v1/completions', { ...PLAIN, sim_fault: fault })
  assert.ok(!(await plain.text()).includes('"usage":{"prompt_tokens":1'))
})

test('holds headers back', async () => {
  await using node = await startSimulatedNode()
  using client = await openRaw(node.port)
  client.post('/v1/completions', { ...STREAM, sim_fault: { kind: 'slow_headers', ms: 60 } }, 'late')
  await eventually(() => node.ledger.has('late'), 'the request')
  assert.equal(client.received().length, 0)
  await client.until((text) => text.includes('[DONE]'))
  assert.ok(attempt(node, 'late').finished)
})

test('cuts writes at odd offsets without changing a byte', async () => {
  await using node = await startSimulatedNode()
  const whole = textOf(await frames(await post(node, '/v1/completions', { ...STREAM, max_tokens: 80 })))
  const body = { ...STREAM, max_tokens: 80, sim_fault: { kind: 'split_writes' } }
  using client = await openRaw(node.port)
  const reads: number[] = []
  client.socket.on('data', (bytes) => reads.push(bytes.length))
  client.post('/v1/completions', body, 'odd')
  await client.until((text) => text.includes('[DONE]\n\n\r\n0\r\n\r\n'))
  assert.ok(reads.length > 80)
  assert.equal(rawTokens(client.received()), 80)
  assert.equal(textOf(await frames(await post(node, '/v1/completions', body, 'odd2'))), whole)
  assert.deepEqual([attempt(node, 'odd2').completionTokens, attempt(node, 'odd2').finished], [80, true])
  const plain = await nodeClient(node, { ...PLAIN, sim_fault: { kind: 'split_writes' } }, 'odd3')
  assert.match(plain.body, /"completion_tokens":10,/)
})

test('the ledger has a token as soon as its event can be read, wherever the writes were cut', async () => {
  await using node = await startSimulatedNode()
  using client = await openRaw(node.port)
  let ahead = 0
  client.socket.on('data', () => {
    const bytes = client.received()
    const events = bytes.subarray(0, bytes.lastIndexOf('\n\n') + 2)
    if (rawTokens(events) > attempt(node, 'cut').writtenTokens) ahead += 1
  })
  const body = { ...STREAM, max_tokens: 600, sim_fault: { kind: 'split_writes' } }
  client.post('/v1/completions', body, 'cut')
  await client.until((text) => text.includes('[DONE]\n\n\r\n0\r\n\r\n'))
  assert.equal(attempt(node, 'cut').writtenTokens, 600)
  assert.equal(ahead, 0)
})

test('refuses connections for a while and comes back on the same port', async () => {
  await using node = await startSimulatedNode()
  using idle = await openRaw(node.port)
  await node.setFault({ kind: 'refuse' })
  await assert.rejects(openRaw(node.port), /ECONNREFUSED/)
  assert.equal(await idle.closed, 'end')
  await node.clearFault('refuse')
  ;(await openRaw(node.port))[Symbol.dispose]()

  const set = await fetch(`${node.url}/faults`, { method: 'POST', body: '{"kind":"refuse","ms":1000}' })
  assert.equal(set.status, 200)
  await set.text()
  await eventually(() => node.stats().openSockets === 0, 'idle connections to close')
  await assert.rejects(openRaw(node.port), /ECONNREFUSED/)
  const back = async () => {
    for (;;) {
      try {
        return await openRaw(node.port)
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }
  }
  ;(await back())[Symbol.dispose]()
})

test('takes standing faults over HTTP, with a probability', async () => {
  await using node = await startSimulatedNode({ seed: 5 })
  const set = (body: string) => fetch(`${node.url}/faults`, { method: 'POST', body })
  assert.equal((await set('{"kind":"refuse"}')).status, 400)
  assert.equal((await set('{"kind":"nonsense"}')).status, 400)
  assert.equal(
    (await set('{"faults":[{"kind":"health_down"},{"kind":"http_500","probability":0.5}]}')).status,
    200,
  )
  assert.equal((await fetch(`${node.url}/health`)).status, 503)
  const statuses = []
  for (let at = 0; at < 40; at += 1) {
    const reply = await post(node, '/v1/completions', PLAIN)
    await reply.text()
    statuses.push(reply.status)
  }
  assert.deepEqual(new Set(statuses), new Set([200, 500]))
  await fetch(`${node.url}/faults`, { method: 'DELETE' })
  assert.equal((await fetch(`${node.url}/health`)).status, 200)
  assert.equal((await post(node, '/v1/completions', PLAIN)).status, 200)
})

test('writes what the ledger says under every fault, at any pace, and leaks nothing', async () => {
  await using node = await startSimulatedNode({ itlMs: 1, jitter: 0.5, maxRunning: 20 })
  const kinds: RequestFaultKind[] = [
    'die_after_tokens',
    'malformed_chunk',
    'error_frame_then_done',
    'split_writes',
    'no_usage',
    'extra_bytes',
  ]
  await Promise.all(
    Array.from({ length: 60 }, async (_, at) => {
      using client = await openRaw(node.port)
      const kind = kinds[at % kinds.length]
      const body = { ...STREAM, sim_itl_ms: at % 2, sim_fault: { kind } }
      client.post('/v1/completions', body, `all${at}`, { connection: 'close' })
      await client.closed
      assert.equal(rawTokens(client.received()), attempt(node, `all${at}`).completionTokens, kind)
    }),
  )
  await eventually(() => node.stats().openSockets === 0, 'all sockets closed')
  assert.deepEqual([node.stats().running, node.stats().waiting, node.stats().busySockets], [0, 0, 0])
})
