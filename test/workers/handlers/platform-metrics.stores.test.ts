import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pool } from 'pg'
import { getPlatformMetrics } from '../../../src/core/contract/platform-metrics.js'
import {
  type ContractPort,
  modelBody,
  refusal,
  startContractPort,
  tenantBody,
} from '../../support/contract-port.js'
import {
  expectedDollars,
  expectedSums,
  type GeneratedRequest,
  generatedRequests,
  groupedBy,
  seededRandom,
} from '../../support/generated-usage.js'
import { PLATFORM_TENANT_ID } from '../../../src/core/usage-record.js'
import { numberedId, TENANT_ID } from '../../support/spool.js'
import { freshUsageStore, recordUsage } from '../../support/usage-store.js'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const STEP_MS = { '1h': 60_000, '24h': HOUR_MS, '7d': HOUR_MS, '30d': DAY_MS } as const
const LENGTH_MS = { '1h': HOUR_MS, '24h': DAY_MS, '7d': 7 * DAY_MS, '30d': 30 * DAY_MS } as const

async function metricsOf(port: ContractPort, period: keyof typeof STEP_MS) {
  const { status, body } = await port.send('GET', `/admin/platform/metrics?period=${period}`)
  assert.equal(status, 200, JSON.stringify(body))
  assert.deepEqual(getPlatformMetrics.reply[200].parse(body), body)
  return getPlatformMetrics.reply[200].parse(body)
}

interface Latencies {
  readonly avg_latency_ms: number | null
  readonly p50_latency_ms: number | null
  readonly p95_latency_ms: number | null
  readonly p99_latency_ms: number | null
  readonly avg_ttft_ms: number | null
  readonly p50_ttft_ms: number | null
  readonly p95_ttft_ms: number | null
  readonly p99_ttft_ms: number | null
}

function assertLatencies(shown: Latencies, requests: readonly GeneratedRequest[]): void {
  const latencies = requests.map(({ outcome }) => outcome.e2eMicros)
  const ttfts = requests.flatMap(({ outcome }) => (outcome.ttftMicros === null ? [] : [outcome.ttftMicros]))
  assertQuantiles(latencies, shown.avg_latency_ms, [
    [0.5, shown.p50_latency_ms],
    [0.95, shown.p95_latency_ms],
    [0.99, shown.p99_latency_ms],
  ])
  assertQuantiles(ttfts, shown.avg_ttft_ms, [
    [0.5, shown.p50_ttft_ms],
    [0.95, shown.p95_ttft_ms],
    [0.99, shown.p99_ttft_ms],
  ])
}

function assertQuantiles(
  micros: readonly number[],
  mean: number | null,
  quantiles: readonly (readonly [number, number | null])[],
): void {
  if (micros.length === 0) {
    assert.deepEqual([mean, ...quantiles.map(([, shown]) => shown)], [null, null, null, null])
    return
  }
  const sorted = micros.toSorted((a, b) => a - b)
  const exactMean = micros.reduce((sum, value) => sum + value, 0) / micros.length / 1000
  assert.ok(Math.abs((mean ?? NaN) - exactMean) <= exactMean * 1e-9)
  for (const [quantile, shown] of quantiles) {
    const exact = (sorted[Math.ceil(quantile * sorted.length) - 1] ?? 0) / 1000
    assert.ok(Math.abs((shown ?? NaN) - exact) <= exact * 0.02, `${quantile}: ${shown}, exactly ${exact}`)
  }
}

interface NodeOfTest {
  readonly status: string
  /** Hours before now. */
  readonly since: number
  readonly until: number | null
  readonly pricePerHour: number | null
}

const NODES: readonly NodeOfTest[] = [
  { status: 'active', since: 24 * 100, until: null, pricePerHour: 2.5 },
  { status: 'draining', since: 0.25, until: null, pricePerHour: 1.333333 },
  { status: 'terminated', since: 24 * 3, until: 20, pricePerHour: 4 },
  { status: 'failed', since: 24 * 20, until: 24 * 10, pricePerHour: 0.4 },
  { status: 'terminated', since: 24 * 90, until: 24 * 60, pricePerHour: 99 },
  { status: 'active', since: 2, until: null, pricePerHour: null },
]

async function addNodes(postgres: Pool, modelId: string, nowMs: number): Promise<void> {
  const at = (hoursAgo: number) => new Date(nowMs - hoursAgo * HOUR_MS)
  for (const [i, { status, since, until, pricePerHour }] of NODES.entries()) {
    await postgres.query(
      `INSERT INTO nodes (id, cluster_name, model_id, provider, endpoint_url, upstream_model, engine, status,
         price_per_hour_micros, created_at, status_changed_at)
       VALUES ($1, $2, $3, 'local', 'http://127.0.0.1:1', 'm', 'vllm', $4, $5, $6, $7)`,
      [
        numberedId(700 + i),
        `node-${i}`,
        modelId,
        status,
        pricePerHour === null ? null : Math.round(pricePerHour * 1e6),
        at(since),
        at(until ?? since),
      ],
    )
  }
}

test('every figure of every period is what was generated', async () => {
  await using store = await freshUsageStore()
  await using port = await startContractPort({ clickhouseUrl: store.url })
  const tenants: { id: string; name: string }[] = []
  for (let i = 0; i < 13; i++) {
    const { body } = await port.send('POST', '/admin/tenants', tenantBody({ name: `Tenant ${i}` }))
    tenants.push({ id: body['tenant']?.['id'] ?? '', name: `Tenant ${i}` })
  }
  const quiet = await port.send('POST', '/admin/tenants', tenantBody({ name: 'Quiet' }))
  assert.equal(quiet.status, 201)
  // A tenant that is deleted keeps its place in what was earned.
  await port.send('DELETE', `/admin/tenants/${tenants[0]?.id}`)
  const { body: model } = await port.send('POST', '/admin/models', modelBody())
  const nowMs = Date.now()
  await addNodes(port.database.postgres, model['id'] ?? '', nowMs)
  await port.database.postgres.query(
    `INSERT INTO deployments (id, model_id, provider, target_node_count, status)
     VALUES ($1, $3, 'local', 1, 'active'), ($2, $3, 'local', 1, 'terminated')`,
    [numberedId(801), numberedId(802), model['id']],
  )
  const generate = (count: number, fromMs: number, toMs: number, seed: number) =>
    generatedRequests({
      count,
      startMs: nowMs - fromMs,
      endMs: nowMs - toMs,
      tenantIds: tenants.map(({ id }) => id),
      models: Array.from({ length: 12 }, (_, i) => `model-${i}`),
      random: seededRandom(seed),
    })
  const requests = [
    ...generate(4000, 33 * DAY_MS, 0, 21),
    ...generate(2000, 26 * HOUR_MS, 0, 22),
    ...generate(1500, 1.2 * HOUR_MS, 0, 23),
  ]
  await recordUsage(
    store,
    requests.map(({ row }) => row),
  )

  for (const period of ['1h', '24h', '7d', '30d'] as const) {
    const { start, end, series, by_model, by_tenant, mirrored, ...metrics } = await metricsOf(port, period)
    const stepMs = STEP_MS[period]
    const startMs = Date.parse(start)
    const endMs = Date.parse(end)
    assert.equal(startMs % stepMs, 0)
    assert.ok(endMs - startMs >= LENGTH_MS[period] && endMs - startMs < LENGTH_MS[period] + stepMs, period)
    assert.ok(endMs >= nowMs && endMs < nowMs + 60_000)
    const used = requests.filter(({ endedAtMs }) => endedAtMs >= startMs)
    const seconds = (endMs - startMs) / 1000

    const { requests: total_requests, ...counts } = expectedSums(used)
    const { total_revenue_usd, node_cost_usd, margin_usd, ...rest } = metrics
    const { requests_per_second, ...others } = rest
    const { total_tenants, active_tenants, total_nodes, total_deployments, unpriced_nodes, ...numbers } =
      others
    const {
      avg_latency_ms,
      p50_latency_ms,
      p95_latency_ms,
      p99_latency_ms,
      avg_ttft_ms,
      p50_ttft_ms,
      p95_ttft_ms,
      p99_ttft_ms,
      ...sums
    } = numbers
    assert.deepEqual(sums, { period, total_requests, ...counts })
    assert.equal(mirrored.requests, 0)
    assertLatencies(metrics, used)
    assert.ok(
      [avg_latency_ms, p50_latency_ms, p95_latency_ms, p99_latency_ms].every((value) => value !== null) &&
        [avg_ttft_ms, p50_ttft_ms, p95_ttft_ms, p99_ttft_ms].every((value) => value !== null),
    )
    assert.equal(requests_per_second, used.length / seconds)
    assert.deepEqual(
      [total_tenants, active_tenants, total_nodes, total_deployments, unpriced_nodes],
      [13, new Set(used.map(({ identity }) => identity.tenantId)).size, 3, 1, 1],
    )

    assert.equal(total_revenue_usd, expectedDollars(used))
    const nodeCost = NODES.reduce((sum, { since, until, pricePerHour }) => {
      const from = Math.max(startMs, nowMs - since * HOUR_MS)
      const to = until === null ? endMs : nowMs - until * HOUR_MS
      return sum + (Math.max(0, to - from) / HOUR_MS) * (pricePerHour ?? 0)
    }, 0)
    assert.ok(Math.abs(node_cost_usd - nodeCost) < 1e-8, `${node_cost_usd}, exactly ${nodeCost}`)
    assert.ok(Math.abs(margin_usd - (total_revenue_usd - node_cost_usd)) < 1e-8)

    const rank = (groups: Map<string, GeneratedRequest[]>) =>
      [...groups]
        .map(([name, group]) => ({ name, ...expectedSums(group), revenue_usd: expectedDollars(group) }))
        .sort((a, b) => b.revenue_usd - a.revenue_usd)
        .slice(0, 10)
    const models = groupedBy(used, ({ identity }) => identity.model)
    assert.deepEqual(
      by_model.map((rank) => {
        const {
          model,
          avg_latency_ms: mean,
          node_cost_usd: cost,
          usd_per_million_tokens,
          idle_share,
          ...row
        } = rank
        // None of the nodes serves these.
        assert.deepEqual([cost, usd_per_million_tokens, idle_share], [0, null, null])
        assertQuantiles(
          (models.get(model) ?? []).map(({ outcome }) => outcome.e2eMicros),
          mean,
          [],
        )
        return { name: model, ...row }
      }),
      rank(models),
    )
    const byTenant = groupedBy(used, ({ identity }) => identity.tenantId)
    assert.deepEqual(
      by_tenant.map(({ tenant_id, tenant_name, avg_latency_ms: mean, ...row }) => {
        assert.equal(tenant_name, tenants.find(({ id }) => id === tenant_id)?.name)
        assertQuantiles(
          (byTenant.get(tenant_id) ?? []).map(({ outcome }) => outcome.e2eMicros),
          mean,
          [],
        )
        return { name: tenant_id, ...row }
      }),
      rank(byTenant),
    )

    const points = groupedBy(used, ({ endedAtMs }) => Math.floor(endedAtMs / stepMs) * stepMs)
    assert.equal(series.length, Math.ceil((endMs - startMs) / stepMs))
    for (const [i, point] of series.entries()) {
      const at = startMs + i * stepMs
      assert.equal(point.time, new Date(at).toISOString())
      const group = points.get(at) ?? []
      const {
        requests: count,
        failed_requests,
        prompt_tokens,
        completion_tokens,
        cached_tokens,
        total_tokens,
      } = point
      assert.deepEqual(
        { requests: count, failed_requests, prompt_tokens, completion_tokens, cached_tokens, total_tokens },
        expectedSums(group),
      )
      assert.equal(point.revenue_usd, expectedDollars(group))
      const length = (Math.min(at + stepMs, endMs) - at) / 1000
      assert.equal(point.requests_per_second, group.length / length)
      assertLatencies(point, group)
    }
  }
})

test('with nothing used there are zeros, nulls and a full series', async () => {
  await using store = await freshUsageStore()
  await using port = await startContractPort({ clickhouseUrl: store.url })
  const metrics = await metricsOf(port, '1h')
  assert.ok(metrics.series.length >= 60 && metrics.series.length <= 61)
  assert.ok(metrics.series.every(({ requests, avg_latency_ms }) => requests === 0 && avg_latency_ms === null))
  assert.deepEqual(
    [metrics.total_requests, metrics.total_revenue_usd, metrics.node_cost_usd, metrics.margin_usd],
    [0, 0, 0, 0],
  )
  assert.deepEqual([metrics.active_tenants, metrics.by_model, metrics.by_tenant], [0, [], []])
  assert.equal(metrics.p99_ttft_ms, null)
  const bad = await port.send('GET', '/admin/platform/metrics?period=1y')
  assert.deepEqual(refusal(bad), [400, 'invalid_parameter', 'period'])
})

test('what the platform asks for itself is no revenue and no tenant: it stands beside the rest', async () => {
  await using store = await freshUsageStore()
  await using port = await startContractPort({ clickhouseUrl: store.url })
  await recordUsage(store, [
    [{}, {}],
    [
      {
        tenantId: PLATFORM_TENANT_ID,
        environmentId: PLATFORM_TENANT_ID,
        apiKeyId: PLATFORM_TENANT_ID,
        model: 'canary',
      },
      { promptTokens: 1000, cachedTokens: 0, completionTokens: 100 },
    ],
  ])
  const metrics = await metricsOf(port, '1h')
  assert.deepEqual(metrics.mirrored, {
    requests: 1,
    failed_requests: 0,
    prompt_tokens: 1000,
    completion_tokens: 100,
    cached_tokens: 0,
    total_tokens: 1100,
    cost_usd: 0.00021,
  })
  assert.deepEqual(
    [metrics.total_requests, metrics.total_revenue_usd, metrics.active_tenants],
    [1, 0.0000435, 1],
  )
  assert.equal(
    metrics.series.reduce((sum, { requests }) => sum + requests, 0),
    1,
  )
  assert.deepEqual(
    metrics.by_tenant.map(({ tenant_id }) => tenant_id),
    [TENANT_ID],
  )
  assert.deepEqual(
    metrics.by_model.map(({ model }) => model),
    ['llama-3.1-8b-instruct'],
  )
  const bill = await port.send('GET', `/admin/tenants/${PLATFORM_TENANT_ID}/usage`)
  assert.deepEqual(refusal(bill), [404, 'not_found', 'id'])
})

test('no period needs the records: with those gone, the figures stay', async () => {
  await using store = await freshUsageStore()
  await using port = await startContractPort({ clickhouseUrl: store.url })
  await recordUsage(store, [[{}, {}]])
  const read = async () => {
    const counts: number[] = []
    for (const period of ['1h', '24h', '7d', '30d'] as const) {
      counts.push((await metricsOf(port, period)).total_requests)
    }
    return counts
  }
  assert.deepEqual(await read(), [1, 1, 1, 1])
  await store.clickhouse.command({ query: 'TRUNCATE TABLE usage_records' })
  assert.deepEqual(await read(), [1, 1, 1, 1])
})

test('without ClickHouse the metrics are a 503', async () => {
  await using port = await startContractPort()
  const refused = await port.send('GET', '/admin/platform/metrics')
  assert.deepEqual(refusal(refused), [503, 'overloaded', null])
})
