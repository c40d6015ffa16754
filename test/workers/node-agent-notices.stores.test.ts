import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type ContractPort, startContractPort } from '../support/contract-port.js'
import { type EngineStandIn, startEngineStandIn, vllmMetrics } from '../support/engine-stand-in.js'
import { launchedNode, type LaunchedNode } from '../support/launched-node.js'
import { CLOUDS, startMetadata } from '../support/metadata-services.js'
import { agentOf, type NodeAgent, startNodeAgent } from '../support/node-agent.js'
import { relayTo, startPlainServer } from '../support/plain-server.js'
import { eventually } from '../support/processes.js'
import { temporaryFolder } from '../support/temporary-folder.js'

let port: ContractPort

before(async () => {
  port = await startContractPort()
})

after(async () => {
  await port[Symbol.asyncDispose]()
})

const shown = async ({ name }: LaunchedNode) => (await port.send('GET', `/admin/nodes/${name}`)).body

const stopped = (engine: EngineStandIn) =>
  eventually('the end of the engine', () => engine.endedBy() === 'SIGTERM')

/** A registered node whose machine is in a cloud. */
async function serving(
  metadataUrl: string,
  engine: EngineStandIn,
  { control = port.url, env = {} }: { control?: string; env?: Record<string, string> } = {},
): Promise<{ node: LaunchedNode; agent: NodeAgent }> {
  const node = await launchedNode(port)
  const agent = startNodeAgent({
    ...agentOf(node, { control, engine: engine.url, metadata: metadataUrl }),
    ENGINE_PID: engine.pid,
    ...env,
  })
  try {
    await agent.line('registered')
    await agent.line('notices')
  } catch (error) {
    await agent[Symbol.asyncDispose]()
    throw error
  }
  return { node, agent }
}

for (const cloud of CLOUDS) {
  test(`a notice of ${cloud} drains the node at once, and the engine stops when it has nothing to do`, async () => {
    await using engine = await startEngineStandIn()
    engine.say({ metrics: vllmMetrics(2) })
    await using metadata = await startMetadata(cloud)
    const { node, agent } = await serving(metadata.url, engine)
    await using _ = agent
    await agent.line('notices', { watched: cloud })
    await agent.line('metadata', { answer: 'ok' })
    assert.equal((await shown(node))['terminates_at'], null)

    const from = Date.now()
    metadata.warn(60)
    await agent.line('status', { status: 'draining' })
    const row = await shown(node)
    assert.equal(row['status'], 'draining')
    // Google does not say when: it is half a minute.
    const seconds = cloud === 'gcp' ? 30 : 60
    const terminates = Date.parse(row['terminates_at'] ?? '')
    assert.ok(terminates <= Date.now() + seconds * 1000, row['terminates_at'])
    assert.ok(terminates >= from + (seconds - 3) * 1000, row['terminates_at'])
    assert.equal(engine.endedBy(), null)

    // Its last requests have ended: the gateway says draining, the engine idle.
    engine.say({ metrics: vllmMetrics(0) })
    await stopped(engine)
    await agent.line('engine-stopping', { why: 'drained' })
    // The same notice stands there still, and is no second one; Google's is waited for.
    const asked = metadata.requests.length
    if (cloud !== 'gcp') await eventually('more looks', () => metadata.requests.length >= asked + 2)
    const { body } = await port.send('GET', `/admin/nodes/${node.name}/logs`)
    const events = body['data'] as unknown as { event: string; message: string }[]
    const warnings = events.filter(({ event }) => event === 'warning')
    assert.equal(warnings.length, 1)
    assert.match(warnings[0]?.message ?? '', new RegExp(`^${cloud} `))

    await port.send('POST', `/admin/nodes/${node.name}/terminate`, { force: true })
    assert.equal(await agent.ended(), 0)
  })
}

test('an engine that stays busy is stopped before the machine goes, so that its streams can be carried over', async () => {
  await using engine = await startEngineStandIn()
  engine.say({ metrics: vllmMetrics(9) })
  await using metadata = await startMetadata('aws')
  const { node, agent } = await serving(metadata.url, engine)
  await using _ = agent
  metadata.warn(5)
  await stopped(engine)
  const { why } = await agent.line('engine-stopping')
  assert.match(String(why), /^the machine is taken away in/)
  assert.equal((await shown(node))['status'], 'draining')
})

for (const [words, shiftMs] of [
  ['behind', -3_600_000 * 5],
  ['ahead', 3_600_000 * 5],
] as const) {
  test(`a machine whose clock is hours ${words} still says how long it has`, async () => {
    await using engine = await startEngineStandIn()
    await using metadata = await startMetadata('aws')
    metadata.shiftClock(shiftMs)
    engine.say({ metrics: vllmMetrics(1) })
    const { node, agent } = await serving(metadata.url, engine)
    await using _ = agent
    metadata.warn(90)
    await agent.line('status', { status: 'draining' })
    const left = Date.parse((await shown(node))['terminates_at'] ?? '') - Date.now()
    assert.ok(left > 80_000 && left <= 90_000, String(left))
  })
}

test('a clock that jumps by days with every look disturbs neither heartbeats nor the time of a notice', async () => {
  await using folder = await temporaryFolder()
  await writeFile(
    join(folder.path, 'sitecustomize.py'),
    'import random, time\ntime.time = lambda: 1.7e9 + random.uniform(-1e7, 1e7)\n',
  )
  await using engine = await startEngineStandIn()
  engine.say({ metrics: vllmMetrics(1) })
  await using metadata = await startMetadata('azure')
  const { node, agent } = await serving(metadata.url, engine, { env: { PYTHONPATH: folder.path } })
  await using _ = agent
  const first = (await shown(node))['last_heartbeat_at']
  await eventually('more heartbeats', async () => (await shown(node))['last_heartbeat_at'] !== first)
  metadata.warn(90)
  await agent.line('status', { status: 'draining' })
  const left = Date.parse((await shown(node))['terminates_at'] ?? '') - Date.now()
  assert.ok(left > 80_000 && left <= 90_000, String(left))
  assert.equal(engine.endedBy(), null)
})

test("a notice for another machine of the same scale set is not this one's", async () => {
  await using engine = await startEngineStandIn()
  await using metadata = await startMetadata('azure')
  const { node, agent } = await serving(metadata.url, engine)
  await using _ = agent
  metadata.warn(60, 'gpu_1')
  const asked = metadata.requests.length
  await eventually('it has seen that', () => metadata.requests.length >= asked + 2)
  assert.equal((await shown(node))['status'], 'active')
  assert.ok(!agent.lines.some(({ event }) => event === 'termination-notice'))
  metadata.warn(60)
  await agent.line('status', { status: 'draining' })
})

test('a notice that comes while the control plane is away is told when it is back', async () => {
  await using engine = await startEngineStandIn()
  engine.say({ metrics: vllmMetrics(1) })
  await using metadata = await startMetadata('gcp')
  await using front = await startPlainServer(relayTo(() => port.url))
  const { node, agent } = await serving(metadata.url, engine, { control: front.url })
  await using _ = agent
  await front.goAway()
  metadata.warn(30)
  await agent.line('termination-notice', { reason: 'gcp preempted' })
  assert.equal((await shown(node))['status'], 'active')
  await front.comeBack()
  await agent.line('status', { status: 'draining' })
  assert.equal(engine.endedBy(), null)
})

test('an engine is stopped in time also when nobody hears of the notice', async () => {
  await using engine = await startEngineStandIn()
  await using metadata = await startMetadata('aws')
  await using front = await startPlainServer(relayTo(() => port.url))
  const { agent } = await serving(metadata.url, engine, { control: front.url })
  await using _ = agent
  await front.goAway()
  metadata.warn(4)
  await stopped(engine)
})

test('a node that somebody undrains keeps its engine, since they may know better than the cloud', async () => {
  await using engine = await startEngineStandIn()
  engine.say({ metrics: vllmMetrics(1) })
  await using metadata = await startMetadata('aws')
  const { node, agent } = await serving(metadata.url, engine)
  await using _ = agent
  metadata.warn(15)
  await agent.line('status', { status: 'draining' })
  assert.equal((await port.send('POST', `/admin/nodes/${node.name}/undrain`)).status, 200)
  await agent.line('undrained')
  assert.equal(engine.endedBy(), null)
})

test('a metadata service that fails is asked again', async () => {
  await using engine = await startEngineStandIn()
  engine.say({ metrics: vllmMetrics(1) })
  await using metadata = await startMetadata('aws')
  const { agent } = await serving(metadata.url, engine)
  await using _ = agent
  await agent.line('metadata', { answer: 'ok' })
  // The session's token is not taken any more, then nothing works.
  for (const status of [401, 500]) {
    metadata.answerWith(status)
    await agent.line('metadata', { answer: `OSError: the metadata service answers ${status}` })
  }
  metadata.answerWith(null)
  metadata.warn(60)
  await agent.line('status', { status: 'draining' })
})

test('a cloud that is named is not searched for, and one that gives no notices is not asked', async () => {
  await using engine = await startEngineStandIn()
  await using metadata = await startMetadata('aws')
  const { agent } = await serving(metadata.url, engine, { env: { PROVIDER: 'lambda' } })
  await using _ = agent
  assert.match(String((await agent.line('notices'))['watched']), /^none/)
  assert.deepEqual(metadata.requests, [])
  await using azure = await startMetadata('azure')
  const named = await serving(azure.url, engine, { env: { PROVIDER: 'azure' } })
  await using __ = named.agent
  await named.agent.line('metadata', { answer: 'ok' })
  assert.ok(!azure.requests.some((request) => request.includes('/latest/') || request.includes('/computeM')))
})

for (const cloud of ['aws', 'gcp'] as const) {
  test(`an agent that is told to registers the public address that ${cloud} knows`, async () => {
    await using engine = await startEngineStandIn()
    await using metadata = await startMetadata(cloud)
    const { node, agent } = await serving(metadata.url, engine, { env: { NODE_ADDRESS: 'public' } })
    await using _ = agent
    const { hostname } = new URL((await shown(node))['endpoint_url'] ?? '')
    assert.equal(hostname, '203.0.113.7')
  })
}
