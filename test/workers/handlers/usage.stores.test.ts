import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { UsageIdentity } from '../../../src/core/usage-record.js'
import { getLatency } from '../../../src/core/contract/metrics.js'
import { getUsage, getUsageByDate, getUsageByKey, getUsageByModel } from '../../../src/core/contract/usage.js'
import { numberedId } from '../../support/spool.js'
import { startTenantPort } from '../../support/tenant-port.js'
import { recordUsage, type UsageRow } from '../../support/usage-store.js'

const at = (time: string) => ({ endedAtMicros: Date.parse(time) * 1000 })
const ONE = { promptTokens: 100, cachedTokens: 20, completionTokens: 50, e2eMicros: 1_000_000 }
/** (80 × 0.15 + 20 × 0.075 + 50 × 0.6) dollars ÷ 1,000,000 */
const ONE_COST = 0.0000435

test('usage is summed in a range, by model and in all, for the caller alone', async () => {
  await using port = await startTenantPort()
  const small: Partial<UsageIdentity> = { model: 'small', modelId: numberedId(40) }
  await recordUsage(port.store, [
    [{}, { ...ONE, ...at('2026-05-01T00:00:00Z') }],
    [{}, { ...ONE, e2eMicros: 3_000_000, ...at('2026-05-02T23:59:59.999Z') }],
    [small, { ...ONE, ...at('2026-05-02T12:00:00Z'), status: 502, errorCode: 'upstream_error' }],
    [
      small,
      { ...ONE, ...at('2026-05-02T12:00:01Z'), status: 499, errorCode: 'client_closed', clientAbort: true },
    ],
    [small, { ...ONE, ...at('2026-05-02T12:00:02Z'), status: 200, errorCode: 'idle_timeout' }],
    [small, { ...ONE, ...at('2026-05-02T12:00:03Z'), status: 400, errorCode: 'invalid_parameter' }],
    [{}, { ...ONE, ...at('2026-04-30T23:59:59.999Z') }],
    [{}, { ...ONE, ...at('2026-05-03T00:00:00Z') }],
    [{ tenantId: numberedId(99) }, { ...ONE, ...at('2026-05-02T00:00:00Z') }],
  ])
  const { status, body } = await port.get('/v1/usage?start_date=2026-05-01&end_date=2026-05-02')
  assert.equal(status, 200)
  assert.deepEqual(getUsage.reply[200].parse(body), body)
  const { by_model, ...totals } = body
  assert.deepEqual(totals, {
    start_date: '2026-05-01',
    end_date: '2026-05-02',
    total_requests: 6,
    failed_requests: 2,
    prompt_tokens: 600,
    completion_tokens: 300,
    cached_tokens: 120,
    total_tokens: 900,
    total_cost_usd: 0.000261,
  })
  const rows = [
    {
      model: 'small',
      requests: 4,
      failed_requests: 2,
      prompt_tokens: 400,
      completion_tokens: 200,
      cached_tokens: 80,
      total_tokens: 600,
      cost_usd: 4 * ONE_COST,
      avg_latency_ms: 1000,
    },
    {
      model: 'llama-3.1-8b-instruct',
      requests: 2,
      failed_requests: 0,
      prompt_tokens: 200,
      completion_tokens: 100,
      cached_tokens: 40,
      total_tokens: 300,
      cost_usd: 2 * ONE_COST,
      avg_latency_ms: 2000,
    },
  ]
  assert.deepEqual(by_model, rows)
  const byModel = await port.get('/v1/usage/by-model?start_date=2026-05-01&end_date=2026-05-02')
  assert.deepEqual(getUsageByModel.reply[200].parse(byModel.body), { data: rows })
})

test('bounds that are no whole hours are exact, whatever the zone', async () => {
  await using port = await startTenantPort()
  const rows: UsageRow[] = []
  const start = Date.parse('2026-05-01T00:00:00Z')
  for (let minute = 0; minute < 48 * 60; minute += 7) {
    rows.push([{}, { ...ONE, endedAtMicros: (start + minute * 60_000) * 1000 }])
  }
  await recordUsage(port.store, rows)
  const total = async (range: string) => {
    const { status, body } = await port.get(`/v1/usage?${range}`)
    assert.equal(status, 200, JSON.stringify(body))
    return body['total_requests']
  }
  const between = (from: string, to: string) =>
    rows.filter(([, { endedAtMicros = 0 }]) => {
      return endedAtMicros >= Date.parse(from) * 1000 && endedAtMicros < Date.parse(to) * 1000
    }).length
  for (const [from, to] of [
    ['2026-05-01T00:00:00Z', '2026-05-02T00:00:00Z'],
    ['2026-05-01T10:20:00Z', '2026-05-01T10:40:00Z'],
    ['2026-05-01T10:59:00Z', '2026-05-01T11:01:00Z'],
    ['2026-05-01T10:20:30Z', '2026-05-02T17:49:00.500Z'],
    ['2026-05-01T10:20:30Z', '2026-05-01T10:20:30Z'],
  ] as const) {
    assert.equal(await total(`start_date=${from}&end_date=${to}`), between(from, to), `${from} to ${to}`)
  }
  assert.equal(
    await total('start_date=2026-05-02&end_date=2026-05-02&tz=Asia/Kathmandu'),
    between('2026-05-01T18:15:00Z', '2026-05-02T18:15:00Z'),
  )
})

test('usage is filtered by model and by key', async () => {
  await using port = await startTenantPort()
  const tomorrow = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10)
  await port.addKeys([3, 33].map((number) => ({ id: numberedId(number), name: `key ${number}` })))
  await recordUsage(port.store, [
    [{}, ONE],
    [{ model: 'small' }, ONE],
    [{ model: 'small', apiKeyId: numberedId(33) }, ONE],
  ])
  const total = async (filter: string) =>
    (await port.get(`/v1/usage?end_date=${tomorrow}&${filter}`)).body['total_requests']
  assert.equal(await total(''), 3)
  assert.equal(await total('model=small'), 2)
  assert.equal(await total(`api_key_id=${numberedId(33)}`), 1)
  assert.equal(await total(`api_key_id=${numberedId(33)}&model=llama-3.1-8b-instruct`), 0)
  assert.equal(await total('model=unknown'), 0)
})

test('usage by key names each key, revoked ones as well, and adds up to all of it', async () => {
  await using port = await startTenantPort()
  await port.addKeys([
    { id: numberedId(31), name: 'ci' },
    { id: numberedId(32), name: 'old', revoked: true },
  ])
  await recordUsage(port.store, [
    [{ apiKeyId: numberedId(31) }, { ...ONE, ...at('2026-05-01T00:00:00Z') }],
    [{ apiKeyId: numberedId(31) }, { ...ONE, ...at('2026-05-01T12:00:00Z'), status: 502 }],
    [
      { apiKeyId: numberedId(32), model: 'small' },
      { ...ONE, ...at('2026-05-02T00:00:00Z') },
    ],
    [{ apiKeyId: numberedId(33) }, { ...ONE, ...at('2026-05-02T00:00:00Z') }],
  ])
  const { status, body } = await port.get('/v1/usage/by-key?start_date=2026-05-01&end_date=2026-05-02')
  assert.equal(status, 200)
  const { data } = getUsageByKey.reply[200].parse(body)
  assert.deepEqual(body, { data })
  assert.deepEqual(
    data.map((row) => [row.api_key_id, row.api_key_name, row.requests, row.failed_requests, row.cost_usd]),
    [
      [numberedId(31), 'ci', 2, 1, 2 * ONE_COST],
      [numberedId(32), 'old', 1, 0, ONE_COST],
      [numberedId(33), null, 1, 0, ONE_COST],
    ],
  )
})

test('a key of another tenant is a 404 like one that never was, on every route that takes one', async () => {
  await using port = await startTenantPort()
  await port.addKeys([{ id: numberedId(31), name: 'own', revoked: true }])
  await port.addKeys([{ id: numberedId(41), name: 'theirs' }], numberedId(99))
  await recordUsage(port.store, [[{ tenantId: numberedId(99), apiKeyId: numberedId(41) }, ONE]])
  for (const route of ['', '/by-model', '/by-key', '/by-date', '/detailed', '/export']) {
    const ask = (key: string) => port.download(`/v1/usage${route}?api_key_id=${key}`)
    assert.equal((await ask(numberedId(31))).status, 200, route)
    const [theirs, nobodys] = await Promise.all([ask(numberedId(41)), ask(numberedId(42))])
    assert.deepEqual([theirs.status, nobodys.status], [404, 404], route)
    const text = theirs.bytes.toString()
    assert.equal(text.replaceAll(numberedId(41), numberedId(42)), nobodys.bytes.toString())
    const { error } = JSON.parse(text) as { error: Record<string, unknown> }
    assert.deepEqual([error['code'], error['param']], ['not_found', 'api_key_id'], route)
  }
})

test('usage by date has every stretch of the calendar, also where the clock moves and hours begin at half past', async () => {
  await using port = await startTenantPort()
  await recordUsage(port.store, [
    [{}, { ...ONE, ...at('2026-03-28T22:59:59.999Z') }],
    [{}, { ...ONE, ...at('2026-03-28T23:00:00Z') }],
    [{}, { ...ONE, ...at('2026-03-29T21:59:59.999Z') }],
    [{}, { ...ONE, ...at('2026-03-29T22:00:00Z') }],
  ])
  const dates = async (query: string) => {
    const { status, body } = await port.get(`/v1/usage/by-date?${query}`)
    assert.equal(status, 200, JSON.stringify(body))
    const { data } = getUsageByDate.reply[200].parse(body)
    assert.deepEqual(body, { data })
    return data
  }
  const berlin = 'start_date=2026-03-28&end_date=2026-03-30&tz=Europe/Berlin'
  assert.deepEqual(
    (await dates(berlin)).map(({ date, requests, avg_latency_ms }) => [date, requests, avg_latency_ms]),
    [
      ['2026-03-28', 1, 1000],
      ['2026-03-29', 2, 1000],
      ['2026-03-30', 1, 1000],
    ],
  )
  // A day of 23 hours.
  assert.equal((await dates(`${berlin}&granularity=hour`)).length, 71)
  const halves = await dates('start_date=2026-03-29&end_date=2026-03-29&tz=Asia/Kolkata&granularity=hour')
  assert.deepEqual(
    halves.filter(({ requests }) => requests > 0).map(({ date, requests }) => [date, requests]),
    // 22:59:59.999 and 23:00 UTC are 4:29 and 4:30 there: the same hour of its clock.
    [['2026-03-28T22:30:00.000Z', 2]],
  )
  const year = 'start_date=2024-01-01&end_date=2024-12-31&granularity=hour'
  assert.equal((await dates(year)).length, 8_784)
})

test('a model is found by its alias too, and by a name that it has no more', async () => {
  await using port = await startTenantPort()
  const { postgres } = port.database
  const id = crypto.randomUUID()
  await postgres.query(
    `INSERT INTO models (id, name, family, type, context_length, vram_required_gb, price_input_micros,
       price_output_micros) VALUES ($1, 'small', 'f', 'chat', 1, 1, 1, 1)`,
    [id],
  )
  await postgres.query(
    `INSERT INTO model_names (name, model_id, is_alias) VALUES ('small', $1, false), ('tiny', $1, true)`,
    [id],
  )
  const justNow = { endedAtMicros: (Date.now() - 60_000) * 1000 }
  await recordUsage(port.store, [
    [{ model: 'small' }, { ...ONE, ...justNow }],
    [{ model: 'other' }, { ...ONE, ...justNow }],
    [{ model: 'gone' }, { ...ONE, ...justNow }],
  ])
  const tomorrow = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10)
  for (const [asked, found] of [
    ['tiny', 'small'],
    ['small', 'small'],
    ['gone', 'gone'],
  ]) {
    for (const path of [`/v1/usage/by-model?end_date=${tomorrow}&`, '/v1/metrics/latency?']) {
      const { body } = await port.get(`${path}model=${asked}`)
      const models = (body['data'] as { model: string; requests: number }[]).map(({ model }) => model)
      assert.deepEqual(models, [found], path)
    }
    const { body } = await port.get(`/v1/usage?end_date=${tomorrow}&model=${asked}`)
    assert.equal(body['total_requests'], 1)
  }
})

test('without any use there are zeros and empty lists', async () => {
  await using port = await startTenantPort()
  const usage = await port.get('/v1/usage?start_date=2026-05-01&end_date=2026-05-02')
  assert.deepEqual(usage, {
    status: 200,
    body: {
      start_date: '2026-05-01',
      end_date: '2026-05-02',
      total_requests: 0,
      failed_requests: 0,
      prompt_tokens: 0,
      completion_tokens: 0,
      cached_tokens: 0,
      total_tokens: 0,
      total_cost_usd: 0,
      by_model: [],
    },
  })
  assert.deepEqual((await port.get('/v1/usage/by-model')).body, { data: [] })
  assert.deepEqual((await port.get('/v1/metrics/latency')).body, { data: [] })
  for (const year of ['1970', '9999']) {
    assert.equal(
      (await port.get(`/v1/usage?start_date=${year}-01-01&end_date=${year}-12-31`)).status,
      200,
      year,
    )
  }
})

test('a bad parameter is refused by name', async () => {
  await using port = await startTenantPort()
  for (const [query, param, code] of [
    ['/v1/usage?start_date=yesterday', 'start_date', 'invalid_parameter'],
    ['/v1/usage?end_date=0000-01-01', 'end_date', 'invalid_parameter'],
    ['/v1/usage?start_date=2026-02-30', 'start_date', 'invalid_parameter'],
    ['/v1/usage?end_date=2026-05-01T00:00:00', 'end_date', 'invalid_parameter'],
    ['/v1/usage?start_date=2026-05-02&end_date=2026-05-01', 'start_date', 'invalid_parameter'],
    ['/v1/usage?start_date=2024-05-02&end_date=2026-05-01', 'start_date', 'invalid_parameter'],
    ['/v1/usage?tz=Mars/Olympus', 'tz', 'invalid_parameter'],
    ['/v1/usage?api_key_id=1', 'api_key_id', 'invalid_parameter'],
    ['/v1/usage?model=', 'model', 'invalid_parameter'],
    ['/v1/usage/by-model?limit=5', 'limit', 'unknown_parameter'],
    ['/v1/metrics/latency?period=1y', 'period', 'invalid_parameter'],
    ['/v1/usage/by-date?granularity=year', 'granularity', 'invalid_parameter'],
    ['/v1/usage/by-date?granularity=', 'granularity', 'invalid_parameter'],
    ['/v1/usage/by-key?start_date=2026-05-02&end_date=2026-05-01', 'start_date', 'invalid_parameter'],
    ['/v1/usage/by-key?tz=UTC&tz=UTC', 'tz', 'invalid_parameter'],
    ['/v1/usage/by-key?granularity=day', 'granularity', 'unknown_parameter'],
    ['/v1/usage/detailed?limit=0', 'limit', 'invalid_parameter'],
    ['/v1/usage/detailed?limit=-1', 'limit', 'invalid_parameter'],
    ['/v1/usage/detailed?limit=201', 'limit', 'invalid_parameter'],
    ['/v1/usage/detailed?limit=ten', 'limit', 'invalid_parameter'],
    ['/v1/usage/detailed?cursor=abc', 'cursor', 'invalid_parameter'],
    ['/v1/usage/detailed?status=200', 'status', 'unknown_parameter'],
    ['/v1/usage/export?format=xlsx', 'format', 'invalid_parameter'],
    ['/v1/usage/export?limit=5', 'limit', 'unknown_parameter'],
    ['/v1/usage/export?start_date=2024-05-02&end_date=2026-05-01', 'start_date', 'invalid_parameter'],
    ['/v1/metrics/throughput?period=2h', 'period', 'invalid_parameter'],
    ['/v1/metrics/performance?period=', 'period', 'invalid_parameter'],
    ['/v1/metrics/tokens?api_key_id=1', 'api_key_id', 'unknown_parameter'],
    ["/v1/metrics/latency?model=x'%20OR%201=1", 'model', 'invalid_parameter'],
  ] as const) {
    const { status, body } = await port.get(query)
    assert.equal(status, 400, query)
    const error = body['error'] as Record<string, unknown>
    assert.deepEqual([error['param'], error['code']], [param, code], query)
  }
})

test('percentiles of every latency are within 2% of the exact ones', async () => {
  await using port = await startTenantPort()
  // Log-normal, as latencies are, by a generator with a seed.
  let seed = 7
  const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647
  const normal = () => Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random())
  const series = { latency: [] as number[], ttft: [] as number[], itl: [] as number[] }
  const draw = (into: number[], median: number) => {
    const value = Math.round(median * Math.exp(normal()))
    into.push(value)
    return value
  }
  const ended = (Date.now() - 60_000) * 1000
  const rows: UsageRow[] = Array.from({ length: 20_000 }, (_, i) => [
    {},
    {
      endedAtMicros: ended - i * 1000,
      e2eMicros: draw(series.latency, 2_000_000),
      ttftMicros: i % 4 === 0 ? null : draw(series.ttft, 80_000),
      itlMicros: i % 4 <= 1 ? null : draw(series.itl, 9_000),
    },
  ])
  rows.push([{ model: 'silent' }, { endedAtMicros: ended, ttftMicros: null, itlMicros: null, e2eMicros: 0 }])
  await recordUsage(port.store, rows)
  for (const period of ['1h', '24h', '7d', '30d']) {
    const { status, body } = await port.get(`/v1/metrics/latency?period=${period}`)
    assert.equal(status, 200)
    const { data } = getLatency.reply[200].parse(body)
    const [model, silent] = data
    assert.ok(model !== undefined && silent !== undefined && data.length === 2)
    assert.equal(model.requests, 20_000)
    for (const [name, values] of Object.entries(series)) {
      const sorted = values.toSorted((a, b) => a - b)
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length
      near(model, `avg_${name}_ms`, mean / 1000, 1e-9)
      for (const percent of [50, 95, 99]) {
        const exact = sorted[Math.ceil((percent / 100) * sorted.length) - 1] ?? 0
        near(model, `p${percent}_${name}_ms`, exact / 1000, 0.02)
      }
    }
    assert.equal(silent.model, 'silent')
    assert.equal(silent.avg_latency_ms, 0)
    assert.equal(silent.p50_ttft_ms, null)
    assert.equal(silent.avg_itl_ms, null)
  }
  const one = await port.get('/v1/metrics/latency?model=silent')
  assert.equal((one.body['data'] as unknown[]).length, 1)
})

function near(row: Record<string, unknown>, name: string, exact: number, tolerance: number): void {
  const value = row[name]
  assert.ok(
    typeof value === 'number' && Math.abs(value - exact) <= exact * tolerance,
    `${name} is ${String(value)}, exactly ${exact}`,
  )
}
