import assert from 'node:assert/strict'
import { test } from 'node:test'
import { getPerformance, getThroughput, getTokenMetrics } from '../../../src/core/contract/metrics.js'
import type { UsageOutcome } from '../../../src/core/usage-record.js'
import { seededRandom } from '../../support/generated-usage.js'
import { numberedId, TENANT_ID } from '../../support/spool.js'
import { startTenantPort } from '../../support/tenant-port.js'
import { recordUsage, type UsageRow } from '../../support/usage-store.js'
import { insertVaried, type VariedRequest, variedRequests } from '../../support/varied-usage.js'

const PERIODS = [
  ['1h', 3_600, 60],
  ['24h', 86_400, 900],
  ['7d', 7 * 86_400, 3_600],
  ['30d', 30 * 86_400, 21_600],
] as const

/** Requests of the last five minutes, well within every period. */
function recent(count: number): VariedRequest[] {
  const nowMicros = Date.now() * 1000
  return variedRequests({
    count,
    startMicros: nowMicros - 300_000_000,
    endMicros: nowMicros - 1_000_000,
    borders: [],
    tenants: [{ id: TENANT_ID, keyIds: [numberedId(3)] }],
    models: ['large', 'small'],
    random: seededRandom(9),
  })
}

const sum = (requests: readonly VariedRequest[], of: (outcome: UsageOutcome) => number) =>
  requests.reduce((total, { outcome }) => total + of(outcome), 0)

const near = (value: number | null, exact: number, what: string) => {
  assert.ok(
    value !== null && Math.abs(value - exact) <= Math.abs(exact) * 1e-9,
    `${what}: ${value}, exactly ${exact}`,
  )
}

test('tokens by model are those of the requests', async () => {
  await using port = await startTenantPort()
  const requests = recent(500)
  await insertVaried(port.store, requests)
  for (const [period] of PERIODS) {
    const { status, body } = await port.get(`/v1/metrics/tokens?period=${period}`)
    assert.equal(status, 200)
    const { data } = getTokenMetrics.reply[200].parse(body)
    assert.equal(data.length, 2)
    for (const row of data) {
      const own = requests.filter(({ identity }) => identity.model === row.model)
      const input = sum(own, ({ promptTokens }) => promptTokens)
      const output = sum(own, ({ completionTokens }) => completionTokens)
      assert.deepEqual(
        [row.requests, row.input_tokens, row.output_tokens, row.total_tokens, row.cached_tokens],
        [own.length, input, output, input + output, sum(own, ({ cachedTokens }) => cachedTokens)],
      )
      near(row.avg_tokens_per_request, (input + output) / own.length, 'tokens per request')
      const seconds = sum(own, ({ e2eMicros }) => e2eMicros) / 1e6
      near(row.output_tokens_per_second, output / seconds, 'tokens per second')
    }
  }
  const one = await port.get('/v1/metrics/tokens?model=small')
  assert.deepEqual(
    getTokenMetrics.reply[200].parse(one.body).data.map(({ model }) => model),
    ['small'],
  )
})

test('throughput over time adds up to the requests, in all and by model, with a point for every step', async () => {
  await using port = await startTenantPort()
  const requests = recent(500)
  await insertVaried(port.store, requests)
  const tokens = sum(requests, ({ promptTokens, completionTokens }) => promptTokens + completionTokens)
  for (const [period, seconds, step] of PERIODS) {
    const { status, body } = await port.get(`/v1/metrics/throughput?period=${period}`)
    assert.equal(status, 200)
    const reply = getThroughput.reply[200].parse(body)
    assert.deepEqual(reply, body)
    assert.equal(reply.step_seconds, step)
    const [start, end] = [Date.parse(reply.start), Date.parse(reply.end)]
    assert.equal(start % (step * 1000), 0)
    assert.ok(end - start >= seconds * 1000 && end - start <= (seconds + step) * 1000)
    for (const { series } of [reply, ...reply.by_model]) {
      assert.deepEqual(
        series.map(({ at }) => Date.parse(at)),
        Array.from({ length: Math.ceil((end - start) / (step * 1000)) }, (_, i) => start + i * step * 1000),
      )
      const lasting = (i: number) => (Math.min(start + (i + 1) * step * 1000, end) - start) / 1000 - i * step
      for (const [i, point] of series.entries()) {
        near(point.requests_per_second, point.requests / lasting(i), 'requests per second')
      }
      if (series === reply.series) {
        const total = series.reduce((all, point, i) => all + point.tokens_per_second * lasting(i), 0)
        assert.ok(Math.abs(total - tokens) < tokens * 1e-6, `${total} tokens in ${period}, exactly ${tokens}`)
      }
    }
    const counted = (series: { requests: number }[]) => series.reduce((all, point) => all + point.requests, 0)
    assert.equal(counted(reply.series), requests.length)
    for (const { model, requests: of, series } of reply.by_model) {
      const own = requests.filter(({ identity }) => identity.model === model)
      assert.deepEqual([of, counted(series)], [own.length, own.length])
    }
  }
})

test('rates tell how requests ended', async () => {
  await using port = await startTenantPort()
  const justNow = { endedAtMicros: (Date.now() - 60_000) * 1000 }
  const outcomes: Partial<UsageOutcome>[] = [
    {},
    {},
    { attempts: 2 },
    { attempts: 2, resumed: 1 },
    { status: 502, errorCode: 'upstream_error', attempts: 2 },
    { status: 504, errorCode: 'first_token_timeout' },
    { status: 200, errorCode: 'idle_timeout' },
    { status: 200, errorCode: 'client_closed', clientAbort: true },
    { status: 400, errorCode: 'invalid_parameter' },
    {},
  ]
  await recordUsage(
    port.store,
    outcomes.map((outcome): UsageRow => [{}, { ...outcome, ...justNow }]),
  )
  for (const [period] of PERIODS) {
    const { status, body } = await port.get(`/v1/metrics/performance?period=${period}`)
    assert.equal(status, 200)
    assert.deepEqual(getPerformance.reply[200].parse(body).data, [
      {
        model: 'llama-3.1-8b-instruct',
        requests: 10,
        success_rate: 0.5,
        failure_rate: 0.3,
        timeout_rate: 0.2,
        abort_rate: 0.1,
        retry_rate: 0.3,
        resume_rate: 0.1,
      },
    ])
  }
})

test('requests from before an outcome was counted are in no rate of it', async () => {
  await using port = await startTenantPort()
  const { store } = port
  const hour = Math.floor(Date.now() / 3_600_000) * 3_600 - 3_600
  // As the rollup held them before: none of the later columns.
  await store.clickhouse.command({
    query: `INSERT INTO usage_by_hour (tenant_id, bucket, model, requests, failed_requests)
      VALUES ('${TENANT_ID}', toDateTime(${hour}), 'old', 4, 1), ('${TENANT_ID}', toDateTime(${hour}), 'mixed', 4, 1)`,
  })
  const request = (outcome: Partial<UsageOutcome>): UsageRow => [
    { model: 'mixed' },
    { ...outcome, endedAtMicros: hour * 1e6 },
  ]
  await recordUsage(store, [request({}), request({ status: 504, errorCode: 'first_token_timeout' })])
  const { body } = await port.get('/v1/metrics/performance?period=7d')
  const [mixed, old] = getPerformance.reply[200].parse(body).data
  assert.deepEqual(
    [mixed?.requests, mixed?.success_rate, mixed?.timeout_rate, mixed?.failure_rate],
    [6, 0.5, 0.5, 2 / 6],
  )
  assert.deepEqual(
    [old?.requests, old?.success_rate, old?.retry_rate, old?.failure_rate],
    [4, null, null, 0.25],
  )
})

test('without any use there are no rows, and a series of zeros', async () => {
  await using port = await startTenantPort()
  assert.deepEqual((await port.get('/v1/metrics/tokens')).body, { data: [] })
  assert.deepEqual((await port.get('/v1/metrics/performance')).body, { data: [] })
  const { body } = await port.get('/v1/metrics/throughput?period=1h')
  const { series, by_model } = getThroughput.reply[200].parse(body)
  assert.deepEqual(by_model, [])
  assert.ok(series.length >= 60 && series.every(({ requests }) => requests === 0))
})
