/** A program for tests: migrates a Postgres and a ClickHouse and prints what it applied. */
import { createClickHouse } from '../../src/io/clickhouse.js'
import { migrateClickHouse, migratePostgres } from '../../src/io/migrate.js'

const [url = '', postgresDirectory = '', clickhouseUrl = '', clickhouseDirectory = ''] = process.argv.slice(2)
const postgres = await migratePostgres({ url, directory: postgresDirectory })
const clickhouse = createClickHouse({ url: clickhouseUrl })
const rollups = await migrateClickHouse({ clickhouse, postgresUrl: url, directory: clickhouseDirectory })
await clickhouse.close()
process.stdout.write(JSON.stringify([...postgres.applied, ...rollups.applied]))
