import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { getDeployment, listDeployments } from '../../../src/core/contract/deployments.js'
import { getNode, listNodes } from '../../../src/core/contract/nodes.js'
import { getPlatformMetrics } from '../../../src/core/contract/platform-metrics.js'
import { NOTHING_SPENT, shownCost } from '../../../src/core/node-cost.js'
import { loadQuery } from '../../../src/io/postgres.js'
import { rowsOf } from '../../../src/io/query.js'
import { type ContractPort, modelBody, nodeBody, startContractPort } from '../../support/contract-port.js'
import { insertCostingNode } from '../../support/costing-node.js'
import { seededRandom } from '../../support/generated-usage.js'
import { numberedId } from '../../support/spool.js'
import { freshUsageStore, recordUsage } from '../../support/usage-store.js'

const HOUR_MS = 3_600_000

const COSTS = loadQuery('node-costs')
const CostRow = z.object({
  node_id: z.string(),
  seconds: z.number(),
  unpriced_seconds: z.number(),
  cost_nanos: z.string(),
})

async function newModel(port: ContractPort): Promise<{ id: string; name: string }> {
  const { body } = await port.send('POST', '/admin/models', modelBody())
  return { id: body['id'] ?? '', name: body['name'] ?? '' }
}

async function newDeployment(port: ContractPort, model: { name: string }): Promise<string> {
  const body = { model_name: model.name, provider: 'local', node_count: 0 }
  return (await port.send('POST', '/admin/deployments', body)).body['id'] ?? ''
}

test('a node costs its price of the time, from when it was asked for until its machine is gone', async () => {
  await using port = await startContractPort()
  const { postgres } = port.database
  const { id: modelId } = await newModel(port)
  const random = seededRandom(77)
  const below = (limit: number) => Math.floor(random() * limit)
  const startMs = Date.UTC(2026, 0, 1)
  const at = (ms: number) => new Date(startMs + ms)
  const expected = new Map<string, { seconds: number; unpriced: number; nanos: number }>()
  const windowMs = { from: 40 * HOUR_MS, to: 90 * HOUR_MS }
  for (let i = 0; i < 60; i++) {
    const since = below(100 * HOUR_MS)
    const until = below(3) === 0 ? null : since + below(50 * HOUR_MS)
    const changes = Array.from({ length: below(4) }, () => since + 1 + below(60 * HOUR_MS)).sort(
      (a, b) => a - b,
    )
    const prices = [0, ...changes].map(() => (below(4) === 0 ? null : below(9_000_000)))
    const { id } = await insertCostingNode(postgres, {
      modelId,
      launcher: below(2) === 0 ? 'static' : 'local',
      priceMicros: prices[0] ?? null,
      since: at(since),
      until: until === null ? null : at(until),
    })
    for (const [j, change] of changes.entries()) {
      await postgres.query(
        `INSERT INTO node_prices VALUES ($1, $2, $3, 'catalogue')
         ON CONFLICT (node_id, from_at) DO UPDATE SET price_per_hour_micros = excluded.price_per_hour_micros`,
        [id, at(change), prices[j + 1]],
      )
    }
    const begin = Math.max(since, windowMs.from)
    const end = Math.min(until ?? Infinity, windowMs.to)
    if (end <= begin) continue
    const sum = { seconds: (end - begin) / 1000, unpriced: 0, nanos: 0 }
    for (const [j, from] of [since, ...changes].entries()) {
      const seconds = (Math.min(changes[j] ?? Infinity, end) - Math.max(from, begin)) / 1000
      if (seconds <= 0) continue
      const price = prices[j] ?? null
      if (price === null) sum.unpriced += seconds
      else sum.nanos += (seconds * price * 1000) / 3600
    }
    expected.set(id, sum)
  }
  const rows = await rowsOf(postgres, COSTS, CostRow, [at(windowMs.from), at(windowMs.to), null, null])
  assert.deepEqual(rows.map(({ node_id }) => node_id).sort(), [...expected.keys()].sort())
  assert.ok(rows.length > 20)
  for (const row of rows) {
    const { seconds, unpriced, nanos } = expected.get(row.node_id) ?? {}
    assert.ok(Math.abs(row.seconds - (seconds ?? NaN)) < 1e-6)
    assert.ok(
      Math.abs(row.unpriced_seconds - (unpriced ?? NaN)) < 1e-6,
      `${row.unpriced_seconds} ${unpriced}`,
    )
    assert.ok(Math.abs(Number(row.cost_nanos) - (nanos ?? NaN)) <= 1, `${row.cost_nanos} ${nanos}`)
  }
})

test('a launched node costs nothing before its machine is asked for, and goes on until that is gone', async () => {
  await using port = await startContractPort()
  const { postgres } = port.database
  const { id: modelId } = await newModel(port)
  const since = new Date(Date.now() - 2 * HOUR_MS)
  const common = { modelId, launcher: 'skypilot', priceMicros: 1_000_000, since } as const
  const planned = await insertCostingNode(postgres, { ...common, status: 'launching' })
  await postgres.query('UPDATE nodes SET launch_asked_at = NULL WHERE id = $1', [planned.id])
  const failed = await insertCostingNode(postgres, { ...common, status: 'failed' })
  const costOf = async (name: string) => {
    const { body } = await port.send('GET', `/admin/nodes/${name}`)
    return getNode.reply[200].parse(body).cost
  }
  assert.deepEqual(await costOf(planned.name), shownCost(NOTHING_SPENT))
  assert.ok((await costOf(failed.name)).hours >= 2)
  await postgres.query('UPDATE nodes SET machine_gone_at = $2 WHERE id = $1', [
    failed.id,
    new Date(since.getTime() + HOUR_MS),
  ])
  const { hours, usd } = await costOf(failed.name)
  assert.deepEqual([hours, usd], [1, 1])
})

test('nodes, deployments, models and the platform agree on cost, tokens and idle share', async () => {
  await using store = await freshUsageStore()
  await using port = await startContractPort({ clickhouseUrl: store.url })
  const { postgres } = port.database
  const models = [await newModel(port), await newModel(port)]
  const deployments = [await newDeployment(port, models[0] ?? { name: '' }), null]
  const random = seededRandom(5)
  const below = (limit: number) => Math.floor(random() * limit)
  // All of it is over, so that the figures do not move while they are read.
  const nowMs = Date.now()
  const at = (hoursAgo: number) => new Date(nowMs - hoursAgo * HOUR_MS)
  const nodes: { id: string; name: string; model: string; deployment: string | null; hours: number }[] = []
  for (let i = 0; i < 12; i++) {
    const model = models[i % 2]
    assert.ok(model)
    const deployment = i % 2 === 0 ? (deployments[(i / 2) % 2] ?? null) : null
    const hours = 1 + below(15_000_000) / 1e6
    const node = await insertCostingNode(postgres, {
      modelId: model.id,
      deploymentId: deployment,
      launcher: i % 3 === 0 ? 'static' : 'local',
      priceMicros: 100_000 + below(5_000_000),
      since: at(hours + 1),
      until: at(1),
    })
    nodes.push({ ...node, model: model.name, deployment, hours })
  }
  const busy = new Map<string, Set<number>>()
  const tokens = new Map<string, number>()
  const requests = nodes.flatMap(({ id, name, model, hours }) =>
    Array.from({ length: 40 }, () => {
      const endedAtMs = nowMs - HOUR_MS - below(Math.floor(hours * HOUR_MS))
      const startedAtMs = endedAtMs - below(below(10) === 0 ? 600_000 : 5_000)
      const promptTokens = 1 + below(5_000)
      const completionTokens = below(2_000)
      const seconds = busy.get(id) ?? new Set<number>()
      busy.set(id, seconds)
      for (let s = Math.floor(startedAtMs / 1000); s <= Math.floor(endedAtMs / 1000); s++) seconds.add(s)
      tokens.set(id, (tokens.get(id) ?? 0) + promptTokens + completionTokens)
      return [
        { model, startedAtMicros: startedAtMs * 1000 },
        {
          nodeId: id,
          node: name,
          promptTokens,
          cachedTokens: 0,
          completionTokens,
          endedAtMicros: endedAtMs * 1000,
        },
      ] as const
    }),
  )
  // In two batches: what is of the same minute is merged.
  await recordUsage(
    store,
    requests.filter((_, i) => i % 2 === 0),
  )
  await recordUsage(
    store,
    requests.filter((_, i) => i % 2 === 1),
  )

  const shown = listNodes.reply[200].parse((await port.send('GET', '/admin/nodes?limit=5')).body)
  const rest = listNodes.reply[200].parse((await port.send('GET', '/admin/nodes?limit=200&offset=5')).body)
  const rows = [...shown.data, ...rest.data]
  assert.equal(rows.length, nodes.length)
  for (const { id, hours, name } of nodes) {
    const cost = rows.find((row) => row.id === id)?.cost
    assert.ok(cost)
    const { body } = await port.send('GET', `/admin/nodes/${name}`)
    assert.deepEqual(getNode.reply[200].parse(body).cost, cost)
    assert.ok(Math.abs(cost.hours - hours) < 1e-5)
    assert.equal(cost.unpriced_hours, 0)
    assert.equal(cost.tokens, tokens.get(id))
    assert.ok(Math.abs((cost.usd_per_million_tokens ?? NaN) - (cost.usd / (cost.tokens ?? NaN)) * 1e6) < 1e-6)
    const idle = Math.max(0, 1 - (busy.get(id)?.size ?? NaN) / (cost.hours * 3600))
    assert.ok(Math.abs((cost.idle_share ?? NaN) - idle) < 1e-9, `${cost.idle_share} ${idle}`)
  }

  const sumOf = (some: typeof rows, figure: 'hours' | 'usd' | 'tokens') =>
    some.reduce((sum, { cost }) => sum + (cost[figure] ?? NaN), 0)
  const close = (a: number, b: number) => {
    assert.ok(Math.abs(a - b) < 1e-8, `${a}, not ${b}`)
  }
  const [deployment] = deployments
  const { cost } = getDeployment.reply[200].parse(
    (await port.send('GET', `/admin/deployments/${deployment}`)).body,
  )
  const its = rows.filter(({ deployment_id }) => deployment_id === deployment)
  assert.ok(its.length > 1 && its.length < rows.length)
  for (const figure of ['hours', 'usd', 'tokens'] as const) close(cost[figure] ?? NaN, sumOf(its, figure))
  const listed = listDeployments.reply[200].parse((await port.send('GET', '/admin/deployments')).body)
  assert.deepEqual(
    listed.data.map((row) => row.cost),
    [cost],
  )

  const metrics = getPlatformMetrics.reply[200].parse(
    (await port.send('GET', '/admin/platform/metrics?period=24h')).body,
  )
  close(metrics.node_cost_usd, sumOf(rows, 'usd'))
  assert.equal(metrics.unpriced_nodes, 0)
  assert.equal(metrics.total_tokens, sumOf(rows, 'tokens'))
  assert.equal(metrics.by_model.length, 2)
  for (const rank of metrics.by_model) {
    const serving = rows.filter(({ model_name }) => model_name === rank.model)
    const usd = sumOf(serving, 'usd')
    close(rank.node_cost_usd, usd)
    close(rank.usd_per_million_tokens ?? NaN, (usd / sumOf(serving, 'tokens')) * 1e6)
    assert.ok(rank.idle_share !== null && rank.idle_share > 0 && rank.idle_share < 1)
  }
})

test('a second is busy once, however many requests it had; a request of days keeps its last day busy', async () => {
  await using store = await freshUsageStore()
  // A day that is kept still, from its begin on.
  const day = Math.floor(Date.now() / (24 * HOUR_MS) - 1) * 24 * HOUR_MS
  const request = (node: string, fromMs: number, toMs: number) =>
    [
      { startedAtMicros: (day + fromMs) * 1000 },
      { nodeId: node, endedAtMicros: (day + toMs) * 1000 },
    ] as const
  const [short, across, long, backwards] = [1, 2, 3, 4].map((n) => numberedId(9000 + n))
  assert.ok(short && across && long && backwards)
  await recordUsage(store, [
    request(short, 100, 900),
    request(short, 500, 2_500),
    request(across, 59_999, 60_000),
    request(long, -3 * 24 * HOUR_MS, 0),
    // A clock that was set back.
    request(backwards, 10_000, 5_000),
  ])
  const rows = await store.rows(
    `SELECT toString(node_id) AS node, sum(bitCount(busy)) AS busy, max(bucket) - min(bucket) AS span,
       sum(requests) AS requests
     FROM (SELECT node_id, bucket, groupBitOr(busy) AS busy, sum(requests) AS requests FROM usage_by_node
       GROUP BY node_id, bucket)
     GROUP BY node ORDER BY node`,
  )
  assert.deepEqual(
    rows.map(({ node, busy, span, requests }) => [node, busy, span, requests]),
    [
      [short, 3, 0, 2],
      [across, 2, 60, 1],
      [long, 86_401, 86_400, 1],
      [backwards, 1, 0, 1],
    ],
  )
})

test('a node without a price has hours and tokens, and no dollars for them', async () => {
  await using store = await freshUsageStore()
  await using port = await startContractPort({ clickhouseUrl: store.url })
  const { id: modelId } = await newModel(port)
  const node = await insertCostingNode(port.database.postgres, {
    modelId,
    priceMicros: null,
    since: new Date(Date.now() - 3 * HOUR_MS),
    until: new Date(Date.now() - HOUR_MS),
  })
  await recordUsage(store, [[{}, { nodeId: node.id }]])
  const { body } = await port.send('GET', `/admin/nodes/${node.name}`)
  const { idle_share, ...cost } = getNode.reply[200].parse(body).cost
  assert.deepEqual(cost, { hours: 2, unpriced_hours: 2, usd: 0, tokens: 150, usd_per_million_tokens: null })
  assert.ok(idle_share !== null && idle_share > 0.99)
})

test('without ClickHouse nodes and deployments are shown all the same, with what is known of their cost', async () => {
  await using port = await startContractPort()
  const model = await newModel(port)
  const registered = nodeBody(model.name, { price_per_hour: 2 })
  assert.equal((await port.send('POST', '/admin/nodes', registered)).status, 201)
  const deploymentId = await newDeployment(port, model)
  await insertCostingNode(port.database.postgres, {
    modelId: model.id,
    deploymentId,
    launcher: 'local',
    priceMicros: 1_500_000,
    since: new Date(Date.now() - 3 * HOUR_MS),
    until: new Date(Date.now() - HOUR_MS),
  })
  const { body } = await port.send('GET', '/admin/nodes?status=active')
  const [row] = listNodes.reply[200].parse(body).data
  assert.ok(row && row.cost.hours > 0)
  const { tokens, usd_per_million_tokens, idle_share } = row.cost
  assert.deepEqual([tokens, usd_per_million_tokens, idle_share], [null, null, null])
  const deployment = await port.send('GET', `/admin/deployments/${deploymentId}`)
  assert.deepEqual(getDeployment.reply[200].parse(deployment.body).cost, {
    hours: 2,
    unpriced_hours: 0,
    usd: 3,
    tokens: null,
    usd_per_million_tokens: null,
    idle_share: null,
  })
  assert.deepEqual(port.failures, [])
})
