import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { OwnUsageRecord } from '../../../src/core/contract/usage-records.js'
import { seededRandom } from '../../support/generated-usage.js'
import { numberedId, TENANT_ID } from '../../support/spool.js'
import { startTenantPort, type TenantPort } from '../../support/tenant-port.js'
import { temporaryFolder } from '../../support/temporary-folder.js'
import { recordUsage, type UsageRow } from '../../support/usage-store.js'
import { insertVaried, variedRequests } from '../../support/varied-usage.js'

const KEY = numberedId(3)
const RANGE = 'start_date=2026-05-01&end_date=2026-05-31'
const START = Date.parse('2026-05-01T00:00:00Z') * 1000
const END = Date.parse('2026-06-01T00:00:00Z') * 1000

async function fill(port: TenantPort, count: number): Promise<void> {
  await port.addKeys([{ id: KEY, name: 'ci' }])
  const plan = { startMicros: START, endMicros: END, borders: [], models: ['large', 'small'] }
  const tenants = [{ id: TENANT_ID, keyIds: [KEY] }]
  await insertVaried(port.store, variedRequests({ ...plan, count, tenants, random: seededRandom(3) }))
}

async function records(port: TenantPort, query = RANGE): Promise<z.infer<typeof OwnUsageRecord>[]> {
  const all = []
  for (let cursor: string | null = ''; cursor !== null;) {
    const next: string = cursor === '' ? '' : `&cursor=${cursor}`
    const { status, body } = await port.get(`/v1/usage/detailed?limit=200&${query}${next}`)
    assert.equal(status, 200, JSON.stringify(body))
    const page = z.strictObject({
      data: z.array(OwnUsageRecord.strict()),
      next_cursor: z.string().nullable(),
    })
    const { data, next_cursor } = page.parse(body)
    all.push(...data)
    cursor = next_cursor
  }
  return all
}

/** The rows that ClickHouse reads out of a Parquet file, and the columns that it finds there. */
async function readParquet(port: TenantPort, bytes: Buffer) {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'usage.parquet')
  await writeFile(path, bytes)
  const columns = await port.store.rows(`DESCRIBE file('${path}', 'Parquet')`)
  const rows = await port.store.rows(
    `SELECT * REPLACE (toDecimalString(cost_usd, 9) AS cost_usd, toUnixTimestamp64Micro(started_at) AS started_at,
       toUnixTimestamp64Micro(ended_at) AS ended_at) FROM file('${path}', 'Parquet')`,
  )
  return { columns: columns.map(({ name, type }) => [name, type]), rows }
}

test('an export has every record with every field, the latest first, whatever its format', async () => {
  await using port = await startTenantPort()
  await fill(port, 1_500)
  const expected = await records(port)
  assert.equal(expected.length, 1_500)
  const exact = await port.store.rows(
    `SELECT request_id, toString(cost_nanos) AS cost, toUnixTimestamp64Micro(started_at) AS started_at,
       toUnixTimestamp64Micro(ended_at) AS ended_at FROM usage_records ORDER BY usage_records.ended_at DESC, request_id DESC`,
  )

  const ndjson = await port.download(`/v1/usage/export?format=ndjson&${RANGE}`)
  assert.equal(ndjson.headers.get('content-type'), 'application/x-ndjson')
  assert.equal(ndjson.headers.get('content-disposition'), 'attachment; filename="usage.ndjson"')
  const lines = ndjson.bytes.toString().split('\n')
  assert.equal(lines.pop(), '')
  assert.deepEqual(
    lines.map((line) => JSON.parse(line) as unknown),
    expected,
  )

  const csv = await port.download(`/v1/usage/export?${RANGE}`)
  assert.equal(csv.headers.get('content-type'), 'text/csv; charset=utf-8; header=present')
  assert.equal(csv.headers.get('content-disposition'), 'attachment; filename="usage.csv"')
  const [header = '', ...cells] = csv.bytes.toString().split('\r\n')
  assert.equal(cells.pop(), '')
  const names = header.split(',')
  assert.deepEqual(names.toSorted(), Object.keys(OwnUsageRecord.shape).sort())
  const decimal = (nanos: unknown) =>
    String(nanos)
      .padStart(10, '0')
      .replace(/(.{9})$/, '.$1')
  assert.deepEqual(
    cells.map((line) => line.split(',')),
    expected.map((record, i) => {
      const shown: Record<string, string | number | boolean | null> = {
        ...record,
        cost_usd: decimal(exact[i]?.['cost']),
      }
      return names.map((name) => String(shown[name] ?? ''))
    }),
  )

  const parquet = await port.download(`/v1/usage/export?format=parquet&${RANGE}`)
  assert.equal(parquet.headers.get('content-type'), 'application/vnd.apache.parquet')
  assert.equal(parquet.headers.get('content-disposition'), 'attachment; filename="usage.parquet"')
  const { columns, rows } = await readParquet(port, parquet.bytes)
  assert.deepEqual(
    columns.map(([name]) => name),
    names,
  )
  const types = new Map(columns.map(([name, type]) => [name, type]))
  assert.equal(types.get('cost_usd'), 'Decimal(18, 9)')
  assert.match(String(types.get('ended_at')), /^DateTime64\(6/)
  assert.deepEqual(
    rows,
    expected.map((record, i) => ({
      ...record,
      cost_usd: decimal(exact[i]?.['cost']),
      started_at: exact[i]?.['started_at'],
      ended_at: exact[i]?.['ended_at'],
    })),
  )
})

test('a Parquet file of several groups of rows is one file', async () => {
  await using port = await startTenantPort()
  await fill(port, 50_000)
  const { bytes } = await port.download(`/v1/usage/export?format=parquet&${RANGE}`)
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'usage.parquet')
  await writeFile(path, bytes)
  const [metadata] = await port.store.rows(
    `SELECT num_rows, num_row_groups FROM file('${path}', 'ParquetMetadata')`,
  )
  assert.deepEqual(metadata, { num_rows: 50_000, num_row_groups: 3 })
  const [different] = await port.store.rows(
    `SELECT count() AS rows FROM file('${path}', 'Parquet') AS f FULL OUTER JOIN usage_records AS r
       ON f.request_id = toString(r.request_id)
     WHERE f.prompt_tokens != r.prompt_tokens OR f.cost_usd != toDecimal128(r.cost_nanos, 9) / 1000000000
       OR f.ended_at != r.ended_at OR f.error_code IS DISTINCT FROM nullIf(toString(r.error_code), '')
       OR f.ttft_ms IS DISTINCT FROM r.ttft_micros / 1000 OR f.status != r.status`,
  )
  assert.deepEqual(different, { rows: 0 })
})

test('an export of nothing is a file without rows', async () => {
  await using port = await startTenantPort()
  const read = async (format: string) => (await port.download(`/v1/usage/export?format=${format}`)).bytes
  assert.equal((await read('ndjson')).length, 0)
  assert.match((await read('csv')).toString(), /^request_id,[\w,]+\r\n$/)
  const { columns, rows } = await readParquet(port, await read('parquet'))
  assert.equal(columns.length, Object.keys(OwnUsageRecord.shape).length)
  assert.deepEqual(rows, [])
})

test('records that arrive while pages are read shift none of them', async () => {
  await using port = await startTenantPort()
  await port.addKeys([{ id: KEY, name: 'ci' }])
  const at = (i: number): UsageRow => [{ requestId: numberedId(i) }, { endedAtMicros: START + i * 1_000_000 }]
  await recordUsage(
    port.store,
    Array.from({ length: 30 }, (_, i) => at(i)),
  )
  const first = await port.get(`/v1/usage/detailed?limit=10&${RANGE}`)
  await recordUsage(
    port.store,
    Array.from({ length: 30 }, (_, i) => at(100 + i)),
  )
  const ids = z.object({ data: z.array(z.object({ request_id: z.string() })), next_cursor: z.string() })
  const page = ids.parse(first.body)
  const second = ids.parse(
    (await port.get(`/v1/usage/detailed?limit=10&${RANGE}&cursor=${page.next_cursor}`)).body,
  )
  assert.deepEqual(
    [...page.data, ...second.data].map(({ request_id }) => request_id),
    Array.from({ length: 20 }, (_, i) => numberedId(29 - i)),
  )
})

test('a cursor is of no use to another query', async () => {
  await using port = await startTenantPort()
  await fill(port, 20)
  const { body } = await port.get(`/v1/usage/detailed?limit=5&${RANGE}`)
  const cursor = z.string().parse(body['next_cursor'])
  assert.equal((await port.get(`/v1/usage/detailed?limit=7&${RANGE}&cursor=${cursor}`)).status, 200)
  for (const query of [
    `${RANGE}&model=small&cursor=${cursor}`,
    `${RANGE}&api_key_id=${KEY}&cursor=${cursor}`,
    `${RANGE}&tz=Asia/Tokyo&cursor=${cursor}`,
    `start_date=2026-05-02&end_date=2026-05-31&cursor=${cursor}`,
    `${RANGE}&cursor=${cursor.slice(0, -1)}`,
    `${RANGE}&cursor=`,
  ]) {
    const refused = await port.get(`/v1/usage/detailed?${query}`)
    assert.equal(refused.status, 400, query)
    const error = z.object({ param: z.string(), code: z.string() }).parse(refused.body['error'])
    assert.deepEqual([error.param, error.code], ['cursor', 'invalid_parameter'])
  }
})
