import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { test } from 'node:test'
import { installationCode } from '../../../src/core/orchestration/cluster-name.js'
import { eventually } from '../../support/processes.js'
import {
  HF_TOKEN,
  launcherOf,
  looksUntil,
  nameOf,
  nodeToLaunch,
  NODE_TOKEN,
  serverAndLauncher,
  startPlainInstance,
  stateOf,
} from '../../support/skypilot/launcher.js'
import { API_KEY } from '../../support/skypilot/tasks.js'
import { startSkyPilotServer } from '../../support/skypilot-server.js'

const launchError = (kind: string, message = /./) => ({ name: 'LaunchError', kind, message })

test('a launch is absent, provisioning, instance_ready, installing, and up; its progress only grows', async () => {
  await using both = await serverAndLauncher({ faults: { provisionMs: 60_000, setupMs: 60_000 } })
  const { server, launcher } = both
  const node = nodeToLaunch()
  assert.deepEqual(await stateOf(launcher, node), { state: 'absent' })
  await launcher.launch(node, NODE_TOKEN)
  const states = await looksUntil(launcher, node, 'coming: instance_ready')
  server.setFaults({ provisionMs: 0 })
  states.push(...(await looksUntil(launcher, node, 'coming: installing')))
  await launcher.remove(node.clusterName)
  assert.deepEqual((await looksUntil(launcher, node, 'absent')).at(-1), { state: 'absent' })

  server.setFaults({ setupMs: 0 })
  const other = nodeToLaunch()
  await launcher.launch(other, NODE_TOKEN)
  states.push(...(await looksUntil(launcher, other, 'up')))
  const place = { provider: 'aws', region: 'us-east-1' }
  assert.deepEqual(states.at(-1), { state: 'up', endpointUrl: null, place })
  const progress = states.flatMap((state) => (state.state === 'coming' ? [state.progress] : []))
  assert.ok(progress.every((value) => value >= 0 && value <= 99))
  assert.deepEqual(server.counts().launches, { [node.clusterName]: 1, [other.clusterName]: 1 })
})

test('a machine whose engine does not answer yet is loading its model', async () => {
  let answers = false
  await using both = await serverAndLauncher({
    startInstance: async () => {
      const instance = await startPlainInstance()
      return {
        ...instance,
        get url() {
          return answers ? instance.url : 'http://127.0.0.1:1'
        },
      }
    },
  })
  const node = nodeToLaunch()
  await both.launcher.launch(node, NODE_TOKEN)
  const [loading] = (await looksUntil(both.launcher, node, 'coming: model_loading')).slice(-1)
  assert.ok(loading?.state === 'coming' && loading.progress >= 70)
  answers = true
})

test('a shortage in one region leads to the next; everywhere it is no_capacity, also for an on-demand machine', async () => {
  await using both = await serverAndLauncher({ faults: { shortages: [{ infra: 'aws/us-east-1' }] } })
  const { server, launcher } = both
  const regions = ['us-east-1', 'us-west-2']
  const node = nodeToLaunch({ regions })
  await launcher.launch(node, NODE_TOKEN)
  await looksUntil(launcher, node, 'up')
  assert.equal(server.clusters[0]?.place.region, 'us-west-2')

  server.setFaults({ shortages: [{ useSpot: true }] })
  const short = nodeToLaunch({ regions })
  await launcher.launch(short, NODE_TOKEN)
  const [failed] = (await looksUntil(launcher, short, 'failed')).slice(-1)
  assert.ok(failed?.state === 'failed')
  assert.equal(failed.kind, 'no_capacity')
  assert.match(failed.reason, /resources/)
  assert.equal(nameOf(await stateOf(launcher, short)), 'failed', 'it stays so until it is removed')
  await launcher.remove(short.clusterName)
  await looksUntil(launcher, short, 'absent')

  const onDemand = nodeToLaunch({ regions, market: 'on_demand' })
  await launcher.launch(onDemand, NODE_TOKEN)
  await looksUntil(launcher, onDemand, 'up')
})

test('another launcher finds a launch that is under way, and launches nothing', async () => {
  await using both = await serverAndLauncher({ faults: { provisionMs: 60_000 } })
  const { server, launcher } = both
  const node = nodeToLaunch()
  await launcher.launch(node, NODE_TOKEN)
  await launcher[Symbol.asyncDispose]()
  await using next = await launcherOf(server)
  await looksUntil(next, node, 'coming: instance_ready')
  await assert.rejects(
    next.launch(node, 'another-token-of-the-node'),
    launchError('failed', /earlier launch/),
  )
  server.setFaults({ provisionMs: 0 })
  await looksUntil(next, node, 'up')
  await using third = await launcherOf(server)
  const place = { provider: 'aws', region: 'us-east-1' }
  assert.deepEqual(await stateOf(third, node), { state: 'up', endpointUrl: null, place })
  assert.deepEqual(server.counts().launches, { [node.clusterName]: 1 })
})

test('a launch whose answer was lost is no error, and is found at the next look', async () => {
  await using both = await serverAndLauncher({ faults: { provisionMs: 60_000, unansweredLaunches: 1 } })
  const { server, launcher } = both
  const node = nodeToLaunch()
  await launcher.launch(node, NODE_TOKEN)
  await looksUntil(launcher, node, 'coming: instance_ready')
  server.setFaults({ provisionMs: 0 })
  await looksUntil(launcher, node, 'up')
  assert.deepEqual(server.counts().launches, { [node.clusterName]: 1 })
})

test('an ask that may still be heard is waited out, before the machine is absent', async () => {
  let time = Date.now()
  await using both = await serverAndLauncher({}, { now: () => time })
  const { server, launcher } = both
  const node = nodeToLaunch()
  server.setFaults({ unheardLaunches: 1 })
  await launcher.launch(node, NODE_TOKEN)
  assert.deepEqual(await stateOf(launcher, node), { state: 'coming', stage: 'queued', progress: 0 })
  await launcher.remove(node.clusterName)
  assert.equal(nameOf(await stateOf(launcher, node)), 'coming: queued')
  time += 60_000
  assert.deepEqual(await stateOf(launcher, node), { state: 'absent' })
})

test('remove in mid-launch leaves nothing, is repeatable, and goes on in another launcher', async () => {
  await using both = await serverAndLauncher({ faults: { provisionMs: 60_000, downMs: 60_000 } })
  const { server, launcher } = both
  const node = nodeToLaunch()
  await launcher.launch(node, NODE_TOKEN)
  await looksUntil(launcher, node, 'coming: instance_ready')
  await launcher.remove(node.clusterName)
  await launcher.remove(node.clusterName)
  assert.equal(nameOf(await stateOf(launcher, node)), 'going')
  await using next = await launcherOf(server)
  assert.equal(nameOf(await stateOf(next, node)), 'going')
  await next.remove(node.clusterName)
  assert.equal(server.calls.get('POST /down'), 1)
  await server.restart({ requests: 'forgotten' })
  server.setFaults({ downMs: 0 })
  assert.equal(nameOf(await stateOf(next, node)), 'failed')
  await next.remove(node.clusterName)
  await looksUntil(next, node, 'absent')
  assert.deepEqual(server.clusters, [])
  assert.deepEqual(server.counts().alive, [])
})

test('what was never there is removed without an error', async () => {
  await using both = await serverAndLauncher()
  const node = nodeToLaunch()
  await both.launcher.remove(node.clusterName)
  assert.deepEqual(await stateOf(both.launcher, node), { state: 'absent' })
})

test('a machine whose end fails is asked to end again, and forgotten when that goes on for too long', async () => {
  let time = Date.now()
  await using both = await serverAndLauncher(
    {},
    { now: () => time, purgeAfterMs: 60_000, removalPauseMs: 10_000 },
  )
  const { server, launcher } = both
  const node = nodeToLaunch()
  await launcher.launch(node, NODE_TOKEN)
  await looksUntil(launcher, node, 'up')
  server.setFaults({ downError: { type: 'RuntimeError', message: 'the cloud is away' } })
  const downs = () => server.bodies.filter(({ path }) => path === '/down').map(({ text }) => text)
  for (let attempt = 1; attempt <= 2; attempt++) {
    await launcher.remove(node.clusterName)
    await looksUntil(launcher, node, 'up')
    await launcher.remove(node.clusterName)
    assert.equal(downs().length, attempt, 'it waits')
    time += 20_000
  }
  time += 60_000
  await launcher.remove(node.clusterName)
  await looksUntil(launcher, node, 'absent')
  assert.deepEqual(
    downs().map((text) => text.includes('"purge":true')),
    [false, false, true],
  )
})

for (const noticeMs of [1_000, null]) {
  test(`a machine that is taken ${noticeMs === null ? 'without a notice' : 'after a notice'} is absent at the next look, and costs nothing`, async () => {
    await using both = await serverAndLauncher()
    const { server, launcher } = both
    const node = nodeToLaunch()
    await launcher.launch(node, NODE_TOKEN)
    await looksUntil(launcher, node, 'up')
    await server.preempt(node.clusterName, noticeMs)
    await looksUntil(launcher, node, 'absent')
    assert.deepEqual(server.counts().alive, [])
    assert.equal(nameOf(await stateOf(launcher, node)), 'absent')
  })
}

test('an engine that is installed, loads and ends says so, with its last lines and no secret', async () => {
  const engine = new EventEmitter()
  const ended = once(engine, 'end')
  await using both = await serverAndLauncher({
    startInstance: async () => ({
      ...(await startPlainInstance()),
      url: 'http://127.0.0.1:1',
      ended,
      lines: ['loading', `no memory for ${API_KEY}`],
    }),
  })
  const { server, launcher } = both
  const node = nodeToLaunch()
  await launcher.launch(node, NODE_TOKEN)
  await looksUntil(launcher, node, 'coming: model_loading')
  const [cluster] = server.clusters
  assert.ok(cluster !== undefined)
  cluster.jobStatus = 'SETTING_UP'
  assert.equal(nameOf(await stateOf(launcher, node)), 'coming: installing')
  engine.emit('end')
  const [failed] = (await looksUntil(launcher, node, 'failed')).slice(-1)
  assert.equal(
    failed?.state === 'failed' && failed.reason,
    'the engine ended before it served: loading\nno memory for ***',
  )
})

test('a machine that goes before its engine has served has failed, until it is removed', async () => {
  await using both = await serverAndLauncher({
    startInstance: async () => ({ ...(await startPlainInstance()), url: 'http://127.0.0.1:1' }),
  })
  const { server, launcher } = both
  const node = nodeToLaunch()
  await launcher.launch(node, NODE_TOKEN)
  await looksUntil(launcher, node, 'coming: model_loading')
  await using somebody = await launcherOf(server)
  await somebody.remove(node.clusterName)
  await looksUntil(launcher, node, 'failed')
  await launcher.remove(node.clusterName)
  await looksUntil(launcher, node, 'absent')
})

test('a machine that SkyPilot is in doubt of is not given up, one that is stopped is', async () => {
  await using both = await serverAndLauncher()
  const { server, launcher } = both
  const node = nodeToLaunch()
  await launcher.launch(node, NODE_TOKEN)
  await looksUntil(launcher, node, 'up')
  const [cluster] = server.clusters
  assert.ok(cluster !== undefined)
  await using next = await launcherOf(server)
  for (const [status, state] of [
    ['INIT', 'up'],
    ['STOPPED', 'failed'],
  ] as const) {
    cluster.status = status
    for (const each of [launcher, next]) assert.equal(nameOf(await stateOf(each, node)), state)
  }
})

test('another launcher sees that a machine was taken as absent', async () => {
  await using both = await serverAndLauncher()
  const node = nodeToLaunch()
  await both.launcher.launch(node, NODE_TOKEN)
  await looksUntil(both.launcher, node, 'up')
  await both.server.preempt(node.clusterName, null)
  await using next = await launcherOf(both.server)
  assert.deepEqual(await stateOf(next, node), { state: 'absent' })
})

test('a launch that is given up by a restart of the server has failed', async () => {
  await using both = await serverAndLauncher({ faults: { provisionMs: 60_000 } })
  const node = nodeToLaunch()
  await both.launcher.launch(node, NODE_TOKEN)
  await looksUntil(both.launcher, node, 'coming: instance_ready')
  await both.server.restart({ requests: 'forgotten' })
  await looksUntil(both.launcher, node, 'failed')
})

test('a launch that takes too long has failed', async () => {
  let time = Date.now()
  await using both = await serverAndLauncher(
    { faults: { provisionMs: 60_000 } },
    { now: () => time, launchTimeoutSeconds: 60 },
  )
  const node = nodeToLaunch()
  await both.launcher.launch(node, NODE_TOKEN)
  await looksUntil(both.launcher, node, 'coming: instance_ready')
  time += 61_000
  const [failed] = (await looksUntil(both.launcher, node, 'failed')).slice(-1)
  assert.match(failed?.state === 'failed' ? failed.reason : '', /within 60 s/)
})

test('a token that is wrong or has expired is unauthorized, and says nothing of machines', async () => {
  await using both = await serverAndLauncher()
  const { server, launcher } = both
  const node = nodeToLaunch()
  await launcher.launch(node, NODE_TOKEN)
  await looksUntil(launcher, node, 'up')
  server.setFaults({ unauthorized: true })
  await assert.rejects(launcher.look([node]), launchError('unauthorized', /token/))
  await assert.rejects(launcher.launch(nodeToLaunch(), NODE_TOKEN), launchError('unauthorized'))
  server.setFaults({ unauthorized: false })
  assert.equal(nameOf(await stateOf(launcher, node)), 'up')
  await using wrong = await launcherOf({ url: server.url, token: 'sky_another-token-4711' })
  await assert.rejects(wrong.look([node]), launchError('unauthorized'))
})

test('a server that does not answer is an error of every look, never absence; a launch waits for the next one', async () => {
  const server = await startSkyPilotServer({ startInstance: startPlainInstance })
  await using launcher = await launcherOf(server)
  const node = nodeToLaunch()
  await launcher.launch(node, NODE_TOKEN)
  await looksUntil(launcher, node, 'up')
  await server[Symbol.asyncDispose]()
  await assert.rejects(launcher.look([node]), { name: 'SkyPilotError', kind: 'unreachable' })
  await launcher.launch(nodeToLaunch(), NODE_TOKEN)
  await assert.rejects(launcher.remove(node.clusterName), { kind: 'unreachable' })
  assert.deepEqual(await launcher.lastLines(node.clusterName, 10), [])
})

test('what SkyPilot or the template would not take is refused before anything is launched', async () => {
  await using both = await serverAndLauncher()
  const { server, launcher } = both
  const refused = [
    nodeToLaunch({ provider: 'no such cloud' }),
    nodeToLaunch({ engineArgs: ['--host=0.0.0.0'] }),
    nodeToLaunch({ model: 'with\nnewline', engine: 'vllm' }),
  ]
  for (const node of refused) await assert.rejects(launcher.launch(node, NODE_TOKEN), launchError('refused'))
  assert.equal(server.calls.has('POST /launch'), false)
  const unknown = nodeToLaunch({ provider: 'nowhere' })
  await launcher.launch(unknown, NODE_TOKEN)
  const [failed] = (await looksUntil(launcher, unknown, 'failed')).slice(-1)
  assert.equal(failed?.state === 'failed' && failed.kind, 'refused')
})

test('machines are those of the installation, whether anybody asked for them or not', async () => {
  await using both = await serverAndLauncher()
  const installation = '01890000-0000-7000-8000-000000000001'
  const ours = {
    ...nodeToLaunch(),
    clusterName: `cic-aws-us-east-1-a10g-spot-${installationCode(installation)}abc`,
  }
  await both.launcher.launch(ours, NODE_TOKEN)
  const others = nodeToLaunch()
  await both.launcher.launch(others, NODE_TOKEN)
  await looksUntil(both.launcher, ours, 'up')
  await looksUntil(both.launcher, others, 'up')
  await using next = await launcherOf(both.server)
  assert.deepEqual(await next.machines(installation), [ours.clusterName])
})

test('a failure and the last lines show no secret', async () => {
  const secrets = `${API_KEY} ${HF_TOKEN} ${NODE_TOKEN}`
  await using both = await serverAndLauncher({
    startInstance: async () => ({
      ...(await startPlainInstance()),
      lines: ['first', `second ${secrets}`, 'third'],
    }),
  })
  const node = nodeToLaunch()
  await both.launcher.launch(node, NODE_TOKEN)
  await looksUntil(both.launcher, node, 'up')
  assert.deepEqual(await both.launcher.lastLines(node.clusterName, 2), ['second *** *** ***', 'third'])

  both.server.setFaults({ launchError: { type: 'CommandError', message: `serve ${secrets} failed` } })
  const other = nodeToLaunch()
  await both.launcher.launch(other, NODE_TOKEN)
  const [failed] = (await looksUntil(both.launcher, other, 'failed')).slice(-1)
  assert.ok(failed?.state === 'failed')
  assert.equal(failed.kind, 'failed')
  assert.match(failed.reason, /serve \*\*\* \*\*\* \*\*\* failed/)
})

test('of a launch that is under way the last lines are what SkyPilot does', async () => {
  await using both = await serverAndLauncher({ faults: { provisionMs: 60_000 } })
  const node = nodeToLaunch()
  await both.launcher.launch(node, NODE_TOKEN)
  await looksUntil(both.launcher, node, 'coming: instance_ready')
  assert.deepEqual(await both.launcher.lastLines(node.clusterName, 1), ['⚙︎ Launching on aws/us-east-1.'])
})

test('the address of a machine that cannot be asked for it is told once its engine answers', async () => {
  await using both = await serverAndLauncher()
  const node = nodeToLaunch({ provider: 'lambda', regions: [] })
  await both.launcher.launch(node, NODE_TOKEN)
  const [up] = (await looksUntil(both.launcher, node, 'up')).slice(-1)
  const place = { provider: 'lambda', region: 'us-central1' }
  assert.deepEqual(up, { state: 'up', endpointUrl: both.server.clusters[0]?.instance?.url, place })
  await using next = await launcherOf(both.server)
  assert.deepEqual(await stateOf(next, node), up)
})

test('many clusters are looked at in as many calls as few', async () => {
  await using both = await serverAndLauncher()
  const { server, launcher } = both
  const nodes = Array.from({ length: 12 }, () => nodeToLaunch())
  await Promise.all(nodes.map((node) => launcher.launch(node, NODE_TOKEN)))
  await eventually('all are up', async () => {
    const states = await launcher.look(nodes)
    return [...states.values()].every(({ state }) => state === 'up')
  })
  const before = new Map(server.calls)
  assert.equal((await launcher.look(nodes)).size, 12)
  assert.equal((server.calls.get('POST /status') ?? 0) - (before.get('POST /status') ?? 0), 2)
  assert.equal(server.calls.get('GET /api/status'), before.get('GET /api/status'))
})
