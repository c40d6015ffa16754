import assert from 'node:assert/strict'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { createClickHouse } from '../../../src/io/clickhouse.js'
import { startEmbeddedClickHouse } from '../../../src/io/embedded/clickhouse.js'
import { temporaryFolder } from '../../support/temporary-folder.js'

/** An engine on a folder of this name; disposed of with the folder. */
async function startIn(name: string) {
  const folder = await temporaryFolder()
  const dataDir = join(folder.path, name)
  const inserts = join(dataDir, 'inserts')
  // What an engine that was killed in the middle of an insert left.
  await mkdir(inserts, { recursive: true })
  await writeFile(join(inserts, '1.rows'), '{"n":1000}\n')
  const store = await startEmbeddedClickHouse({ dataDir })
  const clickhouse = createClickHouse({ url: store.url })
  return {
    clickhouse,
    inserts,
    async [Symbol.asyncDispose]() {
      await clickhouse.close()
      await store.stop()
      await folder[Symbol.asyncDispose]()
    },
  }
}

test('rows arrive whatever the folder is called, many inserts at once, and leave no file', async () => {
  await using engine = await startIn("o'a[c] :: \\ ü")
  const { clickhouse, inserts } = engine
  await clickhouse.command({ query: 'CREATE TABLE t (n UInt64, s String) ENGINE = MergeTree ORDER BY n' })
  const text = "a'b\\c\n;\t -- FORMAT CSV ü"
  const insert = (n: number) =>
    clickhouse.insert({
      table: 't',
      format: 'JSONEachRow',
      values: [
        { n, s: text },
        { n: n + 100, s: text },
      ],
    })
  await Promise.all(Array.from({ length: 40 }, (_, n) => insert(n)))
  const bad = clickhouse.insert({ table: 't', format: 'JSONEachRow', values: [{ n: 'x' }] })
  await assert.rejects(bad, { code: '27', type: 'CANNOT_PARSE_INPUT_ASSERTION_FAILED' })
  const unknown = clickhouse.insert({ table: 'nowhere', format: 'JSONEachRow', values: [{ n: 1 }] })
  await assert.rejects(unknown, { code: '60', type: 'UNKNOWN_TABLE' })
  const result = await clickhouse.query({
    query: 'SELECT count() AS rows, uniqExact(n) AS numbers, any(s) AS text, uniqExact(s) AS texts FROM t',
    format: 'JSONEachRow',
  })
  assert.deepEqual(await result.json(), [{ rows: 80, numbers: 80, text, texts: 1 }])
  assert.deepEqual(await readdir(inserts), [])
})
