import assert from 'node:assert/strict'
import { test } from 'node:test'
import { getDetailedUsage, getTenantUsage } from '../../../src/core/contract/tenant-usage.js'
import { usageCursor } from '../../../src/core/usage-cursor.js'
import { type ContractPort, refusal, startContractPort, tenantBody } from '../../support/contract-port.js'
import {
  expectedDollars,
  expectedSums,
  type GeneratedRequest,
  generatedRequests,
  groupedBy,
  seededRandom,
} from '../../support/generated-usage.js'
import { numberedId } from '../../support/spool.js'
import { freshUsageStore, recordUsage } from '../../support/usage-store.js'

const HOUR_MS = 3_600_000

async function newTenant(port: ContractPort): Promise<string> {
  const { body } = await port.send('POST', '/admin/tenants', tenantBody())
  return body['tenant']?.['id'] ?? ''
}

async function usageOf(port: ContractPort, tenantId: string, query: string) {
  const reply = await port.send('GET', `/admin/tenants/${tenantId}/usage?${query}`)
  assert.equal(reply.status, 200, `${query}: ${JSON.stringify(reply.body)}`)
  const other = await port.send('GET', `/admin/usage/${tenantId}?${query}`)
  assert.deepEqual(other.body, reply.body, 'both paths answer the same')
  assert.deepEqual(getTenantUsage.reply[200].parse(reply.body), reply.body)
  return getTenantUsage.reply[200].parse(reply.body)
}

const meanMs = (requests: readonly GeneratedRequest[]) =>
  requests.reduce((sum, { outcome }) => sum + outcome.e2eMicros, 0) / requests.length / 1000

/** The date of a time on the calendar of a zone, as another implementation has it. */
function localDate(atMs: number, timeZone: string): string {
  return new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short' }).format(atMs)
}

function monday(date: string): string {
  const at = new Date(`${date}T00:00:00Z`)
  at.setUTCDate(at.getUTCDate() - ((at.getUTCDay() + 6) % 7))
  return at.toISOString().slice(0, 10)
}

/** The begin of the clock's hour; zones of these tests are whole quarters of an hour from UTC and keep no summer time. */
function localHour(atMs: number, timeZone: string): string {
  const minute = Number(new Intl.DateTimeFormat('en', { timeZone, minute: 'numeric' }).format(atMs))
  const at = new Date(atMs - minute * 60_000)
  at.setUTCSeconds(0, 0)
  return at.toISOString()
}

test("a tenant's usage is what was generated, by model and by date of any zone, empty buckets being zeros", async () => {
  await using store = await freshUsageStore()
  await using port = await startContractPort({ clickhouseUrl: store.url })
  const tenantId = await newTenant(port)
  const requests = generatedRequests({
    count: 3000,
    startMs: Date.parse('2026-03-01T00:00:00Z'),
    endMs: Date.parse('2026-04-12T00:00:00Z'),
    tenantIds: [tenantId, numberedId(77)],
    models: ['large', 'small', 'tiny'],
    random: seededRandom(11),
  })
  await recordUsage(
    store,
    requests.map(({ row }) => row),
  )
  const own = requests.filter(({ identity }) => identity.tenantId === tenantId)

  for (const [tz, granularity, keyOf] of [
    ['UTC', 'day', (at: number) => localDate(at, 'UTC')],
    ['Asia/Kathmandu', 'day', (at: number) => localDate(at, 'Asia/Kathmandu')],
    ['America/New_York', 'day', (at: number) => localDate(at, 'America/New_York')],
    ['Europe/Berlin', 'week', (at: number) => monday(localDate(at, 'Europe/Berlin'))],
    ['Asia/Kolkata', 'month', (at: number) => `${localDate(at, 'Asia/Kolkata').slice(0, 7)}-01`],
    ['UTC', 'hour', (at: number) => localHour(at, 'UTC')],
    ['Asia/Kathmandu', 'hour', (at: number) => localHour(at, 'Asia/Kathmandu')],
  ] as const) {
    const [first, last] = ['2026-03-03', '2026-04-06']
    const inRange = own.filter(({ endedAtMs }) => {
      const date = localDate(endedAtMs, tz)
      return first <= date && date <= last
    })
    const usage = await usageOf(
      port,
      tenantId,
      `start_date=${first}&end_date=${last}&tz=${tz}&granularity=${granularity}`,
    )
    const what = `${granularity} in ${tz}`
    const { requests: total_requests, ...counts } = expectedSums(inRange)
    const { by_model, by_date, ...totals } = usage
    assert.deepEqual(
      totals,
      {
        tenant_id: tenantId,
        start_date: first,
        end_date: last,
        total_requests,
        ...counts,
        total_cost_usd: expectedDollars(inRange),
      },
      what,
    )
    const models = groupedBy(inRange, ({ identity }) => identity.model)
    assert.equal(by_model.length, models.size)
    for (const { avg_latency_ms, ...row } of by_model) {
      const used = models.get(row.model) ?? []
      assert.deepEqual(
        row,
        { model: row.model, ...expectedSums(used), cost_usd: expectedDollars(used) },
        what,
      )
      assert.ok(Math.abs(avg_latency_ms - meanMs(used)) < 1e-6, what)
    }
    const dates = groupedBy(inRange, ({ endedAtMs }) => keyOf(endedAtMs))
    for (const { avg_latency_ms, ...row } of by_date) {
      const used = dates.get(row.date) ?? []
      dates.delete(row.date)
      assert.deepEqual(row, { date: row.date, ...expectedSums(used), cost_usd: expectedDollars(used) }, what)
      if (used.length === 0) assert.equal(avg_latency_ms, null)
      else assert.ok(Math.abs((avg_latency_ms ?? 0) - meanMs(used)) < 1e-6, what)
    }
    assert.equal(dates.size, 0, `${what}: every request is in a bucket`)
    const names = by_date.map(({ date }) => date)
    assert.deepEqual(names, names.toSorted(), what)
    const expected = { day: 35, week: 6, month: 2, hour: tz === 'UTC' ? 35 * 24 : 35 * 24 }[granularity]
    assert.equal(names.length, expected, what)
  }
})

test('bounds that are times cut their buckets, and filters hold for all parts of the reply', async () => {
  await using store = await freshUsageStore()
  await using port = await startContractPort({ clickhouseUrl: store.url })
  const tenantId = await newTenant(port)
  const requests = generatedRequests({
    count: 1500,
    startMs: Date.parse('2026-05-01T00:00:00Z'),
    endMs: Date.parse('2026-05-02T00:00:00Z'),
    tenantIds: [tenantId],
    models: ['large', 'small'],
    random: seededRandom(12),
  })
  await recordUsage(
    store,
    requests.map(({ row }) => row),
  )
  const [start, end] = ['2026-05-01T09:50:10.250Z', '2026-05-01T13:07:00Z']
  const apiKeyId = numberedId(501)
  for (const [filter, keep] of [
    ['', () => true],
    ['&model=small', ({ identity }: GeneratedRequest) => identity.model === 'small'],
    [`&api_key_id=${apiKeyId}`, ({ identity }: GeneratedRequest) => identity.apiKeyId === apiKeyId],
  ] as const) {
    const used = requests.filter(
      (request) =>
        request.endedAtMs >= Date.parse(start) && request.endedAtMs < Date.parse(end) && keep(request),
    )
    const usage = await usageOf(
      port,
      tenantId,
      `start_date=${start}&end_date=${end}&granularity=hour${filter}`,
    )
    assert.equal(usage.total_requests, used.length)
    assert.ok(used.length > 0)
    const hours = groupedBy(used, ({ endedAtMs }) => Math.floor(endedAtMs / HOUR_MS))
    assert.deepEqual(
      usage.by_date.map(({ date, requests }) => [date, requests]),
      [9, 10, 11, 12, 13].map((hour) => {
        const at = Date.UTC(2026, 4, 1, hour)
        return [new Date(at).toISOString(), hours.get(at / HOUR_MS)?.length ?? 0]
      }),
    )
  }
})

test('a year can be asked for in any zone and granularity', async () => {
  await using store = await freshUsageStore()
  await using port = await startContractPort({ clickhouseUrl: store.url })
  const tenantId = await newTenant(port)
  // The last hour of the year in Nepal, a quarter past in UTC.
  const ends = { endedAtMicros: Date.parse('2024-12-31T18:14:59Z') * 1000 }
  await recordUsage(store, [[{ tenantId }, ends]])
  for (const [granularity, length, last] of [
    ['hour', 366 * 24, '2024-12-31T17:15:00.000Z'],
    ['day', 366, '2024-12-31'],
    ['week', 53, '2024-12-30'],
    ['month', 12, '2024-12-01'],
  ] as const) {
    const range = 'start_date=2024-01-01&end_date=2024-12-31&tz=Asia/Kathmandu'
    const { by_date } = await usageOf(port, tenantId.toUpperCase(), `${range}&granularity=${granularity}`)
    assert.equal(by_date.length, length)
    const [date, requests] = [by_date.at(-1)?.date, by_date.at(-1)?.requests]
    assert.deepEqual([date, requests], [last, 1])
  }
  const day = '2024-12-31'
  const far = usageCursor(
    { place: { endedAtMicros: Number.MAX_SAFE_INTEGER, requestId: numberedId(0) }, askedAtMs: Date.now() },
    [tenantId, undefined, undefined, undefined, day, day, 'UTC'],
  )
  const path = `/admin/tenants/${tenantId}/usage/detailed?start_date=${day}&end_date=${day}`
  const { status, body } = await port.send('GET', `${path}&cursor=${far}`)
  assert.deepEqual([status, body['data']?.length], [200, 1])
})

test("a deleted tenant's usage can be read, an unknown one's is a 404, ClickHouse away a 503", async () => {
  await using store = await freshUsageStore()
  await using port = await startContractPort({ clickhouseUrl: store.url })
  const tenantId = await newTenant(port)
  await recordUsage(store, [[{ tenantId }, { endedAtMicros: Date.parse('2026-05-01T00:00:00Z') * 1000 }]])
  await port.send('DELETE', `/admin/tenants/${tenantId}`)
  const range = 'start_date=2026-05-01&end_date=2026-05-01'
  assert.equal((await usageOf(port, tenantId, range)).total_requests, 1)
  const detailed = await port.send('GET', `/admin/tenants/${tenantId}/usage/detailed?${range}`)
  assert.equal(detailed.body['data']?.length, 1)

  const unknown = numberedId(5)
  for (const [path, param] of [
    [`/admin/tenants/${unknown}/usage`, 'id'],
    [`/admin/tenants/${unknown}/usage/detailed`, 'id'],
    [`/admin/usage/${unknown}`, 'tenant_id'],
  ] as const) {
    assert.deepEqual(refusal(await port.send('GET', path)), [404, 'not_found', param])
  }
  const paths = [`/admin/tenants/${tenantId}/usage`, `/admin/tenants/${tenantId}/usage/detailed`]
  for (const [query, param] of [
    ['granularity=year', 'granularity'],
    ['start_date=2026-13-01', 'start_date'],
    ['tz=Nowhere', 'tz'],
    ['limit=0', 'limit'],
    ['status=99', 'status'],
    ['status=', 'status'],
    ['cursor=abc', 'cursor'],
    ['cursor=', 'cursor'],
  ] as const) {
    const replies = await Promise.all(paths.map((path) => port.send('GET', `${path}?${query}`)))
    assert.ok(
      replies.every(({ status }) => status === 400),
      query,
    )
    assert.ok(
      replies.some(
        ({ body }) => body['error']?.['param'] === param && body['error']['code'] === 'invalid_parameter',
      ),
      query,
    )
  }

  await using away = await startContractPort()
  const other = await newTenant(away)
  const refused = await away.send('GET', `/admin/tenants/${other}/usage`)
  assert.deepEqual(refusal(refused), [503, 'overloaded', null])
})

test('usage records come page by page, each once, the latest first, also those of one instant', async () => {
  await using store = await freshUsageStore()
  await using port = await startContractPort({ clickhouseUrl: store.url })
  const tenantId = await newTenant(port)
  const startMs = Date.parse('2026-05-01T00:00:00Z')
  const requests = generatedRequests({
    count: 400,
    startMs,
    // So that many end in the same millisecond.
    endMs: startMs + 40,
    tenantIds: [tenantId, numberedId(77)],
    models: ['large', 'small'],
    random: seededRandom(13),
  })
  await recordUsage(
    store,
    requests.map(({ row }) => row),
  )
  const own = requests.filter(({ identity }) => identity.tenantId === tenantId)
  const read = async (filter: string, limit: number) => {
    const rows = []
    let cursor: string | null = null
    do {
      const next: string = cursor === null ? '' : `&cursor=${cursor}`
      const path = `/admin/tenants/${tenantId}/usage/detailed?start_date=2026-05-01&end_date=2026-05-01`
      const { status, body } = await port.send('GET', `${path}&limit=${limit}${filter}${next}`)
      assert.equal(status, 200, JSON.stringify(body))
      const page = getDetailedUsage.reply[200].parse(body)
      assert.deepEqual(page, body)
      assert.ok(page.data.length <= limit)
      rows.push(...page.data)
      cursor = page.next_cursor
    } while (cursor !== null)
    return rows
  }
  for (const limit of [7, 200]) {
    const rows = await read('', limit)
    assert.equal(rows.length, own.length)
    assert.equal(new Set(rows.map(({ request_id }) => request_id)).size, own.length)
    const times = rows.map(({ ended_at }) => ended_at)
    assert.deepEqual(times, times.toSorted().toReversed())
  }
  const filtered = await read('&model=small&status=502', 50)
  const expected = own.filter(({ identity, outcome }) => identity.model === 'small' && outcome.status === 502)
  assert.deepEqual(
    filtered.map(({ request_id }) => request_id).sort(),
    expected.map(({ identity }) => identity.requestId).sort(),
  )
  const [one] = filtered
  const made = expected.find(({ identity }) => identity.requestId === one?.request_id)
  assert.ok(one && made)
  const { identity, outcome } = made
  assert.deepEqual(one, {
    request_id: identity.requestId,
    environment_id: identity.environmentId,
    api_key_id: identity.apiKeyId,
    model_id: identity.modelId,
    model: 'small',
    node_id: outcome.nodeId,
    node: outcome.node,
    endpoint: 'chat.completions',
    stream: true,
    status: 502,
    error_code: 'upstream_error',
    client_abort: false,
    failed: true,
    attempts: 1,
    resumed: 0,
    prompt_tokens: outcome.promptTokens,
    completion_tokens: outcome.completionTokens,
    cached_tokens: outcome.cachedTokens,
    total_tokens: outcome.promptTokens + outcome.completionTokens,
    counted: 'reported',
    cost_usd: expectedDollars([made]),
    latency_ms: outcome.e2eMicros / 1000,
    ttft_ms: outcome.ttftMicros === null ? null : outcome.ttftMicros / 1000,
    itl_ms: 20,
    overhead_ms: 0.3,
    started_at: new Date(Math.floor(identity.startedAtMicros / 1000)).toISOString(),
    ended_at: new Date(made.endedAtMs).toISOString(),
  })
})
