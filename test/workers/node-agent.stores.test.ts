import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ContractPort, startContractPort } from '../support/contract-port.js'
import { startEngineStandIn, vllmMetrics } from '../support/engine-stand-in.js'
import { launchedNode, type LaunchedNode } from '../support/launched-node.js'
import { agentOf, startNodeAgent } from '../support/node-agent.js'
import { relayTo, startPlainServer } from '../support/plain-server.js'
import { eventually } from '../support/processes.js'

let port: ContractPort

before(async () => {
  port = await startContractPort()
})

after(async () => {
  await port[Symbol.asyncDispose]()
})

const shown = async ({ name }: LaunchedNode) => (await port.send('GET', `/admin/nodes/${name}`)).body

/** Waits until the node has a status. */
const hasStatus = (node: LaunchedNode, status: string) =>
  eventually(`${node.name} ${status}`, async () => (await shown(node))['status'] === status)

/** The last heartbeat, once it says what is wanted. */
async function heartbeat(node: LaunchedNode, wanted: Record<string, unknown>): Promise<void> {
  let last: Record<string, unknown> = {}
  await eventually(`a heartbeat like ${JSON.stringify(wanted)}`, async () => {
    const { body } = await port.send('GET', `/admin/nodes/${node.name}/status`)
    last = (body['heartbeat'] as unknown as Record<string, unknown> | null) ?? {}
    return Object.entries(wanted).every(([name, value]) => last[name] === value)
  }).catch((error: unknown) => {
    throw new Error(`the last heartbeat is ${JSON.stringify(last)}`, { cause: error })
  })
}

test('an agent is heard from the start, registers once its engine answers and tells how busy it is', async () => {
  await using engine = await startEngineStandIn()
  engine.say({ healthy: false })
  const node = await launchedNode(port)
  await using agent = startNodeAgent({ ...agentOf(node, { control: port.url, engine: engine.url }) })
  await agent.line('status', { status: 'launching' })
  await agent.line('engine', { health: 'status 503' })
  assert.equal((await shown(node))['status'], 'launching')

  engine.say({ healthy: true, metrics: vllmMetrics(3, 2, 0.5) })
  await agent.line('registered', { endpoint_url: engine.url })
  const row = await shown(node)
  assert.deepEqual(
    [row['status'], row['endpoint_url'], row['engine_version']],
    ['active', engine.url, '0.11.2'],
  )
  await heartbeat(node, { running: 3, waiting: 2, kv_cache_usage: 0.5 })
  engine.say({ metrics: 'nonsense 1\nvllm:num_requests_running NaN\n' })
  await heartbeat(node, { running: null, waiting: null, kv_cache_usage: null })

  // A line for each change, not for each heartbeat.
  engine.say({ metrics: vllmMetrics(1) })
  await heartbeat(node, { running: 1 })
  const told = agent.lines.map((line) => JSON.stringify({ ...line, time: null }))
  assert.equal(new Set(told).size, told.length, agent.output())
})

test('an agent ends when its node is terminated, and its engine with it', async () => {
  await using engine = await startEngineStandIn()
  const node = await launchedNode(port)
  await using agent = startNodeAgent({
    ...agentOf(node, { control: port.url, engine: engine.url }),
    ENGINE_PID: engine.pid,
  })
  await agent.line('registered')
  await port.send('POST', `/admin/nodes/${node.name}/terminate`)
  await agent.line('status', { status: 'terminating' })
  assert.equal(engine.endedBy(), null)
  await port.send('POST', `/admin/nodes/${node.name}/terminate`, { force: true })
  assert.equal(await agent.ended(), 0)
  await eventually('the end of the engine', () => engine.endedBy() === 'SIGTERM')
  await agent.line('over')
})

test('an agent with a wrong token changes nothing, asks seldom and tells nobody the token', async () => {
  await using engine = await startEngineStandIn()
  const node = await launchedNode(port)
  const other = await launchedNode(port)
  await using front = await startPlainServer(relayTo(() => port.url))
  const env = agentOf({ ...node, headers: other.headers }, { control: front.url, engine: engine.url })
  await using agent = startNodeAgent(env)
  const line = await agent.line('control-plane')
  assert.match(String(line['answer']), /^401 invalid_admin_token/)
  await eventually('both refusals', () => front.requests.length >= 2)
  // Five heartbeats' time.
  await sleep(1_000)
  assert.equal(front.requests.length, 2, front.requests.join())
  assert.equal((await shown(node))['status'], 'launching')
  assert.ok(!agent.output().includes(env['NODE_TOKEN'] ?? 'missing'))
})

test('an agent whose control plane is away comes back by itself, at the start and later', async () => {
  await using engine = await startEngineStandIn()
  const node = await launchedNode(port)
  await using front = await startPlainServer(relayTo(() => port.url))
  await front.goAway()
  await using agent = startNodeAgent(agentOf(node, { control: front.url, engine: engine.url }))
  await agent.line('control-plane')
  await front.comeBack()
  await agent.line('registered')

  await front.goAway()
  const away = agent.lines.length
  await eventually('it notices', () => agent.lines.slice(away).some(({ event }) => event === 'control-plane'))
  engine.say({ metrics: vllmMetrics(7) })
  await front.comeBack()
  await heartbeat(node, { running: 7 })
  assert.equal(agent.lines.filter(({ event }) => event === 'registered').length, 1)
})

test('an agent outlives its engine: heartbeats go on and say nothing of it', async () => {
  await using engine = await startEngineStandIn()
  engine.say({ metrics: vllmMetrics(5) })
  const node = await launchedNode(port)
  await using agent = startNodeAgent({
    ...agentOf(node, { control: port.url, engine: engine.url }),
    ENGINE_PID: engine.pid,
  })
  await heartbeat(node, { running: 5 })
  await agent.line('registered')
  await engine.crash()
  await heartbeat(node, { running: null, waiting: null })
  await agent.line('engine-process', { state: 'ended' })
  assert.equal((await shown(node))['status'], 'active')
  await engine.server.comeBack()
  await heartbeat(node, { running: 5 })
})

test('an agent whose registration is forgotten registers again', async () => {
  await using engine = await startEngineStandIn()
  const node = await launchedNode(port)
  await using agent = startNodeAgent(agentOf(node, { control: port.url, engine: engine.url }))
  await agent.line('registered')
  await port.database.postgres.query(
    `UPDATE nodes SET status = 'launching', endpoint_url = NULL WHERE id = $1`,
    [node.id],
  )
  await hasStatus(node, 'active')
  assert.equal((await shown(node))['endpoint_url'], engine.url)
})

test('an agent that is told no address finds one that is not its own loopback, or registers none', async () => {
  await using engine = await startEngineStandIn()
  const node = await launchedNode(port)
  const env = agentOf(node, { control: port.url, engine: engine.url })
  await using agent = startNodeAgent({ ...env, NODE_ADDRESS: '' })
  await eventually('an address, or none', () =>
    agent.lines.some(({ event }) => event === 'registered' || event === 'no-address'),
  )
  const url = (await shown(node))['endpoint_url'] as string | null
  const found = url === null ? null : new URL(url)
  assert.doesNotMatch(found?.hostname ?? '', /^(127\.|localhost$|\[::1\]|169\.254\.|0\.)/)
  if (found !== null) assert.equal(found.port, new URL(engine.url).port)
})

for (const [told, expected] of [
  ['10.1.2.3', (port: string) => `http://10.1.2.3:${port}`],
  ['10.1.2.3:9000', () => 'http://10.1.2.3:9000'],
  ['2001:db8::7', (port: string) => `http://[2001:db8::7]:${port}`],
  ['https://gpu.example:8443', () => 'https://gpu.example:8443'],
] as const) {
  test(`an agent registers the address ${told} as it is told`, async () => {
    await using engine = await startEngineStandIn()
    const node = await launchedNode(port)
    const env = agentOf(node, { control: port.url, engine: engine.url })
    await using agent = startNodeAgent({ ...env, NODE_ADDRESS: told })
    await agent.line('registered')
    assert.equal((await shown(node))['endpoint_url'], expected(new URL(engine.url).port))
  })
}

test('an address that is refused is said to be, and the agent goes on', async () => {
  await using engine = await startEngineStandIn()
  const node = await launchedNode(port)
  const env = agentOf(node, { control: port.url, engine: engine.url })
  await using agent = startNodeAgent({ ...env, NODE_ADDRESS: '169.254.169.254' })
  await heartbeat(node, { running: 0 })
  await eventually('the reason', () => agent.output().includes('link-local and metadata addresses'))
  assert.equal((await shown(node))['status'], 'launching')
})
