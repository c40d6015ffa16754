import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { createClickHouse } from '../../src/io/clickhouse.js'
import { startEmbeddedClickHouse } from '../../src/io/embedded/clickhouse.js'
import { readMigrations } from '../../src/io/migration-files.js'
import { packageRoot } from '../../src/io/package-root.js'

/** A database with the usage schema. */
export interface UsageStore extends AsyncDisposable {
  readonly url: string
  readonly clickhouse: ClickHouseClient
  rows(sql: string): Promise<Record<string, unknown>[]>
}

export interface UsageEngine extends AsyncDisposable {
  /** A new database of its own. */
  database(): Promise<UsageStore>
}

/** The embedded ClickHouse on a folder of its own, removed at the end. */
export async function startUsageEngine(): Promise<UsageEngine> {
  const dataDir = mkdtempSync(join(tmpdir(), 'crosslogic-clickhouse-'))
  const engine = await startEmbeddedClickHouse({ dataDir })
  let databases = 0
  return {
    async database() {
      const name = `test_${++databases}`
      await using owner = createClickHouse({ url: engine.url })
      await owner.command({ query: `CREATE DATABASE ${name}` })
      const url = `${engine.url}/${name}`
      const clickhouse = createClickHouse({ url })
      for (const { sql } of await readMigrations(join(packageRoot, 'sql/clickhouse/migrations'))) {
        await clickhouse.command({ query: sql })
      }
      return {
        url,
        clickhouse,
        rows: async (query) => (await clickhouse.query({ query, format: 'JSONEachRow' })).json(),
        [Symbol.asyncDispose]: () => clickhouse.close(),
      }
    },
    [Symbol.asyncDispose]: async () => {
      await engine.stop()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}
