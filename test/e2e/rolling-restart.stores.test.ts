import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startSimulatedNode } from '../../bench/nodes.js'
import { seededRandom } from '../../bench/nodes/random.js'
import { LoadClient, type ClientView } from '../../bench/resilience/load-client.js'
import { restartUnderStreams, type Instance } from '../../bench/resilience/rolling-restart.js'
import { streamFault } from '../../bench/resilience/stream-answer.js'
import { expectedOf, planStreams } from '../../bench/resilience/stream-plan.js'
import { startTestGateway, type TestGateway } from '../support/gateway.js'
import { eventually } from '../support/processes.js'
import { startStores, type Stores } from '../support/stores.js'
import { allRows } from '../support/usage-audit.js'

const MODEL = 'acme/kept'
const STREAMS = 60
const TOKENS = { least: 100, most: 200 }
const ITL_MS = 20

const plan = () => planStreams({ model: MODEL, tokens: TOKENS, itlMs: ITL_MS, random: seededRandom(3) })

function checkWhole(views: readonly ClientView[]): void {
  const faults = views.flatMap((view) => streamFault(view, expectedOf(view.plan)) ?? [])
  assert.equal(faults.length, 0, `${faults.length} of ${views.length}:\n${faults.slice(0, 10).join('\n')}`)
}

/** A gateway on shared stores that can be restarted at its port. */
async function startInstance(stores: Stores) {
  let gateway = await startTestGateway({}, stores)
  const ports = { PORT: String(gateway.port), ADMIN_PORT: new URL(gateway.adminUrl).port }
  return {
    get gateway(): TestGateway {
      return gateway
    },
    async restart() {
      gateway.process.kill('SIGTERM')
      // Fails when it did not end in good order.
      await gateway[Symbol.asyncDispose]()
      gateway = await startTestGateway(ports, stores)
    },
    [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose](),
  }
}

test('two instances are restarted in turn under streams and none of these is broken', async (t) => {
  await using stores = await startStores({ redis: true })
  await using one = await startSimulatedNode({ seed: 1 })
  await using two = await startSimulatedNode({ seed: 2 })
  await using first = await startInstance(stores)
  await using second = await startInstance(stores)
  await first.gateway.serve(MODEL, { one, two }, { strategy: 'least-connections' })
  await second.gateway.live()
  const tenant = await first.gateway.createTenant({ tier: 'enterprise' })
  using clientOfFirst = new LoadClient(first.gateway.port, tenant.key)
  using clientOfSecond = new LoadClient(second.gateway.port, tenant.key)
  const instances: Instance[] = [
    { client: clientOfFirst, restart: () => first.restart() },
    { client: clientOfSecond, restart: () => second.restart() },
  ]
  const { views, turnedAway } = await restartUnderStreams({
    instances,
    rounds: 1,
    streams: STREAMS,
    plan: plan(),
    pauseMs: 1_000,
  })
  t.diagnostic(`${views.length} streams over 2 restarts; ${turnedAway} requests went to the other instance`)
  checkWhole(views)
  assert.ok(turnedAway > 0, 'the restarts hit nothing')
  // What was turned away was not admitted: it would be billed to a client that got nothing.
  await eventually('every stream has its usage record', async () => {
    return (await allRows(first.gateway)).length >= views.length
  })
  assert.equal((await allRows(first.gateway)).length, views.length)
})

test('a node is drained, another one terminated under load: no stream is broken, and it is terminated once its streams have ended', async (t) => {
  await using one = await startSimulatedNode({ seed: 1 })
  await using two = await startSimulatedNode({ seed: 2 })
  await using three = await startSimulatedNode({ seed: 3 })
  await using gateway = await startTestGateway()
  const tenant = await gateway.createTenant({ tier: 'enterprise' })
  await gateway.serve(MODEL, { one, two, three }, { strategy: 'least-connections' })
  using client = new LoadClient(gateway.port, tenant.key)
  const stop = new AbortController()
  const load = client.run(plan(), () => STREAMS, stop.signal)
  const status = async (name: string) =>
    (await gateway.client.nodes.get({ params: { cluster_name: name } })).body.status
  await eventually('every node has streams', () =>
    [one, two, three].every((node) => node.stats().running >= STREAMS / 6),
  )

  const before = one.stats().running
  await gateway.client.nodes.drain({ params: { cluster_name: 'one' } })
  await eventually('the drained node’s streams have ended', () => one.stats().running === 0)
  assert.ok(two.stats().running + three.stats().running > 0)
  const { requests } = one.stats()
  await sleep(500)
  // Its health may still be asked for.
  const served = () => [...one.ledger.values()].flat().filter(({ endedAt }) => endedAt === null).length
  assert.equal(served(), 0)
  await gateway.client.nodes.undrain({ params: { cluster_name: 'one' } })
  await eventually('the node takes requests again', () => one.stats().running > 0)

  const runningAtTheEnd: number[] = []
  await gateway.client.nodes.terminate({ params: { cluster_name: 'two' }, body: {} })
  await eventually('the node is terminated', async () => {
    const state = await status('two')
    if (state !== 'terminated') assert.equal(state, 'terminating')
    else runningAtTheEnd.push(two.stats().running)
    return state === 'terminated'
  })
  stop.abort()
  const views = await load
  t.diagnostic(
    `${views.length} streams, ${before} of them at the node when it was drained (${requests} requests)`,
  )
  assert.deepEqual(runningAtTheEnd, [0])
  checkWhole(views)
  for (const { ledger } of [one, two, three])
    for (const entry of [...ledger.values()].flat()) assert.ok(entry.finished && !entry.aborted)
})
