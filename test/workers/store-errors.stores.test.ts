import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GatewayError } from '../../src/core/errors.js'
import { createClickHouse } from '../../src/io/clickhouse.js'
import { createPostgres } from '../../src/io/postgres.js'
import { fromStoreError } from '../../src/workers/store-errors.js'
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
