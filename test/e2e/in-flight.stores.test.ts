import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startSimulatedNode } from '../../bench/nodes.js'
import { seededRandom } from '../../bench/nodes/random.js'
import { LoadClient, runLoad, type PlannedRequest } from '../../bench/resilience/load-client.js'
import { planStreams } from '../../bench/resilience/stream-plan.js'
import { startTestGateway } from '../support/gateway.js'
import { lives } from '../support/gateway-process.js'
import { eventually } from '../support/processes.js'
import { startStores } from '../support/stores.js'
import { metricOf } from '../support/usage-audit.js'

const MODEL = 'acme/counted'
const STREAMS = 1_000
const AT_ONCE = 200
const PROXIES = 2
/** Promised: so long after the last stream has gone, nothing is counted as running anywhere. Printed: a machine may be slow. */
const PROMISED_MS = 5_000

/** Streams whose clients all leave, some before the first byte. */
function* aborted(streams: Iterable<PlannedRequest>, random: () => number): Generator<PlannedRequest> {
  let left = STREAMS
  for (const planned of streams) {
    if (left-- <= 0) return
    const leave = random() < 0.3 ? { afterMs: random() * 200 } : { afterBytes: Math.floor(random() * 4_000) }
    yield { ...planned, leave }
  }
}

test('after 1,000 aborted streams and the kill of a proxy every count of running requests is back at 0', async (t) => {
  await using stores = await startStores()
  await using one = await startSimulatedNode({ seed: 1, ttftMs: 20 })
  await using two = await startSimulatedNode({ seed: 2, ttftMs: 20 })
  const nodes = [one, two]
  await using gateway = await startTestGateway({ PROXY_PROCESSES: String(PROXIES) }, stores)
  const tenant = await gateway.createTenant({ tier: 'enterprise' })
  await gateway.serve(
    MODEL,
    { one, two },
    { strategy: 'least-connections', health_check: { interval_seconds: 0.5, timeout_seconds: 2 } },
  )
  await eventually(
    'all proxies are up',
    async () => (await metricOf(gateway, 'crosslogic_up', 'proxy')) === PROXIES,
  )

  const counts = async () => {
    const { body } = await gateway.client.nodes.list({ query: { model: MODEL } })
    const stats = nodes.map((node) => node.stats())
    return {
      shown: body.data.map(({ in_flight }) => in_flight),
      open: await metricOf(gateway, 'crosslogic_open_requests'),
      busy: await metricOf(gateway, 'crosslogic_upstream_connections', 'state="busy"'),
      running: stats.map(({ running }) => running),
      waiting: stats.map(({ waiting }) => waiting),
      sockets: stats.map(({ busySockets }) => busySockets),
    }
  }
  const none = { shown: [0, 0], open: 0, busy: 0, running: [0, 0], waiting: [0, 0], sockets: [0, 0] }
  const become = async (what: string, hold: (counted: Awaited<ReturnType<typeof counts>>) => boolean) => {
    let last: unknown = null
    const check = async () => {
      const counted = await counts()
      last = counted
      return hold(counted)
    }
    const startedAt = performance.now()
    await eventually(what, check).catch((error: unknown) => {
      throw new Error(`counted: ${JSON.stringify(last)}`, { cause: error })
    })
    t.diagnostic(`${what}: after ${(performance.now() - startedAt).toFixed(0)} ms`)
  }
  const backAtZero = (what: string) =>
    become(
      `${what} (promised: ${PROMISED_MS} ms)`,
      (counted) => JSON.stringify(counted) === JSON.stringify(none),
    )

  const random = seededRandom(17)
  const streams = (tokens: { readonly least: number; readonly most: number }) =>
    planStreams({ model: MODEL, tokens, itlMs: 20, random })
  {
    using client = new LoadClient(gateway.port, tenant.key)
    const views = await client.run(aborted(streams({ least: 50, most: 400 }), random), () => AT_ONCE)
    assert.equal(views.length, STREAMS)
    assert.ok(views.filter(({ ended }) => ended === 'left').length > STREAMS * 0.8)
  }
  await backAtZero('counts after clients that left')

  using client = new LoadClient(gateway.port, tenant.key)
  const stop = new AbortController()
  // So long that none ends before all have begun, however slow the machine is.
  let cut = 0
  const send = async (planned: PlannedRequest) => {
    const view = await client.send(planned)
    if (view.ended === 'cut') cut++
    return view
  }
  const load = runLoad(send, streams({ least: 10_000, most: 20_000 }), () => AT_ONCE, stop.signal)
  await become(
    'streams run and are counted',
    ({ shown, open }) => open > AT_ONCE / 2 && shown.every((count) => count !== null && count > 0),
  )
  const proxies = gateway.process.family().filter((kin) => kin.title === 'crosslogic-proxy' && lives(kin))
  assert.equal(proxies.length, PROXIES)
  const cutBefore = cut
  process.kill(proxies[0]?.pid ?? 0, 'SIGKILL')
  await eventually('the kill hits streams', () => cut > cutBefore)
  await sleep(random() * 500)
  stop.abort()
  client[Symbol.dispose]()
  await load
  await backAtZero('counts after the kill of a proxy')
})
