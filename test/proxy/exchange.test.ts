import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { test } from 'node:test'
import { readRequestHead } from '../../src/core/request-head.js'
import type { ResolvedKey } from '../../src/core/resolved-key.js'
import { DEFAULT_ROUTE, type Snapshot } from '../../src/core/snapshot.js'
import type { UsageOutcome } from '../../src/core/usage-record.js'
import { createProxyMetrics } from '../../src/io/metrics.js'
import { createHttpApp } from '../../src/io/uws.js'
import { createBodyMemory } from '../../src/proxy/body-memory.js'
import { Exchange } from '../../src/proxy/exchange.js'
import { RoutedRequest } from '../../src/proxy/routed-request.js'
import { createRouter } from '../../src/proxy/routing.js'
import { SwapList } from '../../src/proxy/swap-list.js'
import { openSpool } from '../../src/proxy/spool.js'
import { createUpstream } from '../../src/proxy/upstream.js'
import { eventually } from '../support/processes.js'
import { openRawClient, type RawClient } from '../support/raw-client.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const KEY: ResolvedKey = {
  keyId: 'key',
  keyName: 'Key',
  environmentId: 'environment',
  tenantId: 'tenant',
  tenantStatus: 'active',
  tier: 'pro',
  role: 'developer',
  allowedModels: null,
  tenantAllowedModels: null,
  expiresAt: null,
  version: 1,
}

function snapshotOf(endpointUrl: string): Snapshot {
  const prices = { inputMicros: 1, cachedInputMicros: null, outputMicros: 1 }
  return {
    version: 1,
    models: [
      {
        id: 'm',
        name: 'm',
        aliases: [],
        family: 'f',
        type: 'chat',
        contextLength: 100,
        prices,
        createdAt: 0,
      },
    ],
    nodes: [
      {
        id: 'n',
        clusterName: 'n',
        modelId: 'm',
        endpointUrl,
        upstreamModel: 'm',
        weight: 1,
        maxConcurrency: null,
        apiKey: null,
        engine: 'vllm',
        status: 'active',
      },
    ],
    routes: [{ modelId: 'm', ...DEFAULT_ROUTE, idleTimeoutMs: 40_000 }],
  }
}

interface DataPlane extends AsyncDisposable {
  /** Sends a streamed request; resolves when the node, whose socket is given back, has it. */
  ask(
    body?: object,
  ): Promise<{ readonly client: RawClient; readonly node: Socket; readonly exchange: Exchange }>
  /** How requests ended. */
  readonly outcomes: readonly UsageOutcome[]
}

/** The data plane around an exchange, with a node whose every byte the test writes. */
async function startDataPlane(): Promise<DataPlane> {
  const folder = await temporaryFolder()
  const sockets: Socket[] = []
  const requests: Socket[] = []
  const node = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    socket.once('data', () => requests.push(socket))
  }).listen(0, '127.0.0.1')
  await once(node, 'listening')
  const { port: nodePort } = node.address() as AddressInfo

  const router = createRouter({ now: () => Date.now(), random: Math.random })
  router.apply(snapshotOf(`http://127.0.0.1:${nodePort}`))
  const upstream = createUpstream()
  const spool = openSpool({
    directory: folder.path,
    now: () => Date.now() * 1000,
    onError: (error) => {
      throw error
    },
  })
  const outcomes: UsageOutcome[] = []
  const exchanges: Exchange[] = []
  const deps = {
    router,
    upstream,
    spool,
    metrics: createProxyMetrics('test'),
    open: new SwapList<Exchange>(),
    explanations: { sample: () => false, record: () => {} },
    settle: (
      entry: Exchange | Parameters<typeof spool.end>[0],
      _identity: unknown,
      outcome: UsageOutcome,
    ) => {
      spool.end(entry, Buffer.from('{}'))
      outcomes.push(outcome)
    },
  }
  const app = createHttpApp({
    onError: (error) => {
      throw error
    },
  })
  app.route('POST', '/v1/completions', (call) => {
    call.readBody(10_000, (body) => {
      const route = router.find('m')
      assert.ok(route !== undefined && body !== null)
      const head = readRequestHead(body)
      const endpoint = 'completions'
      const held = createBodyMemory(10_000).hold()
      const request = new RoutedRequest(call, head, body, KEY.tenantId)
      const times = { admittedAt: performance.now(), bodyWaitMs: 0 }
      const admission = {
        call,
        key: KEY,
        endpoint,
        head,
        asked: route,
        route,
        request,
        weight: 1,
        ...times,
        held,
      } as const
      const exchange = new Exchange(deps, admission, body)
      exchanges.push(exchange)
      exchange.begin()
    })
  })
  const port = await app.listen('127.0.0.1', 0)
  const clients: RawClient[] = []
  let asked = 0

  return {
    outcomes,
    async ask(body = {}) {
      const client = await openRawClient(port)
      clients.push(client)
      const text = JSON.stringify({ model: 'm', prompt: 'a', stream: true, ...body })
      client.send(`POST /v1/completions HTTP/1.1\r\nhost: a\r\ncontent-length: ${text.length}\r\n\r\n${text}`)
      const at = asked++
      await eventually('the node is asked', () => requests.length > at)
      const [socket, exchange] = [requests[at], exchanges[at]]
      assert.ok(socket !== undefined && exchange !== undefined)
      return { client, node: socket, exchange }
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) client[Symbol.dispose]()
      app.close()
      upstream[Symbol.dispose]()
      for (const socket of sockets) socket.destroy()
      node.close()
      await once(node, 'close')
      await spool.close()
      assert.equal(deps.open.size, 0, 'an exchange is left open')
      await folder[Symbol.asyncDispose]()
    },
  }
}

const STREAM_HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n'
const chunk = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`
const TOKEN =
  'data: {"choices":[{"index":0,"text":"x","finish_reason":null}],"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\n'
const CONTINUOUS = { stream_options: { include_usage: true, continuous_usage_stats: true } }

const receives = (client: RawClient, text: string) =>
  eventually(`the client receives ${JSON.stringify(text)}`, () => client.received().includes(text), 5_000)

test('pings after 15 seconds of silence and then each 15, headers with the first; a failure is a frame then', async () => {
  await using plane = await startDataPlane()
  const { client, node, exchange } = await plane.ask()
  node.write(STREAM_HEAD)
  const start = performance.now()
  exchange.sweep(start + 14_000)
  exchange.sweep(start + 15_100)
  await receives(client, ': ping\n\n')
  exchange.sweep(start + 16_000)
  exchange.sweep(start + 30_200)
  await receives(client, ': ping\n\n\r\n8\r\n: ping\n\n')
  node.write(chunk(TOKEN))
  await receives(client, '"text":"x"')
  node.destroy()
  const { status, headers, body, complete } = await client.stream()
  assert.deepEqual([status, complete], [200, false])
  assert.equal(headers.get('content-type'), 'text/event-stream; charset=utf-8')
  const frames = body.toString().split('\n\n')
  assert.deepEqual(
    frames.map((frame) => frame.slice(0, 12)),
    [': ping', ': ping', 'data: {"choi', 'data: {"erro', ''],
  )
  assert.deepEqual(
    plane.outcomes.map(({ errorCode, completionTokens }) => [errorCode, completionTokens]),
    [['upstream_connection_lost', 1]],
  )
})

test('a JSON document after a ping is a failure: a stream was begun', async () => {
  await using plane = await startDataPlane()
  const { client, node, exchange } = await plane.ask()
  exchange.sweep(performance.now() + 15_100)
  await receives(client, ': ping\n\n')
  node.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 14\r\n\r\n{"choices":[]}')
  const { body, complete } = await client.stream()
  assert.equal(complete, false)
  assert.match(body.toString(), /^: ping\n\ndata: \{"error":\{.*"code":"upstream_invalid_response"\}\}\n\n$/)
})

test('nothing is put into half a frame of an untouched stream: no ping, no error frame', async () => {
  await using plane = await startDataPlane()
  const { client, node, exchange } = await plane.ask(CONTINUOUS)
  node.write(STREAM_HEAD + chunk(TOKEN + TOKEN.slice(0, 20)))
  await receives(client, TOKEN.slice(0, 20))
  exchange.sweep(performance.now() + 16_000)
  node.write(chunk(TOKEN.slice(20, 40)))
  await receives(client, TOKEN.slice(20, 40))
  node.destroy()
  const { body, complete } = await client.stream()
  assert.deepEqual([body.toString(), complete], [TOKEN + TOKEN.slice(0, 40), false])
})

test('a silent node is given up after the idle timeout, one that is slow to begin after the first-token timeout', async () => {
  await using plane = await startDataPlane()
  const idle = await plane.ask()
  idle.node.write(STREAM_HEAD + chunk(TOKEN))
  await receives(idle.client, '"text":"x"')
  idle.exchange.sweep(performance.now() + 39_000)
  idle.exchange.sweep(performance.now() + 40_100)
  assert.match((await idle.client.stream()).body.toString(), /"code":"idle_timeout"\}\}\n\n$/)

  const slow = await plane.ask()
  // A connection that stands has until the first token, however short the time for connecting is.
  slow.exchange.sweep(performance.now() + DEFAULT_ROUTE.connectionTimeoutMs + 100)
  slow.exchange.sweep(performance.now() + 14_000)
  assert.equal(slow.client.received().length, 0)
  const at = performance.now() + DEFAULT_ROUTE.firstTokenTimeoutMs + 100
  slow.exchange.sweep(at)
  assert.match(
    (await slow.client.stream()).body.toString(),
    /^: ping\n\ndata: .*"code":"first_token_timeout"\}\}\n\n$/,
  )
  assert.deepEqual(
    plane.outcomes.map(({ status, errorCode }) => [status, errorCode]),
    [
      [504, 'idle_timeout'],
      [504, 'first_token_timeout'],
    ],
  )
})
