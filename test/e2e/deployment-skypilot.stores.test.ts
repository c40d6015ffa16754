import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { seededRandom } from '../../bench/nodes/random.js'
import { type ClientView, LoadClient } from '../../bench/resilience/load-client.js'
import { streamFault } from '../../bench/resilience/stream-answer.js'
import { expectedOf, planStreams } from '../../bench/resilience/stream-plan.js'
import { LAUNCH_STAGES } from '../../src/core/machine.js'
import { freePort } from '../../src/io/embedded/free-port.js'
import { createSkyPilot, type SkyPilot } from '../../src/io/skypilot.js'
import { startTestGateway, type TestGateway } from '../support/gateway.js'
import { eventually } from '../support/processes.js'
import { startSkyPilotProcess } from '../support/skypilot-process.js'
import { startStores } from '../support/stores.js'
import { billFault } from '../support/stream-bill.js'
import { allRows } from '../support/usage-audit.js'
import { watchDeployment, type WatchedDeployment } from '../support/watched-deployment.js'

const MODEL = 'acme/afar'
const STREAMS = 40
/** The shortest that a cloud gives. */
const NOTICE_MS = 30_000
/** Until a fault says otherwise. */
const FOR_EVER_MS = 3_600_000
/** Every stream may be continued, by whoever is left. */
const ROUTE = {
  strategy: 'least-connections',
  resume_streams: true,
  retry: { attempts: 6, budget_percent: 100 },
  health_check: { interval_seconds: 0.5, timeout_seconds: 2, unhealthy_threshold: 2, healthy_threshold: 1 },
}

test('machines of a cloud come up through shortages, are replaced when they are taken and are gone in the end: no stream breaks, each token is billed once', async (t) => {
  const begunAt = performance.now()
  const say = (what: string) => {
    t.diagnostic(`${((performance.now() - begunAt) / 1_000).toFixed(1).padStart(6)} s  ${what}`)
  }
  // No spot machine anywhere, none on demand in the first region; and those that there are come when they are let.
  const shortages = [{ useSpot: true }, { useSpot: false, times: 1 }]
  const slow = { provisionMs: FOR_EVER_MS, setupMs: FOR_EVER_MS }
  await using skypilot = await startSkyPilotProcess({ faults: { shortages, ...slow } })
  const { url, token } = skypilot
  await using sky = createSkyPilot({ url, token })
  await using stores = await startStores({ redis: false })
  const env = { SKYPILOT_URL: url, SKYPILOT_TOKEN: token, ADMIN_PORT: String(await freePort()) }
  await using gateway = await startTestGateway(env, stores)
  const { client } = gateway
  await gateway.setRoute(await gateway.createModel(MODEL), ROUTE)
  const tenant = await gateway.createTenant({ tier: 'enterprise' })

  const { body: created } = await client.deployments.create({
    body: {
      model_name: MODEL,
      node_count: 2,
      provider: 'aws',
      engine: 'simulated',
      use_spot: true,
      fallback_on_demand_after_seconds: 1,
    },
  })
  const params = { id: created.id }
  const deployment = watchDeployment(gateway, stores.databaseUrl, created.id)
  const launch = async (node: string) => {
    const { status, progress, stages } = await deployment.launch(node)
    return `${node}: ${status}, ${progress}%, ${stages.map(({ stage }) => stage).join(' > ')}`
  }

  // A shortage of spot machines: on demand instead, in a region that has some.
  const refused = (await deployment.nodes()).map(({ cluster_name: name }) => name)
  assert.deepEqual(refused.map(marketOf), ['spot', 'spot'])
  for (const node of refused) {
    await deployment.until(
      `the launch of ${node} has failed`,
      async () => (await deployment.launch(node)).status === 'failed',
    )
    assert.match((await deployment.launch(node)).error ?? '', /Failed to provision/)
  }
  await deployment.until('the deployment says what is in the way', async () =>
    /^a launch failed, .*Failed to provision/.test((await deployment.now()).status_reason ?? ''),
  )
  say(`no spot machine anywhere: ${(await deployment.now()).status_reason}`)
  const standIn = await deployment.another(refused, 'launching')
  assert.equal(marketOf(standIn), 'on_demand')
  await deployment.until(
    'its machine is there',
    async () => (await deployment.launch(standIn)).stage === 'instance_ready',
  )
  const [cluster] = await sky.status([standIn])
  const tried = await regionsTried(sky, standIn)
  assert.deepEqual([tried.length, tried.at(-1)], [2, `aws/${cluster?.region}`])
  say(`on demand instead, ${tried.join(' was full, ')} was not: ${await launch(standIn)}`)

  // There are spot machines again, and who asks for them would rather wait now.
  await skypilot.setFaults({ shortages: [], provisionMs: 20 })
  await client.deployments.patch({ params, body: { fallback_on_demand_after_seconds: null } })
  await deployment.until(
    'it is being set up',
    async () => (await deployment.launch(standIn)).stage === 'installing',
  )
  say(await launch(standIn))
  await skypilot.setFaults({ setupMs: 0 })
  await deployment.until('it serves', async () => (await deployment.named('active')).includes(standIn))
  const standing = (await deployment.nodes()).find(({ cluster_name: name }) => name === standIn)
  assert.equal(standing?.region, cluster?.region)
  say(`it is in ${standing?.region}, and costs $${standing?.price_per_hour} an hour`)

  using load = new LoadClient(gateway.port, tenant.key)
  const stop = new AbortController()
  const tokens = { least: 20, most: 60 }
  const plan = planStreams({ model: MODEL, tokens, itlMs: 50, random: seededRandom(7) })
  const streams = load.run(plan, () => STREAMS, stop.signal)
  await deployment.busy([standIn])
  await deployment.until('two spot machines serve and nothing else is left', async () => {
    const { status, live_nodes } = await deployment.now()
    const markets = (await deployment.named('active')).map(marketOf)
    return status === 'active' && live_nodes === 2 && markets.join() === 'spot,spot'
  })
  say(`spot machines again, which have taken its place: ${await launch(standIn)}`)
  const launched = await deployment.launch(standIn)
  assert.equal(launched.status, 'succeeded')
  const stages = launched.stages.map(({ stage }) => stage)
  assert.deepEqual(
    stages,
    LAUNCH_STAGES.filter((stage) => stages.includes(stage)),
    'not in order',
  )

  // One is taken after a notice.
  const [warned = '', other = ''] = await deployment.named('active')
  await deployment.busy([warned, other])
  const known = (await deployment.nodes()).map(({ cluster_name: name }) => name)
  await skypilot.preempt(warned, NOTICE_MS)
  await deployment.until('it drains', async () => (await deployment.named('draining')).includes(warned))
  say(`${warned} has ${NOTICE_MS / 1_000} s left, and drains`)
  const replacement = await deployment.another(known, 'active')
  const { alive } = await skypilot.counts()
  say(`${replacement} serves in its place; there are ${alive.join(', ')}`)
  await deployment.busy([replacement])

  // The other one is taken without.
  say(`${await resumed(gateway)} streams were resumed so far`)
  await skypilot.preempt(other, null)
  const second = await deployment.another([...known, replacement], 'active')
  say(`${other} was taken at once: ${second} serves in its place`)
  await deployment.busy([replacement, second])

  // The token expires: what runs goes on, and what is in the way is said.
  await skypilot.setFaults({ unauthorized: true })
  await client.deployments.scale({ params, body: { target_node_count: 3 } })
  const shutOut = await deployment.another(known, 'failed')
  await deployment.until('the deployment says so', async () =>
    /token/.test((await deployment.now()).status_reason ?? ''),
  )
  say(`the token has expired: ${(await deployment.now()).status_reason}`)
  assert.match((await deployment.launch(shutOut)).error ?? '', /token/)
  await skypilot.setFaults({ unauthorized: false })
  await deployment.until(
    'three serve with a new one',
    async () => (await deployment.named('active')).length === 3,
  )
  say('three serve with a new one')

  await deployment.until('both are known to be gone', async () => {
    const gone = await deployment.named('terminated')
    return gone.includes(warned) && gone.includes(other)
  })
  for (const node of [warned, other]) say(`${node}: ${await storyOf(deployment, node)}`)
  assert.match(await storyOf(deployment, warned), /warning.*draining.*terminating.*terminated/)
  const served = (await deployment.events(replacement)).find(({ status }) => status === 'active')
  const ended = (await deployment.events(warned)).find(({ status }) => status === 'terminating')
  assert.ok(served !== undefined && ended !== undefined && served.at < ended.at, 'it was replaced too late')

  stop.abort()
  await audit(gateway, await streams, say)

  await client.deployments.delete({ params })
  await deployment.until(
    'the deployment is over',
    async () => (await deployment.now()).status === 'terminated',
  )
  const { launches, started, alive: left } = await skypilot.counts()
  assert.deepEqual([left, await sky.status(null)], [[], []])
  const names = (await deployment.nodes()).map(({ cluster_name: name }) => name)
  for (const [name, count] of [...Object.entries(launches), ...Object.entries(started)]) {
    assert.equal(count, 1, `${name} was launched ${count} times`)
    assert.ok(names.includes(name), `${name} is nobody's`)
  }
  assert.equal(launches[shutOut], undefined)
  say(`${Object.keys(launches).length} launches for ${names.length} nodes, none twice; nothing is left`)
})

function marketOf(clusterName: string): string {
  return clusterName.includes('-spot-') ? 'spot' : 'on_demand'
}

/** Where SkyPilot has tried to launch a machine that it still launches. */
async function regionsTried(sky: SkyPilot, clusterName: string): Promise<string[]> {
  const tried: string[] = []
  for (const { name, requestId } of await sky.requestsOf(clusterName)) {
    if (name !== 'sky.launch') continue
    for await (const line of sky.logs(requestId, { hide: [], follow: false }))
      tried.push(...(/Launching on (\S+?)\.?$/.exec(line)?.slice(1) ?? []))
  }
  return tried
}

async function storyOf(deployment: WatchedDeployment, node: string): Promise<string> {
  const events = await deployment.events(node)
  return events.map(({ event, status, message }) => `${event}: ${status} (${message})`).join(' > ')
}

/** Streams that went on at another node than they had begun at. */
async function resumed(gateway: TestGateway): Promise<number> {
  const rows = await gateway.query('SELECT toInt32(countIf(resumed > 0)) AS streams FROM usage_records')
  return z.object({ streams: z.number() }).parse(rows[0]).streams
}

/** No stream is broken, and each is billed as one node that wrote all of it would be. */
async function audit(
  gateway: TestGateway,
  views: readonly ClientView[],
  say: (what: string) => void,
): Promise<void> {
  let rows = await allRows(gateway)
  await eventually('every stream has its usage record', async () => {
    rows = await allRows(gateway)
    return rows.length >= views.length
  })
  const byId = new Map(rows.map((row) => [row.request_id, row]))
  const faults = views.flatMap((view) => {
    const expected = expectedOf(view.plan)
    const fault = streamFault(view, expected) ?? billFault(byId.get(view.requestId ?? ''), expected)
    return fault === null ? [] : [`${fault}: ${JSON.stringify(view.plan)}`]
  })
  const count = await resumed(gateway)
  say(`${views.length} streams, ${count} of them resumed; ${faults.length} broken or billed wrongly`)
  assert.deepEqual(faults.slice(0, 5), [])
  assert.equal(rows.length, views.length, 'there are records of nothing')
  assert.ok(count > 0, 'no stream was on the machine that was taken')
}
