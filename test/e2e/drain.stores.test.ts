import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startSimulatedNode } from '../../bench/nodes.js'
import { startTestGateway } from '../support/gateway.js'
import { LoadClient, planRequests } from '../support/load.js'
import { eventually } from '../support/processes.js'
import { startStores } from '../support/stores.js'
import { allRows, faultOf, ledgersOf, metricOf, noticedLate } from '../support/usage-audit.js'

test('SIGTERM under load: two proxies finish every stream, all usage is there at the end, exit 0', async (t) => {
  await using stores = await startStores()
  await using one = await startSimulatedNode({ seed: 1 })
  await using two = await startSimulatedNode({ seed: 2 })
  await using gateway = await startTestGateway({ PROXY_PROCESSES: '2' }, stores)
  const tenant = await gateway.createTenant()
  await gateway.serve(
    'sim',
    { one, two },
    { strategy: 'round-robin', first_token_timeout_ms: 6_000, idle_timeout_ms: 6_000 },
  )
  await eventually(
    'both proxies serve the model',
    async () => (await metricOf(gateway, 'crosslogic_up', 'proxy')) === 2,
  )
  await sleep(1_000)

  using client = new LoadClient(gateway.port, tenant.key)
  const stop = new AbortController()
  const mix = { faults: 0.05, leaves: 0.1, paces: [5, 20], mostTokens: 150 }
  const load = client.run(planRequests('sim', 11, mix), () => 32, stop.signal)
  await sleep(3_000)
  const openOn = await Promise.all(
    ['proxy-0', 'proxy-1'].map((name) => metricOf(gateway, 'crosslogic_process_cpu_seconds_total', name)),
  )
  gateway.process.kill('SIGTERM')
  // Clients that come now are refused, or told that this gateway is draining.
  await sleep(300)
  stop.abort()
  const views = await load
  assert.deepEqual(await gateway.process.exited, { code: 0, signal: null })

  const rows = await allRows(gateway)
  const byId = new Map(rows.map((row) => [row.request_id, row]))
  const admitted = views.filter((view) => view.admitted === true)
  const ledgers = ledgersOf({ one, two })
  t.diagnostic(
    `${views.length} requests, ${admitted.length} admitted, ${rows.length} rows; CPU seconds of the proxies ` +
      openOn.join(' and '),
  )
  assert.ok(admitted.length > 50)
  assert.equal(byId.size, rows.length)
  for (const view of admitted) {
    const row = byId.get(view.requestId ?? '')
    assert.ok(row !== undefined, `no row for ${view.requestId}`)
    if (view.plan.body['sim_fault'] === undefined && view.plan.leave === null) {
      assert.deepEqual([view.status, view.ended, row.error_code], [200, 'complete', ''], view.text)
      assert.ok(view.done || view.plan.body['stream'] !== true, view.text)
    }
  }
  for (const [requestId, attempt] of ledgers) {
    const row = byId.get(requestId)
    assert.ok(row !== undefined, `no row for ${requestId}`)
    const fault = faultOf(row, attempt)
    assert.ok(fault === null || noticedLate(row, attempt), JSON.stringify({ fault, row, attempt }))
  }
})
