import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GatewayError } from '../../src/core/errors.js'
import { createClickHouse } from '../../src/io/clickhouse.js'
import { createPostgres } from '../../src/io/postgres.js'
import { fromStoreError } from '../../src/workers/store-errors.js'
import { migratedDatabase } from '../support/migrated-database.js'
import { freshClickHouse, freshDatabase } from '../support/stores.js'

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call
  } catch (thrown) {
    const error = fromStoreError(thrown)
    return error instanceof GatewayError ? error.code : String(error)
  }
  return 'it succeeded'
}

test('what Postgres cannot store is the fault of who sent it', async () => {
  await using database = await freshDatabase()
  const postgres = createPostgres({ url: database.url, max: 1 })
  try {
    for (const sent of ['"\\ud800"', '{"\\udc00":1}', '"\\u0000"']) {
      assert.equal(await codeOf(postgres.query('SELECT $1::jsonb', [sent])), 'invalid_parameter', sent)
    }
    assert.equal(await codeOf(postgres.query('SELECT $1::text', ['\0'])), 'invalid_parameter')
  } finally {
    await postgres.end()
  }
})

test('who refers to what is removed, and who removes what is referred to, is told so', async () => {
  await using database = await migratedDatabase()
  const { postgres } = database
  const id = '01890000-0000-7000-8000-0000000000ff'
  await postgres.query(
    `INSERT INTO models (id, name, family, type, context_length, vram_required_gb, price_input_micros, price_output_micros)
     VALUES ($1, 'm', 'f', 'chat', 1, 1, 0, 0)`,
    [id],
  )
  const deploy = (region: string) =>
    postgres.query(
      `INSERT INTO deployments (id, model_id, provider, region_id, target_node_count, status)
       VALUES (gen_random_uuid(), $1, 'local', $2, 0, 'paused')`,
      [id, region],
    )
  assert.equal(await codeOf(deploy(id)), 'not_found')
  await deploy('01890000-0000-7000-8000-000000000001')
  assert.equal(await codeOf(postgres.query("DELETE FROM regions WHERE provider = 'local'")), 'in_use')
})

test('a report that takes too long or too much memory is given up as overload', async () => {
  await using database = await freshClickHouse()
  const clickhouse = createClickHouse({ url: database.url, maxExecutionSeconds: 0.2 })
  try {
    const endless = 'SELECT sum(sipHash64(number)) FROM system.numbers'
    assert.equal(await codeOf(clickhouse.command({ query: endless })), 'overloaded')
    const large = 'SELECT groupArray(number) FROM numbers(10000000) SETTINGS max_memory_usage = 1000000'
    assert.equal(await codeOf(clickhouse.command({ query: large })), 'overloaded')
    // A fault of our own stays one.
    assert.match(await codeOf(clickhouse.command({ query: 'SELECT nothing' })), /Unknown expression/)
  } finally {
    await clickhouse.close()
  }
})
