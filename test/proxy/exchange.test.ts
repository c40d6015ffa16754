import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { test } from 'node:test'
import { readRequestHead } from '../../src/core/request-head.js'
import { DEFAULT_ROUTE, type Engine, type Snapshot, type SnapshotRoute } from '../../src/core/snapshot.js'
import type { UsageOutcome } from '../../src/core/usage-record.js'
import { createProxyMetrics } from '../../src/io/metrics.js'
import { createHttpApp } from '../../src/io/uws.js'
import { createBodyMemory } from '../../src/proxy/body-memory.js'
import { Exchange } from '../../src/proxy/exchange.js'
import { UNLIMITED_RESERVATION } from '../../src/proxy/reservation.js'
import { RoutedRequest } from '../../src/proxy/routed-request.js'
import { createRouter, type Router } from '../../src/proxy/routing.js'
import { SwapList } from '../../src/proxy/swap-list.js'
import { openSpool } from '../../src/proxy/spool.js'
import { createUpstream } from '../../src/proxy/upstream.js'
import { eventually } from '../support/processes.js'
import { openRawClient, type RawClient } from '../support/raw-client.js'
import { resolvedKey } from '../support/resolved-key.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const KEY = resolvedKey()

interface PlaneOptions {
  /** By node; vLLM where nothing is said. */
  readonly engines?: Readonly<Record<string, Engine>>
  readonly route?: Partial<SnapshotRoute>
}

function snapshotOf(
  endpointUrl: string,
  nodes: readonly string[],
  { engines = {}, route = {} }: PlaneOptions,
): Snapshot {
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
        tokensPerSecond: null,
        createdAt: 0,
      },
    ],
    nodes: nodes.map((id) => ({
      id,
      clusterName: id,
      modelId: 'm',
      endpointUrl,
      upstreamModel: 'm',
      weight: 1,
      maxConcurrency: null,
      apiKey: null,
      engine: engines[id] ?? 'vllm',
      status: 'active',
    })),
    routes: [{ modelId: 'm', ...DEFAULT_ROUTE, idleTimeoutMs: 40_000, ...route }],
    deployments: [],
  }
}

interface DataPlane extends AsyncDisposable {
  /** Sends a streamed request; resolves when the node, whose socket is given back, has it. */
  ask(
    body?: object,
  ): Promise<{ readonly client: RawClient; readonly node: Socket; readonly exchange: Exchange }>
  /** The socket and what was sent, of the next request that a node gets. */
  next(): Promise<{ readonly node: Socket; readonly request: string }>
  readonly targets: Router['targets']
  /** How requests ended. */
  readonly outcomes: readonly UsageOutcome[]
}

/** The data plane around an exchange, with nodes at one address whose every byte the test writes. */
async function startDataPlane(
  nodes: readonly string[] = ['n'],
  options: PlaneOptions = {},
): Promise<DataPlane> {
  const folder = await temporaryFolder()
  const sockets: Socket[] = []
  const requests: { readonly node: Socket; readonly request: string }[] = []
  const node = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    socket.once('data', (bytes) => requests.push({ node: socket, request: bytes.toString() }))
  }).listen(0, '127.0.0.1')
  await once(node, 'listening')
  const { port: nodePort } = node.address() as AddressInfo

  const router = createRouter({ now: () => Date.now(), random: Math.random })
  router.apply(snapshotOf(`http://127.0.0.1:${nodePort}`, nodes, options))
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
        reservation: UNLIMITED_RESERVATION,
        limitsWait: null,
        isCopy: false,
      } as const
      const exchange = new Exchange(deps, admission, body)
      exchanges.push(exchange)
      exchange.begin()
    })
  })
  const port = await app.listen('127.0.0.1', 0)
  const clients: RawClient[] = []
  let asked = 0
  const next = async () => {
    const at = asked++
    await eventually('a node is asked', () => requests.length > at)
    const request = requests[at]
    assert.ok(request !== undefined)
    return request
  }

  return {
    targets: router.targets,
    outcomes,
    async ask(body = {}) {
      const client = await openRawClient(port)
      clients.push(client)
      const text = JSON.stringify({ model: 'm', prompt: 'a', stream: true, ...body })
      client.send(`POST /v1/completions HTTP/1.1\r\nhost: a\r\ncontent-length: ${text.length}\r\n\r\n${text}`)
      const { node } = await next()
      const exchange = exchanges.at(-1)
      assert.ok(exchange !== undefined)
      return { client, node, exchange }
    },
    next,
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

test('a JSON document that takes its time behind its head is not begun as a stream by a ping', async () => {
  await using plane = await startDataPlane()
  const { client, node, exchange } = await plane.ask()
  const load = 'endpoint-load-metrics: TEXT named_metrics.num_requests_waiting=7'
  node.write(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 14\r\n${load}\r\n\r\n`)
  await eventually('the head has come', () => (plane.targets.get('n')?.load ?? 0) >= 7)
  exchange.sweep(performance.now() + 15_100)
  node.write('{"choices":[]}')
  const { headers, body } = await client.reply()
  assert.deepEqual([headers.get('content-type'), body.toString()], ['application/json', '{"choices":[]}'])
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

/** A frame of an answer to a completion; `tokens` as the engine counts them. */
function textFrame(
  text: string,
  tokens: number,
  finish: string | null = null,
  prompt = 4,
  id = 'cmpl-1',
): string {
  const choices = [{ index: 0, text, finish_reason: finish }]
  return `data: ${JSON.stringify({ id, choices, usage: { prompt_tokens: prompt, completion_tokens: tokens } })}\n\n`
}

const textsOf = (body: Buffer) =>
  [...body.toString().matchAll(/^data: (\{.*\})$/gm)].map(
    ([, json = '']) =>
      JSON.parse(json) as { id?: string; error?: { code: string }; choices?: { text: string }[] },
  )

test('a stream that stalls goes on at another node as if nothing had been', async () => {
  await using plane = await startDataPlane(['a', 'b'])
  const { client, node, exchange } = await plane.ask({ max_tokens: 5 })
  node.write(STREAM_HEAD + chunk(textFrame('Once', 1) + textFrame(' "upon"', 2)))
  await receives(client, 'upon')
  exchange.sweep(performance.now() + 40_100)
  const { node: second, request } = await plane.next()
  const sent = JSON.parse(request.slice(request.indexOf('\r\n\r\n'))) as {
    prompt: string
    max_tokens: number
  }
  assert.deepEqual([sent.prompt, sent.max_tokens], ['aOnce "upon"', 3])
  const rest = textFrame(' a', 1, null, 6, 'cmpl-2') + textFrame(' time', 2, 'stop', 6, 'cmpl-2')
  second.write(STREAM_HEAD + chunk(`${rest}data: [DONE]\n\n`) + '0\r\n\r\n')
  const { body, complete } = await client.stream()
  assert.equal(complete, true)
  const frames = textsOf(body)
  assert.equal(frames.map(({ choices }) => choices?.[0]?.text).join(''), 'Once "upon" a time')
  assert.deepEqual([...new Set(frames.map(({ id }) => id))], ['cmpl-1'])
  assert.ok(body.toString().endsWith('data: [DONE]\n\n'))
  const [outcome] = plane.outcomes
  assert.deepEqual(
    [outcome?.status, outcome?.promptTokens, outcome?.completionTokens, outcome?.attempts, outcome?.resumed],
    [200, 4, 4, 2, 1],
  )
  assert.equal(outcome?.counted, 'reported')
})

test('a node that fails behind its last token leaves nothing to be asked of another', async () => {
  await using plane = await startDataPlane(['a', 'b'])
  const bounded = await plane.ask({ max_tokens: 2, stream_options: { include_usage: true } })
  bounded.node.write(STREAM_HEAD + chunk(textFrame('Once', 1) + textFrame(' upon', 2)))
  await receives(bounded.client, 'upon')
  bounded.node.destroy()
  const { body, complete } = await bounded.client.stream()
  assert.equal(complete, true)
  assert.match(body.toString(), /"finish_reason":"length"\}\]\}\n\n/)
  assert.match(body.toString(), /"prompt_tokens":4,"total_tokens":6,"completion_tokens":2/)
  assert.ok(body.toString().endsWith('data: [DONE]\n\n'))

  const finished = await plane.ask({ max_tokens: 9 })
  finished.node.write(STREAM_HEAD + chunk(textFrame('Once', 1, 'stop')))
  await receives(finished.client, 'Once')
  finished.node.destroy()
  const end = await finished.client.stream()
  assert.deepEqual([end.complete, textsOf(end.body).length], [true, 1])
  assert.deepEqual(
    plane.outcomes.map(({ status, completionTokens, attempts, resumed }) => [
      status,
      completionTokens,
      attempts,
      resumed,
    ]),
    [
      [200, 2, 1, 0],
      [200, 1, 1, 0],
    ],
  )
})

test('what a node says against going on is not for the client, who hears why the first one failed', async () => {
  await using plane = await startDataPlane(['a', 'b'])
  const { client, node } = await plane.ask()
  node.write(STREAM_HEAD + chunk(textFrame('Once', 1)))
  await receives(client, 'Once')
  node.destroy()
  const { node: second } = await plane.next()
  const refusal = '{"error":{"message":"continue_final_message is unknown","code":400}}'
  second.write(
    `HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: ${refusal.length}\r\n\r\n${refusal}`,
  )
  const { body, complete } = await client.stream()
  assert.equal(complete, false)
  assert.deepEqual(
    textsOf(body).map((frame) => frame.error?.code ?? frame.choices?.[0]?.text),
    ['Once', 'upstream_connection_lost'],
  )
  assert.deepEqual([plane.outcomes[0]?.completionTokens, plane.outcomes[0]?.attempts], [1, 2])
})

test('a stream that every node fails is given up, and what was made is billed once', async () => {
  await using plane = await startDataPlane(['a', 'b', 'c', 'd', 'e', 'f'])
  const { client, node } = await plane.ask()
  node.write(STREAM_HEAD + chunk(textFrame('Once', 1)))
  await receives(client, 'Once')
  node.destroy()
  for (let times = 0; times < 3; times++) {
    const { node: other } = await plane.next()
    other.destroy()
  }
  const { body, complete } = await client.stream()
  assert.equal(complete, false)
  assert.equal(textsOf(body).at(-1)?.error?.code, 'upstream_connection_lost')
  const [outcome] = plane.outcomes
  assert.deepEqual([outcome?.completionTokens, outcome?.promptTokens, outcome?.attempts], [1, 4, 4])
})

/** The first node is asked first. */
const IN_TURN = { strategy: 'round-robin' } as const
/** Of two nodes the second is an engine that does not count as it goes. */
const MIXED = { engines: { b: 'openai' }, route: IN_TURN } as const

/** A frame of an engine that tells its usage at the end alone. */
const uncounted = (text: string) =>
  `data: ${JSON.stringify({ id: 'cmpl-b', choices: [{ index: 0, text, finish_reason: null }] })}\n\n`

test('what a retry began at a node that does not count as it goes is not gone on with: the bill would be a guess', async () => {
  await using plane = await startDataPlane(['a', 'b'], MIXED)
  const { client, node } = await plane.ask()
  node.destroy()
  const { node: second, request } = await plane.next()
  assert.ok(!request.includes('continuous_usage_stats'), request)
  second.write(STREAM_HEAD + chunk(uncounted('Once')))
  await receives(client, 'Once')
  second.destroy()
  const { body, complete } = await client.stream()
  assert.equal(complete, false)
  assert.deepEqual(
    textsOf(body).map((frame) => frame.error?.code ?? frame.choices?.[0]?.text),
    ['Once', 'upstream_connection_lost'],
  )
  const [outcome] = plane.outcomes
  assert.deepEqual(
    [outcome?.counted, outcome?.completionTokens, outcome?.attempts, outcome?.resumed],
    ['estimated', 1, 2, 0],
  )
})

test('nor is what a rival began there', async () => {
  const retry = { attempts: 3, budgetPercent: 20, hedgeAfterMs: 1_000 }
  await using plane = await startDataPlane(['a', 'b'], { ...MIXED, route: { ...IN_TURN, retry } })
  const { client, exchange } = await plane.ask()
  exchange.sweep(performance.now() + 1_100)
  const { node: rival } = await plane.next()
  rival.write(STREAM_HEAD + chunk(uncounted('Once')))
  await receives(client, 'Once')
  rival.destroy()
  const { body } = await client.stream()
  assert.equal(textsOf(body).at(-1)?.error?.code, 'upstream_connection_lost')
  const [outcome] = plane.outcomes
  assert.deepEqual([outcome?.counted, outcome?.completionTokens, outcome?.resumed], ['estimated', 1, 0])
})

test('a retry at a node that counts as it goes is gone on with, though the first one was at one that does not', async () => {
  await using plane = await startDataPlane(['a', 'b', 'c'], { engines: { a: 'openai' }, route: IN_TURN })
  const { client, node } = await plane.ask()
  node.destroy()
  const { node: second } = await plane.next()
  second.write(STREAM_HEAD + chunk(textFrame('Once', 1)))
  await receives(client, 'Once')
  second.destroy()
  const { node: third } = await plane.next()
  third.write(STREAM_HEAD + chunk(`${textFrame(' more', 1, 'stop', 5)}data: [DONE]\n\n`) + '0\r\n\r\n')
  assert.equal((await client.stream()).complete, true)
  const [outcome] = plane.outcomes
  assert.deepEqual(
    [outcome?.counted, outcome?.promptTokens, outcome?.completionTokens, outcome?.resumed],
    ['reported', 4, 2, 1],
  )
})

test('tokens that their node said nothing of make the bill of a stream that went on elsewhere an estimate', async () => {
  await using plane = await startDataPlane(['a', 'b'])
  const { client, node } = await plane.ask()
  node.write(STREAM_HEAD + chunk(uncounted('Once')))
  await receives(client, 'Once')
  node.destroy()
  const { node: second } = await plane.next()
  second.write(STREAM_HEAD + chunk(`${textFrame(' more', 1, 'stop', 5)}data: [DONE]\n\n`) + '0\r\n\r\n')
  assert.equal((await client.stream()).complete, true)
  const [outcome] = plane.outcomes
  assert.deepEqual(
    [outcome?.counted, outcome?.promptTokens, outcome?.completionTokens, outcome?.resumed],
    ['estimated', 4, 2, 1],
  )
})

test('a client that leaves between a node that failed its request and the next one has nothing to pay', async () => {
  await using plane = await startDataPlane(['a', 'b'], { route: IN_TURN })
  plane.targets.get('b')?.pushedBack(Date.now(), 60_000)
  const { client, node } = await plane.ask()
  node.write(STREAM_HEAD)
  node.destroy()
  await eventually('it waits for the other one', () => plane.targets.get('a')?.inFlight === 0)
  client[Symbol.dispose]()
  await eventually('it is settled', () => plane.outcomes.length > 0)
  const [outcome] = plane.outcomes
  assert.deepEqual(
    [outcome?.errorCode, outcome?.promptTokens, outcome?.completionTokens, outcome?.attempts],
    ['client_closed', 0, 0, 1],
  )
})
