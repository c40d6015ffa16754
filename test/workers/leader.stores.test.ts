import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startSimulatedNode } from '../../bench/nodes.js'
import { LoadBook } from '../../src/core/load-book.js'
import { encodeLoadReport, LOAD_TOPIC } from '../../src/core/load-report.js'
import { createBus } from '../../src/io/bus.js'
import { createLogger } from '../../src/io/logger.js'
import { readNodeLive, writeNodeLive } from '../../src/io/node-live.js'
import { createRedis, redisReady } from '../../src/io/redis.js'
import { loadSnapshot } from '../../src/io/snapshot-load.js'
import { probeNodes } from '../../src/workers/health-probe.js'
import { orchestrate } from '../../src/workers/orchestration/orchestrate.js'
import { startLeaderThread } from '../../src/workers/leader-thread.js'
import { createNodeClient } from '../../src/workers/node-client.js'
import {
  type ContractPort,
  deploymentBody,
  modelBody,
  nodeBody,
  startContractPort,
} from '../support/contract-port.js'
import { startEngineStandIn, vllmMetrics } from '../support/engine-stand-in.js'
import { launchedNode } from '../support/launched-node.js'
import { freshRedis } from '../support/stores.js'

const logger = createLogger({ level: 'silent', process: 'test' })
const REGISTERED = {
  id: 'n',
  clusterName: 'n',
  modelId: 'm',
  endpointUrl: '',
  upstreamModel: 'm',
  weight: 1,
  maxConcurrency: null,
  apiKey: null,
  engine: 'vllm',
  status: 'active',
} as const
const quick = { interval_seconds: 0.5, timeout_seconds: 1, unhealthy_threshold: 2, healthy_threshold: 1 }

/** Waits for something that is to become true; the bound is for hangs alone. */
async function eventually<T>(look: () => Promise<T | null | undefined | false>, what: string): Promise<T> {
  const deadline = performance.now() + 60_000
  for (;;) {
    const found = await look()
    if (found !== null && found !== undefined && found !== false) return found
    if (performance.now() > deadline) throw new Error(`not within 60 s: ${what}`)
    await sleep(50)
  }
}

async function registerOn(port: ContractPort, endpoint_url: string, changes: object = {}): Promise<string> {
  const model = await port.send('POST', '/admin/models', modelBody())
  await port.send('PUT', `/admin/routes/${model.body['id']}`, { health_check: quick })
  const body = nodeBody(model.body['name'], { endpoint_url, engine: 'vllm', ...changes })
  const node = await port.send('POST', '/admin/nodes', body)
  assert.equal(node.status, 201)
  return node.body['cluster_name'] ?? ''
}

/** The leader's work in this thread, without an election. */
function startProbe(port: ContractPort): AsyncDisposable {
  const stopping = new AbortController()
  const client = createNodeClient()
  const { postgres } = port.database
  const loads = new LoadBook(null)
  const options = { postgres, redis: null, client, loads, logger, now: Date.now, random: Math.random }
  const orchestrated = {
    postgres: options.postgres,
    redis: options.redis,
    settings: null,
    loads,
    logger,
    now: options.now,
    record: () => {},
  }
  const running = Promise.all([
    probeNodes(options, stopping.signal),
    orchestrate(orchestrated, stopping.signal),
  ])
  return {
    async [Symbol.asyncDispose]() {
      stopping.abort()
      await running
      await client[Symbol.asyncDispose]()
    },
  }
}

async function serverOn(
  port: number,
  answer: (path: string) => number,
  body = '',
): Promise<Server & AsyncDisposable> {
  const server = createServer((request, response) => {
    response.writeHead(answer(request.url ?? ''), { location: 'http://127.0.0.1:1/' }).end(body)
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return Object.assign(server, {
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  })
}

function urlOf(server: Server): string {
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return `http://127.0.0.1:${address.port}`
}

test('a leader elected among two sees nodes come, fail, recover and run', async () => {
  await using port = await startContractPort()
  const data = {
    databaseUrl: port.database.url,
    clickhouseUrl: 'http://127.0.0.1:9',
    redisUrl: null,
    logLevel: 'silent',
    orchestration: null,
    processName: 'test',
  } as const
  await using _one = startLeaderThread({ ...data, logger })
  await using _other = startLeaderThread({ ...data, logger })
  await using node = await startSimulatedNode({ models: ['m'], seed: 1 })
  const name = await registerOn(port, node.url)
  const shown = async () => (await port.send('GET', `/admin/nodes/${name}`)).body

  await eventually(
    async () => Number((await shown())['in_flight'] ?? NaN) === 0,
    'the load of a node is known',
  )
  assert.equal((await shown())['healthy'], true)
  const { rows } = await port.database.postgres.query(
    "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
  )
  assert.equal(rows.length, 1)

  await node.setFault({ kind: 'http_500' })
  await node.setFault({ kind: 'health_down' })
  await eventually(async () => (await shown())['status'] === 'unhealthy', 'the node is unhealthy')
  const listed = await port.send('GET', '/admin/nodes?status=unhealthy')
  assert.equal(listed.body['data']?.[0]?.['cluster_name'], name)
  await node.clearFault('health_down')
  await eventually(async () => (await shown())['status'] === 'active', 'the node is healthy again')
  const turns = await eventually(async () => {
    const { body } = await port.send('GET', `/admin/nodes/${name}/logs?event=health`)
    const events = body['data'] as unknown as { actor: string; status: string; message: string }[]
    return events.length === 2 && events
  }, 'both turns of its health are in its log')
  assert.deepEqual(
    turns.map(({ actor, status, message }) => [actor, status, message]),
    [
      ['leader', 'active', 'its health check succeeds again'],
      ['leader', 'unhealthy', 'its health check fails'],
    ],
  )
})

test('a node whose health check fails though it generates stays in, until it does not', async () => {
  await using port = await startContractPort()
  await using node = await startSimulatedNode({ models: ['served'], seed: 1, apiKey: 'node-secret' })
  const name = await registerOn(port, node.url, { upstream_model: 'served', api_key: 'node-secret' })
  const shown = async () => (await port.send('GET', `/admin/nodes/${name}`)).body
  await using _probe = startProbe(port)
  const messages = async () => {
    const { body } = await port.send('GET', `/admin/nodes/${name}/logs?event=health`)
    return (body['data'] as unknown as { status: string; message: string }[])
      .map(({ status, message }) => `${status}: ${message}`)
      .reverse()
  }
  await node.setFault({ kind: 'health_down' })
  await eventually(async () => (await messages()).length === 1, 'the health check is not believed')
  assert.deepEqual(await messages(), ['active: its health check fails, but it generates'])
  const { rows } = await port.database.postgres.query('SELECT healthy FROM node_live')
  assert.deepEqual(rows, [{ healthy: true }])
  assert.ok(node.stats().generationTokens <= node.ledger.size)

  await node.setFault({ kind: 'die_before_headers' })
  await eventually(async () => (await shown())['status'] === 'unhealthy', 'it does not generate either')
  await node.clearFault('die_before_headers')
  await eventually(async () => (await shown())['status'] === 'active', 'a generation brings it back')
  await node.clearFault('health_down')
  await eventually(async () => (await messages()).length === 4, 'the health check is right again')
  assert.deepEqual((await messages()).slice(1), [
    'unhealthy: its health check fails',
    'active: its health check fails, but it generates',
    'active: its health check succeeds again',
  ])
})

test('models of each type are asked for what they make', async () => {
  await using client = createNodeClient()
  await using node = await startSimulatedNode({ models: ['m'], seed: 1 })
  const { signal } = new AbortController()
  const asked = { ...REGISTERED, endpointUrl: node.url }
  for (const type of ['chat', 'completion', 'embedding'] as const) {
    assert.equal(await client.generates(asked, type, signal), true)
    assert.equal(await client.generates({ ...asked, upstreamModel: 'other' }, type, signal), false)
  }
  await using empty = await serverOn(0, () => 200, '{"choices":[]}')
  await using busy = await serverOn(0, () => 429)
  assert.equal(await client.generates({ ...asked, endpointUrl: urlOf(empty) }, 'chat', signal), false)
  assert.equal(await client.generates({ ...asked, endpointUrl: urlOf(busy) }, 'chat', signal), true)
})

test('what proxies tell is in the live state for as long as they do', async () => {
  await using port = await startContractPort()
  await using node = await startSimulatedNode({ models: ['m'], seed: 1 })
  const name = await registerOn(port, node.url)
  const { url, postgres } = port.database
  const data = {
    databaseUrl: url,
    clickhouseUrl: 'http://127.0.0.1:9',
    redisUrl: null,
    logLevel: 'silent',
    orchestration: null,
    processName: 'test',
  } as const
  await using _leader = startLeaderThread({ ...data, logger })
  const { rows } = await postgres.query<{ id: string }>('SELECT id FROM nodes')
  const nodeId = rows[0]?.id ?? ''
  const known = { ttftMs: 80, itlMs: 8, breaker: 'probing', ended: 4, failed: 1 } as const
  await using bus = createBus({ postgresUrl: url, logger })
  const shown = async () => (await port.send('GET', `/admin/nodes/${name}`)).body
  let sequence = 0
  const told = await eventually(async () => {
    const nodes = [{ nodeId, inFlight: 5, ...known }]
    const report = { process: 'p', sequence: ++sequence, nodes, models: [], isLast: false }
    for (const message of encodeLoadReport(report, 7_900)) {
      await bus.publish(LOAD_TOPIC, message)
    }
    await bus.publish(LOAD_TOPIC, 'nonsense')
    const body = await shown()
    return Number(body['in_flight']) === 5 && body
  }, 'what a proxy tells is shown')
  assert.deepEqual(
    ['health_score', 'breaker', 'rejected_by', 'avg_ttft_ms', 'avg_itl_ms'].map((field) => told[field]),
    [50, 'probing', 0, 80, 8],
  )
  await eventually(async () => Number((await shown())['in_flight']) === 0, 'it runs out when it is silent')
})

test('a node that comes back at another address is looked at there', async () => {
  await using port = await startContractPort()
  await using gone = await startSimulatedNode({ models: ['m'], seed: 1 })
  await using back = await startSimulatedNode({ models: ['m'], seed: 1 })
  await gone.close()
  const { id, name, headers } = await launchedNode(port)
  const at = (endpoint_url: string) =>
    port.send('POST', `/admin/nodes/${id}/register`, { endpoint_url }, headers)
  assert.equal((await at(gone.url)).status, 200)
  const model = (await port.send('GET', `/admin/nodes/${name}`)).body['model_id']
  await port.send('PUT', `/admin/routes/${model}`, { health_check: quick })
  await using _probe = startProbe(port)
  const status = async () => (await port.send('GET', `/admin/nodes/${name}`)).body['status']
  await eventually(async () => (await status()) === 'unhealthy', 'nothing answers at the first address')
  assert.equal((await at(back.url)).body['status'], 'active')
  await eventually(async () => (await status()) === 'active', 'the node is healthy at the second')
})

test('a deployment that is deleted ends when its last node has run dry', async () => {
  await using port = await startContractPort()
  await using node = await startSimulatedNode({ models: ['m'], seed: 1 })
  const model = await port.send('POST', '/admin/models', modelBody())
  const created = await port.send('POST', '/admin/deployments', deploymentBody(model.body['name']))
  const deploymentId = created.body['id'] ?? ''
  const { id, headers } = await launchedNode(port, { modelId: model.body['id'], deploymentId })
  await port.send('POST', `/admin/nodes/${id}/register`, { endpoint_url: node.url }, headers)
  await using _probe = startProbe(port)
  const path = `/admin/deployments/${deploymentId}`
  assert.equal((await port.send('DELETE', path)).body['status'], 'draining')
  await eventually(
    async () => (await port.send('GET', path)).body['status'] === 'terminated',
    'the deployment is terminated',
  )
})

test('when the leader ends, another takes over', async () => {
  await using port = await startContractPort()
  await using node = await startSimulatedNode({ models: ['m'], seed: 1 })
  await registerOn(port, node.url)
  const { postgres } = port.database
  const data = {
    databaseUrl: port.database.url,
    clickhouseUrl: 'http://127.0.0.1:9',
    redisUrl: null,
    logLevel: 'silent',
    orchestration: null,
    processName: 'test',
  } as const
  const seenAfter = (time: number) => async () => {
    const [live] = (await readNodeLive({ postgres, redis: null })).values()
    return live !== undefined && live.observedAt > time
  }
  const first = startLeaderThread({ ...data, logger })
  await eventually(seenAfter(0), 'the first leader works')
  await using _second = startLeaderThread({ ...data, logger })
  await first[Symbol.asyncDispose]()
  await eventually(seenAfter(Date.now()), 'the second leader works')
})

test('a leader whose connection is cut stops leading and stands again', async () => {
  await using port = await startContractPort()
  await using node = await startSimulatedNode({ models: ['m'], seed: 1 })
  await registerOn(port, node.url)
  const { postgres } = port.database
  await using _leader = startLeaderThread({
    databaseUrl: port.database.url,
    clickhouseUrl: 'http://127.0.0.1:9',
    redisUrl: null,
    logLevel: 'silent',
    orchestration: null,
    processName: 'test',
    logger,
  })
  const seen = async () => [...(await readNodeLive({ postgres, redis: null })).values()][0]
  await eventually(seen, 'the leader works')
  for (const _ of [1, 2]) {
    const cut = await postgres.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name IN ('crosslogic-leader', 'crosslogic-probe') AND datname = current_database()",
    )
    assert.ok(cut.rows.length > 0)
    const since = Date.now()
    await eventually(async () => ((await seen())?.observedAt ?? 0) > since + 1_500, 'the leader works again')
  }
})

test('a node that refuses connections turns unhealthy, and a redirect is not followed', async () => {
  await using port = await startContractPort()
  await using gone = await startSimulatedNode({ models: ['m'], seed: 1 })
  await using redirecting = await serverOn(0, () => 302)
  const names = [await registerOn(port, gone.url), await registerOn(port, urlOf(redirecting))]
  await gone.close()
  await using _probe = startProbe(port)
  for (const name of names) {
    await eventually(
      async () => (await port.send('GET', `/admin/nodes/${name}`)).body['status'] === 'unhealthy',
      `${name} is unhealthy`,
    )
  }
})

test('a merely OpenAI-compatible server without /health counts as up, one with vLLM as its engine does not', async () => {
  await using port = await startContractPort()
  await using server = await serverOn(0, () => 404)
  const openai = await registerOn(port, urlOf(server), { engine: 'openai' })
  const vllm = await registerOn(port, urlOf(server))
  await using _probe = startProbe(port)
  const status = async (name: string) => (await port.send('GET', `/admin/nodes/${name}`)).body['status']
  await eventually(async () => (await status(vllm)) === 'unhealthy', 'the vLLM node is unhealthy')
  assert.equal(await status(openai), 'active')
})

test("the node's own credential is presented, and an endless metrics reply does no harm", async () => {
  await using port = await startContractPort()
  const seen = new Set<string>()
  await using server = await serverOn(0, () => 200)
  server.removeAllListeners('request')
  server.on('request', (request, response) => {
    seen.add(`${request.url} ${request.headers.authorization}`)
    if (request.url === '/metrics') {
      const line = `${'#'.repeat(1023)}\n`
      const timer = setInterval(() => response.write(line.repeat(1024)), 1)
      response.on('close', () => {
        clearInterval(timer)
      })
    } else response.end()
  })
  await registerOn(port, urlOf(server), { api_key: 'node-secret' })
  await using _probe = startProbe(port)
  await eventually(() => Promise.resolve(seen.size === 2), 'both were asked')
  assert.deepEqual([...seen].sort(), ['/health Bearer node-secret', '/metrics Bearer node-secret'])
  const { postgres } = port.database
  const live = await eventually(
    async () => [...(await readNodeLive({ postgres, redis: null })).values()][0],
    'the node is told',
  )
  assert.deepEqual([live.healthy, live.running], [true, null])
})

test('a load that is told no more is known to be missing, also to the next leader', async () => {
  await using port = await startContractPort()
  await using engine = await startEngineStandIn()
  engine.say({ metrics: '' })
  await registerOn(port, engine.url)
  const { postgres } = port.database
  const told = async () => {
    const [live] = (await readNodeLive({ postgres, redis: null })).values()
    return live && `${live.tellsLoad} ${live.running}`
  }
  {
    await using _first = startProbe(port)
    await eventually(async () => (await told()) === 'false null', 'nothing is known yet')
    engine.say({ metrics: vllmMetrics(2) })
    await eventually(async () => (await told()) === 'true 2', 'its load is told')
    engine.say({ metrics: '' })
    await eventually(async () => (await told()) === 'true null', 'it is missed')
  }
  await postgres.query("UPDATE node_live SET running = 1, observed_at = now() - interval '10 s'")
  await using _next = startProbe(port)
  await eventually(async () => (await told()) === 'true null', 'it is missed by the next leader')
})

test('an idle node that is to be terminated is terminated, a busy one keeps draining', async () => {
  await using port = await startContractPort()
  await using idle = await serverOn(
    0,
    () => 200,
    'vllm:num_requests_running 0\nvllm:num_requests_waiting 0\n',
  )
  await using busy = await serverOn(
    0,
    () => 200,
    'vllm:num_requests_running 1\nvllm:num_requests_waiting 0\n',
  )
  const names = [await registerOn(port, urlOf(idle)), await registerOn(port, urlOf(busy))] as const
  await using _probe = startProbe(port)
  const status = async (name: string) => (await port.send('GET', `/admin/nodes/${name}`)).body['status']
  for (const name of names) {
    const reply = await port.send('POST', `/admin/nodes/${name}/terminate`)
    assert.equal(reply.body['status'], 'terminating')
  }
  await eventually(async () => (await status(names[0])) === 'terminated', 'the idle node is terminated')
  assert.equal(await status(names[1]), 'terminating')
  const { nodes } = await loadSnapshot(port.database.postgres)
  assert.deepEqual(
    nodes.map((node) => node.clusterName),
    [names[1]],
  )
})

test('live state goes to Redis, and to Postgres while Redis does not answer', async () => {
  await using port = await startContractPort()
  const { postgres } = port.database
  const server = await freshRedis()
  const redis = createRedis({ url: server.url })
  try {
    await redisReady(redis, 5_000)
    const node = {
      nodeId: crypto.randomUUID(),
      healthy: false,
      running: 1,
      waiting: 2,
      kvCacheUsage: 0.5,
      tellsLoad: true,
      proxies: {
        inFlight: 1,
        ttftMs: 2.5,
        itlMs: null,
        breaker: 'probing',
        rejectedBy: 0,
        errorRate: 0.5,
      } as const,
      observedAt: 7,
    }
    await writeNodeLive({ postgres, redis }, [node])
    assert.deepEqual([...(await readNodeLive({ postgres, redis })).values()], [node])
    assert.equal((await readNodeLive({ postgres, redis: null })).size, 0)
    const other = { ...node, nodeId: crypto.randomUUID(), running: null, proxies: null }
    await writeNodeLive({ postgres, redis }, [other])
    assert.deepEqual([...(await readNodeLive({ postgres, redis })).keys()], [other.nodeId])

    // As the version before wrote it.
    const { proxies: _proxies, ...older } = node
    await redis.hset('crosslogic:node-live', { [node.nodeId]: JSON.stringify(older) })
    const read = await readNodeLive({ postgres, redis })
    assert.deepEqual(read.get(node.nodeId), { ...older, proxies: null })

    await server[Symbol.asyncDispose]()
    await writeNodeLive({ postgres, redis }, [node, other])
    assert.deepEqual((await readNodeLive({ postgres, redis })).get(other.nodeId), other)
    await writeNodeLive({ postgres, redis }, [node])
    assert.deepEqual([...(await readNodeLive({ postgres, redis: null })).values()], [node])
  } finally {
    redis.disconnect()
  }
})
