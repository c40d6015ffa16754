import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { call, bearer } from '../../bench/gateway.js'
import { startSimulatedNode } from '../../bench/nodes.js'
import { startTestGateway } from '../support/gateway.js'
import { LoadClient, planRequests } from '../support/load.js'
import { eventually } from '../support/processes.js'
import { allRows, faultOf, ledgersOf, metricOf, noticedLate } from '../support/usage-audit.js'

const REQUESTS = 2_000
const SEED = 20_261_123
/** Requests at once, for a hundred of them each. */
const CONCURRENCY = [2, 16, 64, 48, 32]
const Usage = z.object({
  total_requests: z.number(),
  prompt_tokens: z.number(),
  completion_tokens: z.number(),
  cached_tokens: z.number(),
  total_cost_usd: z.number(),
})

function* first<T>(count: number, of: Iterable<T>): Generator<T> {
  for (const item of of) {
    if (count-- <= 0) return
    yield item
  }
}

const sum = <T>(items: readonly T[], value: (item: T) => number) =>
  items.reduce((total, item) => total + value(item), 0)

test('2,000 requests over every fault: each is billed once, as the nodes’ ledgers have it', async (t) => {
  const common = { eosProbability: 0.01, cachedFraction: 0.25, jitter: 0.3 }
  await using vllm = await startSimulatedNode({ ...common, seed: 1 })
  await using sglang = await startSimulatedNode({ ...common, seed: 2, flavour: 'sglang' })
  await using plain = await startSimulatedNode({ ...common, seed: 3, flavour: 'plain' })
  const nodes = { vllm, sglang, plain }
  await using gateway = await startTestGateway()
  const tenant = await gateway.createTenant()
  const modelId = await gateway.createModel('sim', {
    price_input_per_million: 0.137,
    price_cached_input_per_million: 0.0133,
    price_output_per_million: 0.611,
  })
  await gateway.addNode('sim', 'vllm', vllm, { engine: 'vllm' })
  await gateway.addNode('sim', 'sglang', sglang, { engine: 'sglang' })
  await gateway.addNode('sim', 'plain', plain, { engine: 'openai' })
  await gateway.setRoute(modelId, {
    strategy: 'round-robin',
    first_token_timeout_ms: 5_000,
    idle_timeout_ms: 6_000,
    // Nodes that stall are slow to come back: who waits for them is served in the end, and not refused.
    queue: { max_wait_ms: 60_000 },
  })
  await gateway.live()

  using client = new LoadClient(gateway.port, tenant.key)
  const mix = { faults: 0.35, leaves: 0.25, paces: [0, 0, 1, 3], mostTokens: 60 }
  const refusing = setInterval(() => void plain.setFault({ kind: 'refuse', ms: 150 }), 1_000)
  const startedAt = performance.now()
  const views = await client
    .run(
      first(REQUESTS, planRequests('sim', SEED, mix)),
      (sent) => CONCURRENCY[Math.floor(sent / 100) % CONCURRENCY.length] ?? 1,
    )
    .finally(() => clearInterval(refusing))
  const seconds = (performance.now() - startedAt) / 1000

  // A reply without a word of attempts is a refusal: no node was asked, so there is nothing to bill. Who left without a
  // reply may have waited for a node until then.
  const refused = views.filter((view) => view.admitted === false)
  const codes = new Map<string, number>()
  for (const { text } of refused) {
    const code = /"code":"(\w+)"/.exec(text)?.[1] ?? text
    codes.set(code, (codes.get(code) ?? 0) + 1)
  }
  t.diagnostic(`refusals: ${[...codes].map(([code, times]) => `${code} ${times}`).join(', ')}`)
  const most = views.length - refused.length
  let rows = await allRows(gateway)
  await eventually('every request that was sent to a node has its usage record', async () => {
    rows = await allRows(gateway)
    const settled = await metricOf(gateway, 'crosslogic_requests_total')
    return (await metricOf(gateway, 'crosslogic_open_requests')) === 0 && rows.length === settled
  })

  const byId = new Map(rows.map((row) => [row.request_id, row]))
  const ledgers = ledgersOf(nodes)
  const faults = new Map<string, number>()
  const count = (name: string) => faults.set(name, (faults.get(name) ?? 0) + 1)
  for (const { entry } of ledgers.values()) count(entry.fault ?? 'none')
  const reported = rows.filter((row) => row.counted === 'reported')
  const written = [...ledgers.values()]
  t.diagnostic(
    `${views.length} requests in ${seconds.toFixed(1)} s, ${refused.length} refused, ${rows.length} rows; ` +
      `${views.filter(({ ended }) => ended === 'left').length} clients left, ` +
      `${views.filter(({ ended }) => ended === 'cut').length} replies cut`,
  )
  t.diagnostic(`faults: ${[...faults].map(([name, times]) => `${name} ${times}`).join(', ')}`)
  t.diagnostic(
    `${reported.length} rows reported, ${rows.length - reported.length} estimated; completion tokens billed ` +
      `${sum(rows, (row) => row.completion_tokens)}, written by nodes ${sum(written, ({ entry }) => entry.writtenTokens)}`,
  )

  assert.ok(rows.length <= most && rows.length > REQUESTS / 4, `${rows.length} rows of ${most}`)
  assert.equal(byId.size, rows.length, 'a request has two rows')
  for (const view of views) {
    if (view.admitted === true) assert.ok(byId.has(view.requestId ?? ''), `no row for ${view.requestId}`)
  }
  let late = 0
  const wrong = [...ledgers].flatMap(([requestId, attempt]) => {
    const row = byId.get(requestId)
    const fault = row === undefined ? 'no row' : faultOf(row, attempt)
    if (fault === null) return []
    if (row === undefined || !noticedLate(row, attempt)) return [JSON.stringify({ fault, row, attempt })]
    late++
    return []
  })
  t.diagnostic(`${late} nodes noticed too late that their client had left`)
  assert.equal(wrong.length, 0, wrong.slice(0, 20).join('\n'))
  assert.ok(late <= REQUESTS / 100, 'nodes do not notice that clients leave')
  for (const row of rows) {
    if (ledgers.has(row.request_id)) continue
    // No node saw it, so it cost at most the prompt of a client that had left.
    assert.equal(row.completion_tokens, 0)
    assert.ok(row.client_abort || row.cost_nanos === 0, JSON.stringify(row))
  }

  const totals = {
    requests: rows.length,
    prompt: sum(rows, (row) => row.prompt_tokens),
    completion: sum(rows, (row) => row.completion_tokens),
    cached: sum(rows, (row) => row.cached_tokens),
    cost: sum(rows, (row) => row.cost_nanos),
  }
  const usage = await call(`${gateway.url}/v1/usage`, 'GET', bearer(tenant.key), Usage)
  assert.deepEqual(
    {
      requests: usage.total_requests,
      prompt: usage.prompt_tokens,
      completion: usage.completion_tokens,
      cached: usage.cached_tokens,
      cost: Math.round(usage.total_cost_usd * 1e9),
    },
    totals,
  )
  for (const rollup of ['usage_by_minute', 'usage_by_hour']) {
    const [sums] = await gateway.query(
      `SELECT sum(requests) AS requests, sum(prompt_tokens) AS prompt, sum(completion_tokens) AS completion,` +
        ` sum(cached_tokens) AS cached, sum(cost_nanos) AS cost FROM ${rollup}`,
    )
    assert.deepEqual(sums, totals, rollup)
  }

  await eventually('nothing is left open', async () => {
    const open = await metricOf(gateway, 'crosslogic_open_requests')
    const busy = await metricOf(gateway, 'crosslogic_upstream_connections', 'state="busy"')
    const atNodes = Object.values(nodes).map((node) => node.stats())
    return open + busy + sum(atNodes, (stats) => stats.running + stats.waiting + stats.busySockets) === 0
  })
})
