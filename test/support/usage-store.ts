import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { recordLine } from '../../src/core/usage-line.js'
import type { UsageIdentity, UsageOutcome } from '../../src/core/usage-record.js'
import { createClickHouse } from '../../src/io/clickhouse.js'
import { readMigrations } from '../../src/io/migration-files.js'
import { packageRoot } from '../../src/io/package-root.js'
import { testIdentity, testOutcome } from './spool.js'
import { freshClickHouse } from './stores.js'

/** A ClickHouse database with the usage schema. */
export interface UsageStore extends AsyncDisposable {
  readonly url: string
  readonly clickhouse: ClickHouseClient
  /** The rows of a query. */
  rows(sql: string): Promise<Record<string, unknown>[]>
}

export async function freshUsageStore(): Promise<UsageStore> {
  const database = await freshClickHouse()
  const store = await usageStoreAt(database.url).catch(async (error: unknown) => {
    await database[Symbol.asyncDispose]()
    throw error
  })
  return {
    ...store,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]()
      await database[Symbol.asyncDispose]()
    },
  }
}

/** The same in an empty database that is there; disposal leaves it. */
export async function usageStoreAt(url: string): Promise<UsageStore> {
  const clickhouse = createClickHouse({ url })
  try {
    for (const { sql } of await readMigrations(join(packageRoot, 'sql/clickhouse/migrations'))) {
      await clickhouse.command({ query: sql })
    }
  } catch (error) {
    await clickhouse.close()
    throw error
  }
  return {
    url,
    clickhouse,
    rows: async (query) => (await clickhouse.query({ query, format: 'JSONEachRow' })).json(),
    [Symbol.asyncDispose]: () => clickhouse.close(),
  }
}

/** What sets a request apart from the usual one of tests. */
export type UsageRow = readonly [Partial<UsageIdentity>, Partial<UsageOutcome>]

/** Stores usage records; their request ids count from 0 unless they name one. */
export async function recordUsage(store: UsageStore, rows: readonly UsageRow[]): Promise<void> {
  const lines = rows.map(([identity, outcome], i) =>
    recordLine(testIdentity(i, identity), testOutcome(outcome)).toString(),
  )
  await store.clickhouse.command({
    query: `INSERT INTO usage_records FORMAT JSONEachRow\n${lines.join('\n')}`,
  })
}
