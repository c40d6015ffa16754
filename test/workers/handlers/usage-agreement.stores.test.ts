import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { seededRandom } from '../../support/generated-usage.js'
import { numberedId, TENANT_ID } from '../../support/spool.js'
import { startTenantPort, type TenantPort } from '../../support/tenant-port.js'
import { temporaryFolder } from '../../support/temporary-folder.js'
import { insertVaried, type VariedRequest, variedRequests } from '../../support/varied-usage.js'

/** Every route that tells of usage tells the same of the same requests: to the token and the nano-dollar. */

/** What requests come to. Dollars of replies are JSON numbers: exact in nano-dollars below eight million. */
const SUMS = [
  'requests',
  'failed_requests',
  'prompt_tokens',
  'completion_tokens',
  'cached_tokens',
  'total_tokens',
] as const
type Sums = Record<(typeof SUMS)[number] | 'cost_nanos', bigint>

const Row = z.looseObject({
  requests: z.number().optional(),
  total_requests: z.number().optional(),
  cost_usd: z.number().optional(),
  total_cost_usd: z.number().optional(),
})

const nanosOf = (dollars: number) => BigInt(dollars.toFixed(9).replace('.', ''))

function sumsOfRow(input: unknown): Sums {
  const row = Row.parse(input)
  const integer = (value: unknown) => BigInt(z.number().int().parse(value))
  const dollars = row.total_cost_usd ?? z.number().parse(row.cost_usd)
  assert.ok(dollars < 8e6, 'a JSON number holds these dollars to the nano-dollar')
  return {
    requests: integer(row.total_requests ?? row.requests),
    failed_requests: integer(row['failed_requests']),
    prompt_tokens: integer(row['prompt_tokens']),
    completion_tokens: integer(row['completion_tokens']),
    cached_tokens: integer(row['cached_tokens']),
    total_tokens: integer(row['total_tokens']),
    cost_nanos: nanosOf(dollars),
  }
}

const NOTHING: Sums = {
  requests: 0n,
  failed_requests: 0n,
  prompt_tokens: 0n,
  completion_tokens: 0n,
  cached_tokens: 0n,
  total_tokens: 0n,
  cost_nanos: 0n,
}

function added(rows: readonly Sums[]): Sums {
  const total = { ...NOTHING }
  for (const row of rows) for (const name of [...SUMS, 'cost_nanos'] as const) total[name] += row[name]
  return total
}

const Rows = z.object({ data: z.array(z.unknown()) })
const rowsOf = (body: unknown) => added(Rows.parse(body).data.map(sumsOfRow))

/** A record as replies show it, or as a line of an export, as sums of one request. */
function sumsOfRecord(record: Record<string, unknown>, costNanos: bigint): Sums {
  const integer = (name: string) => BigInt(z.union([z.number(), z.string()]).parse(record[name]))
  return {
    requests: 1n,
    failed_requests: String(record['failed']) === 'true' ? 1n : 0n,
    prompt_tokens: integer('prompt_tokens'),
    completion_tokens: integer('completion_tokens'),
    cached_tokens: integer('cached_tokens'),
    total_tokens: integer('total_tokens'),
    cost_nanos: costNanos,
  }
}

const Record_ = z.record(z.string(), z.unknown())
const jsonRecord = (input: unknown) => {
  const record = Record_.parse(input)
  return sumsOfRecord(record, nanosOf(z.number().parse(record['cost_usd'])))
}

/** Where the requests lie: the clocks of Europe go forward within. */
const START = Date.parse('2026-03-26T00:00:00Z')
const END = Date.parse('2026-03-31T00:00:00Z')
const CUT = ['2026-03-27T09:50:10.250Z', '2026-03-30T13:07:00Z'] as const
const MINUTE = ['2026-03-28T11:59:30Z', '2026-03-28T12:00:30Z'] as const
const BORDERS = [
  ...CUT,
  ...MINUTE,
  '2026-03-28T12:00:00Z',
  '2026-03-28T18:15:00Z',
  '2026-03-29T01:00:00Z',
].map((time) => Date.parse(time) * 1000)
const KEYS = [numberedId(501), numberedId(502), numberedId(503)]
const OTHER = { id: numberedId(77), keyIds: [numberedId(511)] }

const CALENDARS = [
  ['UTC', 'hour'],
  ['UTC', 'day'],
  ['Europe/Berlin', 'hour'],
  ['Europe/Berlin', 'day'],
  ['Asia/Kathmandu', 'day'],
  ['Asia/Kolkata', 'hour'],
  ['Australia/Lord_Howe', 'week'],
  ['America/New_York', 'month'],
] as const

async function ask(port: TenantPort, path: string, tenantId: string) {
  const { status, body } = await port.get(path, tenantId)
  assert.equal(status, 200, `${path}: ${JSON.stringify(body)}`)
  return body
}

/** Every way to ask, with what it says. `lists`: also exports in every format, and `pages` page by page. */
async function* answers(port: TenantPort, tenantId: string, query: string, also: 'lists' | 'pages' | null) {
  const usage = await ask(port, `/v1/usage?${query}`, tenantId)
  yield ['/v1/usage', sumsOfRow(usage)] as const
  yield ['/v1/usage by_model', rowsOf({ data: usage['by_model'] })] as const
  yield ['by-model', rowsOf(await ask(port, `/v1/usage/by-model?${query}`, tenantId))] as const
  yield ['by-key', rowsOf(await ask(port, `/v1/usage/by-key?${query}`, tenantId))] as const
  for (const [tz, granularity] of CALENDARS) {
    const what = `${query}&tz=${tz}&granularity=${granularity}`
    const byDate = await ask(port, `/v1/usage/by-date?${what}`, tenantId)
    yield [`by-date ${granularity} ${tz}`, rowsOf(byDate)] as const
    const admin = await ask(port, `/admin/tenants/${tenantId}/usage?${what}`, tenantId)
    yield [`admin ${granularity} ${tz}`, sumsOfRow(admin)] as const
    yield [`admin by_model`, rowsOf({ data: admin['by_model'] })] as const
    assert.deepEqual(admin['by_date'], byDate['data'], `${granularity} in ${tz}`)
  }
  yield ['parquet', await parquetSums(port, await exported(port, tenantId, query, 'parquet'))] as const
  if (also === null) return
  yield ['csv', added(csvRecords(await exported(port, tenantId, query, 'csv')))] as const
  const lines = (await exported(port, tenantId, query, 'ndjson')).toString().split('\n').slice(0, -1)
  yield ['ndjson', added(lines.map((line) => jsonRecord(JSON.parse(line))))] as const
  if (also === 'lists') return
  for (const route of ['/v1/usage/detailed', `/admin/tenants/${tenantId}/usage/detailed`]) {
    const records: Sums[] = []
    for (let cursor: unknown = ''; typeof cursor === 'string';) {
      const next = cursor === '' ? '' : `&cursor=${cursor}`
      const page = await ask(port, `${route}?limit=200&${query}${next}`, tenantId)
      records.push(...Rows.parse(page).data.map(jsonRecord))
      cursor = page['next_cursor']
    }
    yield [route, added(records)] as const
  }
}

async function exported(port: TenantPort, tenantId: string, query: string, format: string): Promise<Buffer> {
  const { status, bytes } = await port.download(`/v1/usage/export?format=${format}&${query}`, tenantId)
  assert.equal(status, 200)
  return bytes
}

/** No cell of these exports needs quotes. */
function csvRecords(bytes: Buffer): Sums[] {
  const [header = '', ...lines] = bytes.toString().split('\r\n').slice(0, -1)
  const names = header.split(',')
  return lines.map((line) => {
    const cells = line.split(',')
    const record = Object.fromEntries(names.map((name, i) => [name, cells[i]]))
    return sumsOfRecord(record, BigInt(z.string().parse(record['cost_usd']).replace('.', '')))
  })
}

const SqlSums = z.object(
  Object.fromEntries([...SUMS, 'cost_nanos'].map((name) => [name, z.string().transform(BigInt)])),
)

async function sqlSums(port: TenantPort, from: string, total: string, nanos: string): Promise<Sums> {
  const sum = (name: string) => `sum(r.${name})`
  const values = ['count()', 'countIf(r.failed)', sum('prompt_tokens'), sum('completion_tokens')]
  values.push(sum('cached_tokens'), total, nanos)
  const named = [...SUMS, 'cost_nanos'].map((name, i) => `toString(${values[i]}) AS ${name}`)
  const [row] = await port.store.rows(`SELECT ${named.join(', ')} FROM ${from} AS r`)
  return { ...NOTHING, ...SqlSums.parse(row) }
}

/** ClickHouse reads the file. */
async function parquetSums(port: TenantPort, bytes: Buffer): Promise<Sums> {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'usage.parquet')
  await writeFile(path, bytes)
  return await sqlSums(
    port,
    `file('${path}', 'Parquet')`,
    'sum(r.total_tokens)',
    'toInt128(sum(r.cost_usd) * 1000000000)',
  )
}

test('100,000 requests of every kind come to the same on every route, over any range', async (t) => {
  await using port = await startTenantPort()
  await port.addKeys(KEYS.map((id, i) => ({ id, name: `key ${i}`, revoked: i === 2 })))
  await port.addKeys([{ id: numberedId(511), name: 'other' }], OTHER.id)
  const requests = variedRequests({
    count: 100_000,
    startMicros: START * 1000,
    endMicros: END * 1000,
    borders: BORDERS,
    tenants: [...Array.from({ length: 19 }, () => ({ id: TENANT_ID, keyIds: KEYS })), OTHER],
    models: ['large', 'small', 'embedder'],
    random: seededRandom(5),
  })
  await insertVaried(port.store, requests)

  const expected = (kept: readonly VariedRequest[]): Sums =>
    added(
      kept.map(({ outcome, failed, costNanos }) => ({
        requests: 1n,
        failed_requests: failed ? 1n : 0n,
        prompt_tokens: BigInt(outcome.promptTokens),
        completion_tokens: BigInt(outcome.completionTokens),
        cached_tokens: BigInt(outcome.cachedTokens),
        total_tokens: BigInt(outcome.promptTokens + outcome.completionTokens),
        cost_nanos: costNanos,
      })),
    )
  const whole = [new Date(START).toISOString(), new Date(END).toISOString()] as const
  const key = KEYS[2] ?? ''
  let compared = 0
  for (const [tenantId, [from, to], filter, also] of [
    [TENANT_ID, whole, '', null],
    [TENANT_ID, CUT, '', null],
    [TENANT_ID, MINUTE, '', 'pages'],
    [TENANT_ID, CUT, '&model=small', 'lists'],
    [TENANT_ID, CUT, `&api_key_id=${key}`, null],
    [OTHER.id, whole, '', 'pages'],
  ] as const) {
    const kept = requests.filter(
      ({ identity, outcome }) =>
        identity.tenantId === tenantId &&
        outcome.endedAtMicros >= Date.parse(from) * 1000 &&
        outcome.endedAtMicros < Date.parse(to) * 1000 &&
        (!filter.includes('model') || identity.model === 'small') &&
        (!filter.includes('api_key_id') || identity.apiKeyId === key),
    )
    const sums = expected(kept)
    assert.ok(sums.requests > 10n, 'there is something to compare')
    const where = [
      `tenant_id = '${tenantId}'`,
      `ended_at >= fromUnixTimestamp64Milli(${Date.parse(from)})`,
      `ended_at < fromUnixTimestamp64Milli(${Date.parse(to)})`,
      ...(filter.includes('model') ? ["model = 'small'"] : []),
      ...(filter.includes('api_key_id') ? [`api_key_id = '${key}'`] : []),
    ]
    const raw = `(SELECT *, failed FROM usage_records WHERE ${where.join(' AND ')})`
    assert.deepEqual(
      await sqlSums(port, raw, 'sum(r.prompt_tokens) + sum(r.completion_tokens)', 'sum(r.cost_nanos)'),
      sums,
      'the raw table',
    )
    const query = `start_date=${from}&end_date=${to}${filter}`
    for await (const [route, told] of answers(port, tenantId, query, also)) {
      assert.deepEqual(told, sums, `${route} from ${from} to ${to}${filter}`)
      compared++
    }
    t.diagnostic(`${from} to ${to}${filter}: ${sums.requests} requests, ${sums.cost_nanos} nano-dollars`)
  }
  t.diagnostic(`${compared} answers compared`)
})
