/** The mistakes of an earlier design of orchestration, each of them a test. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { DOUBT_MS } from '../../src/core/orchestration/machine-step.js'
import { loadSnapshot } from '../../src/io/snapshot-load.js'
import { POLICY, World } from '../core/scaling/scaling-world.js'
import { refusal, startContractPort } from '../support/contract-port.js'
import { startEngineStandIn } from '../support/engine-stand-in.js'
import { type Fleet, startFleet } from '../support/fleet.js'
import { startTestGateway, type TestGateway } from '../support/gateway.js'
import { launchedNode } from '../support/launched-node.js'
import { agentOf, startNodeAgent } from '../support/node-agent.js'
import { eventually } from '../support/processes.js'

const ADDRESS = { endpoint_url: 'http://10.0.0.7:8000' }

test('mistake: an agent registers without credentials', async () => {
  await using port = await startContractPort()
  const node = await launchedNode(port)
  const other = await launchedNode(port)
  for (const headers of [{}, { authorization: 'Bearer root' }, other.headers]) {
    const reply = await port.send('POST', `/admin/nodes/${node.id}/register`, ADDRESS, headers)
    assert.deepEqual(refusal(reply), [401, 'invalid_admin_token', null])
  }
  assert.equal((await port.send('GET', `/admin/nodes/${node.name}`)).body['status'], 'launching')
})

test('mistake: an agent registers localhost as its address', async () => {
  await using port = await startContractPort()
  await using engine = await startEngineStandIn()
  const node = await launchedNode(port)
  const env = agentOf(node, { control: port.url, engine: engine.url })
  await using agent = startNodeAgent({ ...env, NODE_ADDRESS: '' })
  // A machine without a network has no other address: then none is registered.
  await eventually('an address, or none', () =>
    agent.lines.some(({ event }) => event === 'registered' || event === 'no-address'),
  )
  const { body } = await port.send('GET', `/admin/nodes/${node.name}`)
  const url = body['endpoint_url'] as string | null
  assert.doesNotMatch(url ?? '', /^https?:\/\/(127\.|localhost|\[::1\]|0\.)/)
})

test('mistake: a node’s row is inserted after its launch', async () => {
  await using fleet = await startFleet()
  await fleet.deploy({ node_count: 3 })
  const known: string[] = []
  const asked: string[] = []
  fleet.launcher.onLaunch = ({ clusterName }) => {
    asked.push(clusterName)
    return { state: 'coming', stage: 'provisioning', progress: 1 }
  }
  for (const { cluster_name: name, is_asked: isAsked } of await fleet.nodes()) {
    assert.equal(isAsked, false)
    known.push(name)
  }
  assert.deepEqual(asked, [])
  await fleet.tend()
  assert.deepEqual(asked.toSorted(), known.toSorted())
  // Nor does anybody take what is being launched for unknown.
  fleet.pass(3_600_000)
  for (let look = 0; look < 3; look++) await fleet.orphans.look()
  assert.deepEqual(fleet.launcher.removals, [])
})

test('mistake: what is being launched is launched again every few seconds', async () => {
  await using fleet = await startFleet()
  await fleet.deploy({ node_count: 2 })
  for (let look = 0; look < 20; look++) {
    await fleet.reconcile()
    await fleet.tend()
    fleet.pass(30_000)
  }
  assert.equal(fleet.launcher.launches.length, 2)
  assert.equal((await fleet.nodes()).length, 2)
})

/** A deployment of two nodes that serve. @returns its path */
async function running(fleet: Fleet): Promise<string> {
  const path = await fleet.deploy({ node_count: 2 })
  await fleet.tend()
  fleet.comeUp()
  await fleet.tend()
  await fleet.reconcile()
  fleet.pass(DOUBT_MS)
  assert.equal((await fleet.show(path))['status'], 'active')
  return path
}

test('mistake: scaling and deleting change a status and nothing else', async () => {
  await using fleet = await startFleet()
  const path = await running(fleet)
  const after = async () => {
    for (let look = 0; look < 3; look++) {
      await fleet.runDry()
      fleet.pass(DOUBT_MS)
      await fleet.tend()
      fleet.comeUp()
      await fleet.reconcile()
    }
    return fleet.launcher.present.size
  }
  await fleet.port.send('PUT', `${path}/scale`, { target_node_count: 3 })
  assert.equal(await after(), 3)
  await fleet.port.send('PUT', `${path}/scale`, { target_node_count: 1 })
  assert.equal(await after(), 1)
  await fleet.port.send('DELETE', path)
  assert.equal(await after(), 0)
  assert.equal((await fleet.show(path))['status'], 'terminated')
})

test('mistake: strategies are stored and ignored', async () => {
  await using fleet = await startFleet()
  const path = await running(fleet)
  const changed = await fleet.port.send('PATCH', path, { load_balancing_strategy: 'least-connections' })
  assert.equal(changed.status, 200)
  // What the proxies route by.
  const { routes } = await loadSnapshot(fleet.port.database.postgres)
  assert.deepEqual(
    routes.map(({ strategy }) => strategy),
    ['least-connections'],
  )
  const statuses = async () =>
    (await fleet.nodes())
      .map(({ status }) => status)
      .toSorted()
      .join()
  await fleet.port.send('PUT', `${path}/scale`, { target_node_count: 1, strategy: 'gradual' })
  await fleet.tend()
  assert.deepEqual([await statuses(), fleet.launcher.removals.length], ['active,terminating', 0])
  await fleet.port.send('PUT', `${path}/scale`, { target_node_count: 1, strategy: 'immediate' })
  await fleet.tend()
  assert.equal(fleet.launcher.removals.length, 1)
})

test('mistake: a heartbeat puts a draining node back to active', async () => {
  await using port = await startContractPort()
  const { id, name, headers } = await launchedNode(port)
  const say = (verb: string, body: object) => port.send('POST', `/admin/nodes/${id}/${verb}`, body, headers)
  await say('register', ADDRESS)
  for (const verb of ['drain', 'terminate']) {
    await port.send('POST', `/admin/nodes/${name}/${verb}`)
    const status = verb === 'drain' ? 'draining' : 'terminating'
    const beat = await say('heartbeat', { running: 0 })
    assert.deepEqual([beat.status, beat.body['status']], [200, status])
    assert.equal((await port.send('GET', `/admin/nodes/${name}`)).body['status'], status)
  }
})

test('mistake: automatic scaling by mean latency, without a cool-down and without a way down', () => {
  const world = new World({ ...POLICY, targetConcurrency: 10 }, 1)
  world.pass(25_000, { requests: 60, p95TtftMs: 60_000 })
  assert.equal(world.wanted, 1, 'a short peak launches nothing, however slow it is')
  world.pass(60_000, { requests: 60 })
  assert.equal(world.wanted, 6, 'by requests, not by their latency')
  world.pass(9 * 60_000, { requests: 5 })
  assert.equal(world.wanted, 6, 'ten minutes after a change nothing goes')
  world.pass(60 * 60_000, { requests: 5 })
  assert.equal(world.wanted, 1)
})

describe('with a whole gateway,', () => {
  let gateway: TestGateway
  let key: string
  const seen: string[] = []
  /** A node that says a word a second for as long as it is asked to. */
  const node = createServer((request, response) => {
    let text = ''
    request.on('data', (bytes: Buffer) => (text += bytes.toString()))
    request.on('end', () => void answer(text))
    async function answer(body: string): Promise<void> {
      if (request.method !== 'POST') {
        response.end()
        return
      }
      seen.push(request.headers.authorization ?? '')
      const words = Number(/"max_tokens":(\d+)/.exec(body)?.[1])
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const frame = (choice: object) =>
        `data: ${JSON.stringify({ id: 'x', choices: [{ index: 0, ...choice }] })}\n\n`
      for (let word = 0; word < words; word++) {
        response.write(frame({ delta: { content: `${word} ` }, finish_reason: null }))
        if (words > 1) await sleep(1_000)
      }
      response.end(`${frame({ delta: {}, finish_reason: 'stop' })}data: [DONE]\n\n`)
    }
  })

  before(async () => {
    gateway = await startTestGateway()
    node.listen(0, '127.0.0.1')
    await once(node, 'listening')
    const address = node.address()
    assert.ok(typeof address === 'object' && address !== null)
    await gateway.createModel('slow')
    await gateway.client.nodes.register({
      body: {
        cluster_name: 'slow',
        model_name: 'slow',
        endpoint_url: `http://127.0.0.1:${address.port}`,
        engine: 'openai',
        api_key: 'key-of-the-node',
      },
    })
    ;({ key } = await gateway.createTenant())
    await gateway.live()
  })

  after(async () => {
    node.closeAllConnections()
    node.close()
    await gateway[Symbol.asyncDispose]()
  })

  async function stream(words: number): Promise<{ id: string; text: string }> {
    const reply = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'slow',
        stream: true,
        max_tokens: words,
        messages: [{ role: 'user', content: 'count' }],
      }),
    })
    assert.equal(reply.status, 200)
    return { id: reply.headers.get('x-request-id') ?? '', text: await reply.text() }
  }

  test('mistake: the tenant’s key is forwarded to the node', async () => {
    await stream(1)
    assert.deepEqual(seen, ['Bearer key-of-the-node'])
  })

  test('mistake: usage recorders that nobody calls', async () => {
    const { id } = await stream(1)
    const usage = await gateway.usage(id)
    assert.equal(usage.model, 'slow')
    assert.equal(await gateway.usageRows(id), 1)
  })

  test('mistake: a write timeout of thirty seconds cuts streams', async () => {
    const { text } = await stream(33)
    const words = [...text.matchAll(/"content":"(\d+) "/g)].map(([, word]) => Number(word))
    assert.deepEqual(
      words,
      Array.from({ length: 33 }, (_, word) => word),
    )
    assert.match(text, /data: \[DONE\]\s*$/)
  })
})
