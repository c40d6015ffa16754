import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import {
  startSimulatedNode,
  type LedgerEntry,
  type SimulatedNode,
  type SimulatedNodeInput,
} from '../../bench/nodes.js'
import { startTestGateway, type NewKey, type TestGateway } from '../support/gateway.js'
import { eventually } from '../support/processes.js'
import { openRawClient, type RawClient } from '../support/raw-client.js'

const CHAT = '/v1/chat/completions'
const TEXT = '/v1/completions'

let gateway: TestGateway
let tenant: NewKey
const nodes: SimulatedNode[] = []

async function startNode(input: SimulatedNodeInput = {}): Promise<SimulatedNode> {
  const node = await startSimulatedNode(input)
  nodes.push(node)
  return node
}

const ask = (path: string, body: object, headers: Readonly<Record<string, string>> = {}) =>
  fetch(gateway.url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${tenant.key}`, ...headers },
    body: JSON.stringify(body),
  })

const idOf = (reply: Response) => reply.headers.get('x-request-id') ?? ''

/** Asks over a socket of its own. */
async function askRaw(path: string, body: object): Promise<RawClient> {
  const client = await openRawClient(gateway.port)
  const bytes = Buffer.from(JSON.stringify(body))
  client.send(
    `POST ${path} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer ${tenant.key}\r\n` +
      `content-length: ${bytes.length}\r\n\r\n${bytes.toString()}`,
  )
  return client
}

/** What a node did for a request in its only attempt. */
function served(node: SimulatedNode, requestId: string): LedgerEntry {
  const attempts = node.ledger.get(requestId) ?? []
  assert.equal(attempts.length, 1, `attempts of ${requestId}`)
  const [only] = attempts
  assert.ok(only)
  return only
}

/** The newest request of a node. */
function latest(node: SimulatedNode): LedgerEntry {
  const entry = [...node.ledger.values()].at(-1)?.at(-1)
  assert.ok(entry)
  return entry
}

const working = (node: SimulatedNode, requests: number) =>
  eventually(`${requests} requests at work`, () => node.stats().running === requests)

/** The data of each frame; comments are left out. */
const dataOf = (body: Buffer) =>
  body
    .toString()
    .split('\n\n')
    .filter((frame) => frame.startsWith('data: '))
    .map((frame) => frame.slice('data: '.length))

const ErrorFrame = z.strictObject({
  error: z.strictObject({ message: z.string(), type: z.string(), param: z.null(), code: z.string() }),
})
const TextFrame = z.object({ choices: z.array(z.object({ text: z.string() })) })
const LiveState = z.object({
  in_flight: z.number().nullable(),
  avg_ttft_ms: z.number().nullable(),
  breaker: z.string().nullable(),
})
const NodeStatus = z.object({ status: z.string(), healthy: z.boolean().nullable() })

const codeOf = async (reply: Response) => ErrorFrame.parse(await reply.json()).error.code

/** Frames as the client is promised them: without usage, but for what it asked for. */
const WITHOUT_TIME = (text: string) => text.replace(/"created":\d+/g, '"created":0')
const WITHOUT_USAGE = (text: string) => text.replace(/,"usage":(?:null|\{(?:[^{}]|\{[^{}]*\})*\})/g, '')

describe('the relay', () => {
  before(async () => {
    gateway = await startTestGateway()
    tenant = await gateway.createTenant()
  })

  after(async () => {
    await gateway[Symbol.asyncDispose]()
    // The gateway leaves no socket behind.
    for (const node of nodes) assert.equal(node.stats().openSockets, 0)
    for (const node of nodes) await node.close()
  })

  for (const [flavour, engine] of [
    ['vllm', 'vllm'],
    ['sglang', 'sglang'],
    ['plain', 'openai'],
  ] as const) {
    test(`passes the bytes of a ${flavour} node, less the usage that nobody asked for`, async () => {
      const node = await startNode({ flavour, models: ['up/stream'] })
      const model = `bytes-${flavour}`
      await gateway.createModel(model)
      await gateway.addNode(model, model, node, { engine })
      await gateway.live()
      const direct = async (path: string, body: object, requestId: string) => {
        const headers = { 'x-request-id': requestId }
        const sent = JSON.stringify({ ...body, model: 'up/stream' })
        return (await fetch(node.url + path, { method: 'POST', headers, body: sent })).text()
      }
      const prompts = { prompt: 'Grüße — "sea"\n🌊', messages: [{ role: 'user', content: 'Grüße 🌊' }] }
      const billed = new Map<string, unknown>()
      const both = { include_usage: true, continuous_usage_stats: true }
      for (const path of [CHAT, TEXT]) {
        const body = { model, ...prompts, max_tokens: 12, n: 2 }
        const plain = await ask(path, body)
        const plainText = await plain.text()
        assert.equal(WITHOUT_TIME(plainText), WITHOUT_TIME(await direct(path, body, idOf(plain))))

        for (const options of [undefined, { include_usage: false }, { include_usage: true }, both]) {
          for (const fault of [undefined, { kind: 'split_writes' }]) {
            const streamed = { ...body, stream: true, stream_options: options }
            const reply = await ask(path, { ...streamed, sim_fault: fault })
            assert.equal(reply.headers.get('content-type'), 'text/event-stream; charset=utf-8')
            const text = WITHOUT_TIME(await reply.text())
            await eventually('the node is done', () => served(node, idOf(reply)).endedAt !== null)
            const { promptTokens, completionTokens } = served(node, idOf(reply))
            const wanted = WITHOUT_TIME(await direct(path, streamed, idOf(reply)))
            if (options === both) assert.equal(text, wanted)
            else if (options?.include_usage === true) {
              assert.equal(WITHOUT_USAGE(text), WITHOUT_USAGE(wanted))
              // Once, in the frame without choices.
              assert.equal(text.match(/"usage":\{/g)?.length, 1)
              assert.match(text, /"choices":\[\],"usage":\{/)
            } else assert.equal(text, WITHOUT_USAGE(wanted))
            assert.equal(completionTokens, 24)
            billed.set(idOf(reply), [promptTokens, 24, 'reported'])
          }
        }
      }
      for (const [requestId, wanted] of billed) {
        const row = await gateway.usage(requestId)
        assert.deepEqual([row.prompt_tokens, row.completion_tokens, row.counted], wanted)
      }
    })
  }

  test('sends headers only with the first byte of the answer', async () => {
    const node = await startNode({ ttftMs: 300 })
    await gateway.serve('late', { late: node })
    using client = await askRaw(TEXT, { model: 'late', prompt: 'a', max_tokens: 3, stream: true })
    // This node sends its own headers before it has a token, as vLLM does.
    await eventually(
      'the node has begun to answer',
      () => node.ledger.size > 0 && latest(node).status === 200,
    )
    assert.equal(client.received().length, 0)
    await eventually('something arrives', () => client.received().length > 0)
    assert.match(client.received().toString(), /\r\n\r\n[0-9a-f]+\r\ndata: /)
    const { headers, complete } = await client.stream()
    assert.equal(complete, true)
    assert.equal(headers.get('cache-control'), 'no-cache')
    assert.equal(headers.get('x-accel-buffering'), 'no')
    assert.equal(headers.get('x-gateway-attempts'), '1')
    assert.match(headers.get('x-gateway-overhead-us') ?? '', /^\d+$/)
    assert.match(headers.get('x-gateway-node') ?? '', /^[0-9a-f-]{36}$/)
  })

  test('a client that does not read stops the node, others go on, and every byte arrives later', async () => {
    const node = await startNode({ contextLength: 1_000_000 })
    await gateway.serve('backlog', { backlog: node })
    const tokens = 150_000
    const body = { model: 'backlog', prompt: 'Tell me everything.', max_tokens: tokens }
    using slow = await askRaw(TEXT, { ...body, stream: true })
    slow.pause()
    await eventually('the node begins', () => node.ledger.size === 1 && latest(node).completionTokens > 0)
    const entry = latest(node)
    // Kernel buffers fill first, then the node has to wait. One look without progress may be a machine that is busy.
    let written = -1
    let quietLooks = 0
    await eventually('the node stands still', async () => {
      await sleep(250)
      quietLooks = entry.completionTokens === written ? quietLooks + 1 : 0
      written = entry.completionTokens
      return quietLooks === 10
    })
    assert.ok(entry.completionTokens < tokens, `${entry.completionTokens} tokens`)
    const other = await ask(TEXT, { ...body, max_tokens: 2000, stream: true })
    assert.match(await other.text(), /data: \[DONE\]\n\n$/)
    assert.equal(entry.completionTokens, written)

    slow.resume()
    const { body: streamed, complete } = await slow.stream()
    assert.equal(complete, true)
    const frames = dataOf(streamed)
    assert.equal(frames.pop(), '[DONE]')
    const plain = await fetch(node.url + TEXT, {
      method: 'POST',
      body: JSON.stringify({ ...body, model: 'sim-8b' }),
    })
    const [whole] = TextFrame.parse(await plain.json()).choices
    const texts = frames.map((json) => TextFrame.parse(JSON.parse(json)).choices[0]?.text)
    assert.ok(texts.join('') === whole?.text, 'the text is not what the node wrote')
    const row = await gateway.usage(entry.requestId)
    assert.deepEqual([row.completion_tokens, row.counted, row.status], [tokens, 'reported', 200])
  })

  test('a large plain reply reaches a slow reader whole', async () => {
    const node = await startNode()
    await gateway.serve('large', { large: node })
    const input = Array.from({ length: 100 }, (_, at) => `text ${at}`)
    const body = { model: 'large', input, dimensions: 4096 }
    using client = await askRaw('/v1/embeddings', body)
    client.pause()
    await eventually('the node has answered', () => node.ledger.size === 1 && latest(node).finished)
    const { requestId, promptTokens } = latest(node)
    client.resume()
    const { status, body: received, complete } = await client.stream()
    assert.deepEqual([status, complete], [200, true])
    assert.ok(received.length > 8_000_000)
    const direct = await fetch(`${node.url}/v1/embeddings`, {
      method: 'POST',
      headers: { 'x-request-id': requestId },
      body: JSON.stringify({ ...body, model: 'sim-8b' }),
    })
    assert.ok(WITHOUT_TIME(received.toString()) === WITHOUT_TIME(await direct.text()), 'bytes differ')
    assert.equal((await gateway.usage(requestId)).prompt_tokens, promptTokens)
  })

  describe('a node that fails', () => {
    let node: SimulatedNode
    before(async () => {
      node = await startNode()
      await gateway.serve('faulty', { faulty: node })
      // Short only where it has to run out: elsewhere a slow machine would make it the fault that is seen.
      await gateway.serve('stalling', { stalling: node }, { idle_timeout_ms: 300 })
      await gateway.serve('silent', { silent: node }, { first_token_timeout_ms: 400 })
    })

    const body = { model: 'faulty', prompt: 'Count.', max_tokens: 20 }

    for (const [name, fault, type, code] of [
      ['closes', { kind: 'die_after_tokens' }, 'upstream_error', 'upstream_connection_lost'],
      ['resets', { kind: 'die_after_tokens', reset: true }, 'upstream_error', 'upstream_connection_lost'],
      ['sends a malformed chunk', { kind: 'malformed_chunk' }, 'upstream_error', 'upstream_invalid_response'],
      ['sends an error frame', { kind: 'error_frame_then_done' }, 'upstream_error', 'upstream_error'],
      ['stalls', { kind: 'stall' }, 'timeout_error', 'idle_timeout'],
    ] as const) {
      for (const options of [{}, { stream_options: { include_usage: true, continuous_usage_stats: true } }]) {
        const asked = 'stream_options' in options ? ', bytes untouched' : ''
        test(`${name} in mid-stream: an error frame, and no end that looks well${asked}`, async () => {
          const sim_fault = { ...fault, after_tokens: 7 }
          const model = fault.kind === 'stall' ? 'stalling' : 'faulty'
          using client = await askRaw(TEXT, { ...body, ...options, model, stream: true, sim_fault })
          const { status, headers, body: received, complete } = await client.stream()
          assert.deepEqual([status, complete], [200, false])
          await client.closed()
          const frames = dataOf(received)
          const { error } = ErrorFrame.parse(JSON.parse(frames.pop() ?? ''))
          assert.deepEqual([error.type, error.code], [type, code])
          assert.equal(frames.length, 7)
          for (const frame of frames) assert.equal(TextFrame.parse(JSON.parse(frame)).choices.length, 1)
          const requestId = headers.get('x-request-id') ?? ''
          const row = await gateway.usage(requestId)
          assert.equal(row.error_code, code)
          assert.deepEqual([row.completion_tokens, row.counted], [7, 'reported'])
          assert.equal(served(node, requestId).completionTokens, 7)
        })
      }
    }

    test('while a slow client reads: it gets everything that was streamed, then the error frame', async () => {
      const sim_fault = { kind: 'die_after_tokens', after_tokens: 60_000 }
      using client = await askRaw(TEXT, { ...body, max_tokens: 100_000, stream: true, sim_fault })
      client.pause()
      await sleep(300)
      client.resume()
      const { body: received, complete } = await client.stream()
      assert.equal(complete, false)
      const frames = dataOf(received)
      assert.equal(ErrorFrame.parse(JSON.parse(frames.pop() ?? '')).error.code, 'upstream_connection_lost')
      assert.equal(frames.length, 60_000)
    })

    for (const [name, fault, status, code] of [
      [
        'dies before a plain answer',
        { kind: 'die_after_tokens', after_tokens: 3 },
        502,
        'upstream_connection_lost',
      ],
      ['breaks off a plain answer', { kind: 'long_content_length' }, 502, 'upstream_connection_lost'],
      ['declares too short a length', { kind: 'short_content_length' }, 502, 'upstream_invalid_response'],
      ['breaks the framing of a plain answer', { kind: 'malformed_chunk' }, 502, 'upstream_invalid_response'],
    ] as const) {
      test(`${name}: a status, and no half of an answer`, async () => {
        const reply = await ask(TEXT, { ...body, sim_fault: fault })
        assert.equal(reply.status, status)
        assert.equal(reply.headers.get('x-should-retry'), 'false')
        assert.equal(await codeOf(reply), code)
        const row = await gateway.usage(idOf(reply))
        assert.deepEqual([row.status, row.error_code], [status, code])
      })
    }

    test('and is silent before its first token: 504, and the node is freed', async () => {
      const reply = await ask(TEXT, { ...body, model: 'silent', stream: true, sim_ttft_ms: 60_000 })
      assert.equal(reply.status, 504)
      assert.equal(reply.headers.get('x-should-retry'), 'false')
      assert.equal(await codeOf(reply), 'first_token_timeout')
      await eventually('the node is free', () => node.stats().running === 0)
      assert.equal((await gateway.usage(idOf(reply))).completion_tokens, 0)
    })

    test('and sends more than it should: the answer is whole, and nobody else gets the rest', async () => {
      for (const [stream, ms] of [[false], [true], [false, 5], [true, 5]] as const) {
        const sim_fault = { kind: 'extra_bytes', ...(ms !== undefined && { ms }) }
        const clean = await (await ask(TEXT, body)).json()
        const reply = await ask(TEXT, { ...body, stream, sim_fault })
        const text = await reply.text()
        assert.equal(reply.status, 200)
        assert.doesNotMatch(text, /stray/)
        if (stream) assert.match(text, /data: \[DONE\]\n\n$/)
        // A late response has to find the connection idle: beside a request under way nothing tells it from an answer.
        if (ms !== undefined) await sleep(100)
        for (let again = 0; again < 5; again++) {
          const next = await (await ask(TEXT, body)).text()
          assert.deepEqual(
            TextFrame.parse(JSON.parse(next)).choices[0]?.text,
            TextFrame.parse(clean).choices[0]?.text,
          )
        }
      }
    })

    test('to report usage: the answer is whole, its tokens are estimated', async () => {
      const reply = await ask(TEXT, { ...body, stream: true, sim_fault: { kind: 'no_usage' } })
      assert.match(await reply.text(), /data: \[DONE\]\n\n$/)
      const row = await gateway.usage(idOf(reply))
      assert.deepEqual([row.status, row.counted, row.completion_tokens], [200, 'estimated', 20])
    })
  })

  test('a node that refuses connections is replaced by another, then left alone', async () => {
    const [gone, here] = [await startNode(), await startNode()]
    await gateway.serve('refusing', { gone, here }, { strategy: 'round-robin' })
    await gone.setFault({ kind: 'refuse' })
    const attempts: string[] = []
    for (let at = 0; at < 6; at++) {
      const reply = await ask(TEXT, { model: 'refusing', prompt: 'a', max_tokens: 1 })
      assert.equal(reply.status, 200)
      await reply.arrayBuffer()
      attempts.push(reply.headers.get('x-gateway-attempts') ?? '')
      served(here, idOf(reply))
      if (attempts.at(-1) === '2') {
        const row = await gateway.usage(idOf(reply))
        assert.deepEqual([row.attempts, row.node, row.status], [2, 'here', 200])
      }
    }
    assert.ok(attempts.includes('2'), String(attempts))
    assert.ok(attempts.includes('1'), String(attempts))

    await here.setFault({ kind: 'refuse' })
    // No node got a byte of these, so a client may well try again.
    const failed = await ask(TEXT, { model: 'refusing', prompt: 'a' })
    assert.equal(failed.status, 502)
    assert.equal(failed.headers.get('x-should-retry'), null)
    assert.equal(await codeOf(failed), 'upstream_connection_failed')
    // Who comes after a second meets a node that is tried once more.
    let none = failed
    await eventually('both nodes are left alone', async () => {
      none = await ask(TEXT, { model: 'refusing', prompt: 'a' })
      return none.status === 503
    })
    assert.equal(none.headers.get('retry-after'), '1')
    assert.equal(await codeOf(none), 'no_healthy_node')

    await gone.clearFault('refuse')
    await eventually('the node that is back is asked', async () => {
      const reply = await ask(TEXT, { model: 'refusing', prompt: 'a', max_tokens: 1 })
      await reply.arrayBuffer()
      return reply.status === 200
    })
    await here.clearFault('refuse')
  })

  /** Sends short requests one after another. @returns how many each node got */
  async function spread(model: string, requests: number, among: readonly SimulatedNode[]): Promise<number[]> {
    const before = among.map((node) => node.ledger.size)
    for (let at = 0; at < requests; at++) {
      const reply = await ask(TEXT, { model, prompt: 'a', max_tokens: 1 })
      assert.equal(reply.status, 200, await reply.text())
    }
    return among.map((node, at) => node.ledger.size - (before[at] ?? 0))
  }

  test('nodes that are unhealthy, draining or terminated are not asked; running streams finish', async () => {
    const three = [await startNode(), await startNode(), await startNode()] as const
    const [a, b, c] = three
    const health_check = {
      interval_seconds: 0.5,
      // The node that is down refuses; the others are not to fail for want of processor time.
      timeout_seconds: 5,
      unhealthy_threshold: 1,
      healthy_threshold: 1,
    }
    await gateway.serve(
      'states',
      { 'state-a': a, 'state-b': b, 'state-c': c },
      { strategy: 'round-robin', health_check },
    )
    assert.deepEqual(await spread('states', 6, three), [2, 2, 2])

    await a.setFault({ kind: 'refuse' })
    await eventually('the node counts as unhealthy', async () => {
      const { status } = await gateway.admin('GET', '/admin/nodes/state-a', NodeStatus)
      return status === 'unhealthy' && (await spread('states', 3, three))[0] === 0
    })
    assert.equal((await spread('states', 6, three))[0], 0)
    await a.clearFault('refuse')
    await eventually('it is asked again', async () => (await spread('states', 3, three))[0] === 1)

    const long = { model: 'states', prompt: 'a', max_tokens: 40, stream: true, sim_itl_ms: 20 }
    // One of these is its first token since it refused: more than one request at a time is sent to it again.
    for (let i = 0; i < 3; i++) await (await ask(TEXT, { ...long, max_tokens: 1 })).text()
    // Nothing else here takes time, so this holds these streams alone.
    for (const node of three) await node.setFault({ kind: 'slow', factor: 50 })
    const streams = await Promise.all([ask(TEXT, long), ask(TEXT, long), ask(TEXT, long)])
    for (const node of three) assert.equal(node.stats().running, 1)
    await gateway.admin('POST', '/admin/nodes/state-b/drain', z.unknown())
    await gateway.live()
    assert.deepEqual(await spread('states', 4, three), [2, 0, 2])
    await gateway.admin('POST', '/admin/nodes/state-c/terminate', z.unknown(), {})
    await gateway.live()
    assert.deepEqual(await spread('states', 4, three), [4, 0, 0])
    await gateway.admin('POST', '/admin/nodes/state-b/undrain', z.unknown())
    await gateway.live()
    assert.deepEqual(await spread('states', 4, three), [2, 2, 0])
    for (const node of three) await working(node, 1)
    for (const node of three) await node.clearFault('slow')
    for (const stream of streams) assert.match(await stream.text(), /data: \[DONE\]\n\n$/)
  })

  test('a node gets no more requests at once than its limit', async () => {
    const node = await startNode()
    await gateway.createModel('limited')
    await gateway.addNode('limited', 'limited', node, { max_concurrency: 2 })
    await gateway.live()
    const long = { model: 'limited', prompt: 'a', max_tokens: 1000, stream: true, sim_itl_ms: 20 }
    const leave = new AbortController()
    const headers = { authorization: `Bearer ${tenant.key}` }
    const init = { method: 'POST', headers, body: JSON.stringify(long), signal: leave.signal }
    await Promise.all([fetch(gateway.url + TEXT, init), fetch(gateway.url + TEXT, init)])
    const third = await ask(TEXT, long)
    assert.deepEqual([third.status, third.headers.get('retry-after')], [503, '1'])
    assert.equal(await codeOf(third), 'overloaded')
    assert.equal(node.ledger.size, 2)
    const live = () => gateway.admin('GET', '/admin/nodes/limited', LiveState)
    await eventually('administrators see what the proxy has there', async () => {
      const { in_flight, avg_ttft_ms, breaker } = await live()
      return in_flight === 2 && avg_ttft_ms !== null && breaker === 'admitting'
    })
    leave.abort()
    await eventually('and that it has nothing there', async () => (await live()).in_flight === 0)
    await eventually('there is room again', async () => {
      const reply = await ask(TEXT, { model: 'limited', prompt: 'a', max_tokens: 1 })
      await reply.arrayBuffer()
      return reply.status === 200
    })
    assert.equal(node.stats().mostRunning, 2)
  })

  test('every strategy spreads requests as it should, and a change is live at once', async () => {
    const three = [await startNode(), await startNode(), await startNode()] as const
    const [a, b, c] = three
    const names = { 'spread-a': a, 'spread-b': b, 'spread-c': c }
    const model = await gateway.serve('spread', names, { strategy: 'round-robin' })
    assert.deepEqual(await spread('spread', 9, three), [3, 3, 3])

    await gateway.setRoute(model, {
      strategy: 'weighted',
      node_weights: { 'spread-a': 3, 'spread-b': 2, 'spread-c': 1 },
    })
    await gateway.live()
    assert.deepEqual(await spread('spread', 12, three), [6, 4, 2])

    await gateway.setRoute(model, { strategy: 'least-connections', node_weights: {} })
    await gateway.live()
    const leave = new AbortController()
    const init = {
      method: 'POST',
      headers: { authorization: `Bearer ${tenant.key}` },
      body: JSON.stringify({ model: 'spread', prompt: 'a', max_tokens: 1000, stream: true, sim_itl_ms: 20 }),
      signal: leave.signal,
    }
    for (let at = 0; at < 6; at++) await fetch(gateway.url + TEXT, init)
    for (const node of three) assert.equal(node.stats().running, 2)
    leave.abort()
    for (const node of three) await working(node, 0)

    // So slow that no pause of the machine makes the other one look slower.
    const [slow, fast] = [await startNode({ ttftMs: 2_000 }), await startNode()]
    await gateway.serve('latency', { slow, fast }, { strategy: 'least-latency' })
    // Latency is known from the first token of a stream.
    for (let at = 0; at < 20; at++) {
      const reply = await ask(TEXT, { model: 'latency', prompt: 'a', max_tokens: 2, stream: true })
      await reply.arrayBuffer()
    }
    const counts = [slow.ledger.size, fast.ledger.size]
    assert.ok(slow.ledger.size >= 1 && fast.ledger.size >= 15, String(counts))
  })

  test('a new node takes traffic at once, and a new name for the model works', async () => {
    const [first, second] = [await startNode(), await startNode()]
    const model = await gateway.serve('growing', { first }, { strategy: 'round-robin' })
    await gateway.addNode('growing', 'second', second)
    await gateway.admin('PATCH', `/admin/models/${model}`, z.unknown(), { aliases: ['growing-alias'] })
    await eventually('the change is live', async () => {
      const reply = await ask(TEXT, { model: 'growing-alias', prompt: 'a', max_tokens: 1 })
      await reply.arrayBuffer()
      return reply.status === 200 && second.ledger.size > 0
    })
    const reply = await ask(TEXT, { model: 'growing-alias', prompt: 'a', max_tokens: 1 })
    await reply.arrayBuffer()
    assert.equal((await gateway.usage(idOf(reply))).model, 'growing')
  })

  test('only what may travel reaches a node: neither the key nor a field that could harm others', async () => {
    const seen: string[] = []
    const answer =
      '{"id":"x","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}'
    const sockets = new Set<Socket>()
    await using node = createServer((socket) => {
      let text = ''
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('data', (bytes) => {
        text += bytes.toString()
        const head = text.indexOf('\r\n\r\n')
        const length = Number(/^content-length: (\d+)\r$/im.exec(text)?.[1] ?? 0)
        if (head < 0 || text.length < head + 4 + length) return
        // Health checks and scrapes of the leader arrive here, too.
        if (text.startsWith('POST')) seen.push(text)
        text = ''
        socket.write(
          'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nset-cookie: a=b\r\nserver: secret\r\n' +
            `x-internal: 10.0.0.1\r\ncontent-length: ${answer.length}\r\n\r\n${answer}`,
        )
      })
    }).listen(0, '127.0.0.1')
    await once(node, 'listening')
    const { port } = node.address() as AddressInfo
    const model = await gateway.createModel('captured')
    await gateway.admin('POST', '/admin/nodes', z.unknown(), {
      cluster_name: 'captured',
      model_name: 'captured',
      endpoint_url: `http://127.0.0.1:${port}`,
      upstream_model: 'the "real" name',
      engine: 'openai',
      api_key: 'secret-of-the-node',
    })
    await gateway.live()
    const body = {
      priority: -5,
      model: 'captured',
      cache_salt: 'x',
      messages: [{ role: 'user', content: 'priority', priority: 1 }],
      kv_transfer_params: { a: [1] },
      temperature: 0.5,
      chat_template: '{{ evil }}',
    }
    const headers = {
      'x-request-id': 'mine',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      cookie: 'session=1',
      'x-forwarded-for': '1.2.3.4',
      'x-admin-token': 'no',
      accept: 'application/json',
      'user-agent': 'curl',
    }
    const reply = await ask(CHAT, body, headers)
    assert.equal(await reply.text(), answer)
    assert.equal(reply.headers.get('x-client-request-id'), 'mine')
    for (const name of ['set-cookie', 'server', 'x-internal']) assert.equal(reply.headers.get(name), null)

    const [head = '', sent = ''] = (seen[0] ?? '').split('\r\n\r\n')
    const [requestLine, ...lines] = head.split('\r\n')
    assert.equal(requestLine, `POST ${CHAT} HTTP/1.1`)
    assert.deepEqual(lines.toSorted(), [
      'accept: application/json',
      'authorization: Bearer secret-of-the-node',
      `content-length: ${Buffer.byteLength(sent)}`,
      'content-type: application/json',
      `host: 127.0.0.1:${port}`,
      `traceparent: ${headers.traceparent}`,
      `x-request-id: ${idOf(reply)}`,
    ])
    const { messages, temperature } = body
    assert.deepEqual(JSON.parse(sent), { model: 'the "real" name', messages, temperature })

    await gateway.setRoute(model, { allowed_body_fields: ['priority', 'chat_template'] })
    await gateway.live()
    await (await ask(CHAT, body)).arrayBuffer()
    const allowed: unknown = JSON.parse(seen[1]?.split('\r\n\r\n')[1] ?? '')
    const { priority, chat_template } = body
    assert.deepEqual(allowed, { priority, model: 'the "real" name', messages, temperature, chat_template })
    await gateway.admin('POST', '/admin/nodes/captured/terminate', z.unknown(), { force: true })
    for (const socket of sockets) socket.destroy()
  })

  test('every request that was admitted has one usage record, and nothing is left open', async () => {
    for (const node of nodes) await working(node, 0)
    const all = nodes.flatMap((node) => [...node.ledger.keys()])
    const admitted = all.filter((id) => /^[0-9a-f]{8}-[0-9a-f]{4}-7/.test(id))
    await gateway.usage(admitted.at(-1) ?? '')
    for (const id of admitted.slice(-50)) assert.equal(await gateway.usageRows(id), 1, id)
    await eventually('no socket is busy', () => nodes.every((node) => node.stats().busySockets === 0))
  })
})

test('SIGTERM lets streams finish, refuses new requests, bills and ends with exit code 0', async () => {
  await using node = await startSimulatedNode()
  await using draining = await startTestGateway({ DRAIN_DELAY_SECONDS: '5' })
  const { key } = await draining.createTenant()
  await draining.serve('sim-8b', { 'node-1': node })
  const init = (body: object) => ({
    method: 'POST',
    headers: { authorization: `Bearer ${key}` },
    body: JSON.stringify({ model: 'sim-8b', prompt: 'a', ...body }),
  })
  await node.setFault({ kind: 'slow', factor: 50 })
  const stream = await fetch(draining.url + TEXT, init({ max_tokens: 100, stream: true, sim_itl_ms: 20 }))
  draining.process.kill('SIGTERM')
  await eventually(
    'it says that it drains',
    async () => (await fetch(`${draining.url}/ready`)).status === 503,
  )
  // Balancers still send requests for a moment: they are served until the listener closes.
  const post = Buffer.from(
    `POST ${TEXT} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer ${key}\r\n` +
      'content-length: 46\r\n\r\n{"model":"sim-8b","prompt":"a","max_tokens":1}',
  )
  using kept = await openRawClient(draining.port)
  kept.send(post)
  assert.equal((await kept.reply()).status, 200)
  let refused = await (kept.send(post), kept.reply())
  await eventually('a connection that is kept alive is refused', async () => {
    kept.send(post)
    refused = await kept.reply()
    return refused.status === 503
  })
  assert.equal(refused.headers.get('retry-after'), '1')
  assert.match(refused.body, /"code":"draining"/)
  await node.clearFault('slow')
  const text = await stream.text()
  assert.match(text, /data: \[DONE\]\n\n$/)
  assert.deepEqual(await draining.process.exited, { code: 0, signal: null })
  const row = await draining.usage(idOf(stream))
  assert.deepEqual([row.completion_tokens, row.status, row.counted], [100, 200, 'reported'])
  await eventually('no socket is left at the node', () => node.stats().openSockets === 0)
})
