import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { setTimeout as sleep } from 'node:timers/promises'
import { startSimulatedNode } from '../../bench/nodes.js'
import { seededRandom } from '../../bench/nodes/random.js'
import { startTestGateway } from '../support/gateway.js'
import { lives } from '../support/gateway-process.js'
import { recordLedgers } from '../support/ledger-history.js'
import { LoadClient, planRequests, receivedMoreAt, type ClientView } from '../support/load.js'
import { lostRequests } from '../support/lost-requests.js'
import { eventually } from '../support/processes.js'
import { startStores } from '../support/stores.js'
import { temporaryFolder } from '../support/temporary-folder.js'
import { allRows, costOf, faultOf, ledgersOf, metricOf, noticedLate } from '../support/usage-audit.js'

const KILLS = 20
const PROXIES = 4
/** Printed beside what was measured: a machine that stalls a proxy is no fault of the spool, whose own tests hold it. */
const PROMISED_MS = 100
/** Twenty times the interval of the spool's progress: whoever is this far behind did not write any. */
const NO_PROGRESS_MS = 1_000

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0

/** When the client had a token that is not billed; of a plain reply, all of them. */
function unbilledSince(view: ClientView, billed: number): number | null {
  if (view.plan.body['stream'] === true) return receivedMoreAt(view, billed)
  return view.ended === 'complete' ? (view.arrivals.at(-1)?.atMs ?? null) : null
}

test('twenty kill -9s of a proxy under load: one row for each request a node saw, short of its last tokens at most', async (t) => {
  await using folder = await temporaryFolder()
  await using stores = await startStores()
  await using one = await startSimulatedNode({ seed: 1, eosProbability: 0.005 })
  await using two = await startSimulatedNode({ seed: 2, eosProbability: 0.005 })
  const nodes = { one, two }
  using history = recordLedgers([one, two])
  await using gateway = await startTestGateway(
    { PROXY_PROCESSES: String(PROXIES), DATA_DIR: folder.path },
    stores,
  )
  const tenant = await gateway.createTenant()
  await gateway.serve('sim', nodes, {
    strategy: 'least-connections',
    first_token_timeout_ms: 5_000,
    idle_timeout_ms: 5_000,
  })
  const running = () =>
    gateway.process.family().filter((kin) => kin.title === 'crosslogic-proxy' && lives(kin))
  await eventually(
    'all proxies are up',
    async () => (await metricOf(gateway, 'crosslogic_up', 'proxy')) === PROXIES,
  )

  using client = new LoadClient(gateway.port, tenant.key)
  const stop = new AbortController()
  const mix = { faults: 0.1, leaves: 0.15, paces: [2, 5, 10, 20], mostTokens: 120 }
  const load = client.run(planRequests('sim', 7, mix), () => 24, stop.signal)

  const random = seededRandom(7)
  const killedAt = new Map<number, number>()
  while (killedAt.size < KILLS) {
    await sleep(100 + random() * 700)
    // One of them at least goes on serving.
    if ((await metricOf(gateway, 'crosslogic_up', 'proxy')) < 2) continue
    const victims = running()
    const victim = victims[Math.floor(random() * victims.length)]
    if (victim === undefined || killedAt.has(victim.pid)) continue
    process.kill(victim.pid, 'SIGKILL')
    killedAt.set(victim.pid, performance.now())
  }
  await eventually(
    'every proxy is back',
    async () => (await metricOf(gateway, 'crosslogic_up', 'proxy')) === PROXIES,
    60_000,
  )
  stop.abort()
  const views = await load

  let ledgers = ledgersOf(nodes)
  let rows = await allRows(gateway)
  await eventually('every request that a node saw has a row', async () => {
    rows = await allRows(gateway)
    // Read again: a node goes on writing for a moment after its client has left.
    ledgers = ledgersOf(nodes)
    const billed = new Set(rows.map((row) => row.request_id))
    return [...ledgers.keys()].every((requestId) => billed.has(requestId))
  })
  const byId = new Map(rows.map((row) => [row.request_id, row]))
  const lost = rows.filter((row) => row.error_code === 'gateway_lost')
  const viewOf = new Map(views.map((view) => [view.requestId, view]))
  // The last that a client had of the proxy: one that got no processor time from there to its kill could not write either.
  const lastSigns = [...lostRequests(folder.path)].flatMap(([pid, ids]) => {
    const killed = killedAt.get(pid)
    const signs = ids.flatMap((id) => viewOf.get(id)?.arrivals.at(-1)?.atMs ?? [])
    const last = killed === undefined || signs.length === 0 ? killed : Math.min(killed, Math.max(...signs))
    return ids.map((id) => [id, last] as const)
  })
  const lastSignOf = new Map(lastSigns)

  const problems: string[] = []
  let mostMissing = 0
  // What a client has had the gateway has had for certain. What a node wrote may still have waited in a socket.
  const behindClients: number[] = []
  const behindNodes: number[] = []
  for (const [requestId, attempt] of ledgers) {
    const row = byId.get(requestId)
    const report = (what: string) => problems.push(JSON.stringify({ what, row, attempt }))
    if (row === undefined) report('no row')
    else if (row.error_code !== 'gateway_lost') {
      const fault = faultOf(row, attempt)
      if (fault !== null && !noticedLate(row, attempt)) report(fault)
    } else {
      const { entry } = attempt
      const lastSign = lastSignOf.get(requestId)
      if (row.counted !== 'estimated' || row.cost_nanos !== costOf(row)) report('a lost request is estimated')
      if (row.prompt_tokens > entry.promptTokens || row.completion_tokens > entry.writtenTokens) {
        report('more than the ledger')
      }
      mostMissing = Math.max(mostMissing, entry.writtenTokens - row.completion_tokens)
      if (lastSign === undefined) report('lost without a kill')
      else {
        const before = (atMs: number | null | undefined) => Math.max(0, lastSign - (atMs ?? lastSign))
        behindNodes.push(before(history.exceededAt(requestId, row.completion_tokens)))
        const view = viewOf.get(requestId)
        const ms = before(view === undefined ? null : unbilledSince(view, row.completion_tokens))
        behindClients.push(ms)
        if (ms > NO_PROGRESS_MS) report(`${ms.toFixed(0)} ms of tokens are missing`)
      }
    }
  }
  const cut = views.filter((view) => view.ended === 'cut')
  t.diagnostic(
    `${killedAt.size} kills; ${views.length} requests, ${cut.length} cut; ${ledgers.size} seen by nodes, ` +
      `${rows.length} rows, ${lost.length} of them lost`,
  )
  t.diagnostic(
    `lost requests lack at most ${mostMissing} tokens: what clients had in the last ` +
      `${Math.max(...behindClients).toFixed(0)} ms (median ${median(behindClients).toFixed(0)}, promised ${PROMISED_MS}) before the proxy’s last sign of life, what ` +
      `nodes wrote in the last ${Math.max(...behindNodes).toFixed(0)} ms (median ${median(behindNodes).toFixed(0)})`,
  )

  assert.equal(byId.size, rows.length, 'a request has two rows')
  assert.equal(problems.length, 0, problems.slice(0, 20).join('\n'))
  assert.ok(lost.length > KILLS, 'the kills hit nothing')
  for (const view of cut) {
    if (view.requestId === null || view.plan.body['sim_fault'] !== undefined) continue
    assert.equal(byId.get(view.requestId)?.error_code, 'gateway_lost', view.requestId)
  }
  for (const rollup of ['usage_by_minute', 'usage_by_hour']) {
    const wanted = { requests: rows.length, cost: rows.reduce((sum, row) => sum + row.cost_nanos, 0) }
    // An insert shows in the records a moment before it shows here.
    await eventually(`${rollup} sums up to ${JSON.stringify(wanted)}`, async () => {
      const [sums] = await gateway.query(
        `SELECT sum(requests) AS requests, sum(cost_nanos) AS cost FROM ${rollup}`,
      )
      return isDeepStrictEqual(sums, wanted)
    })
  }
})
