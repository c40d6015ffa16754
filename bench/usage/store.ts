import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { z } from 'zod'
import { createClickHouse } from '../../src/io/clickhouse.js'
import { startEmbeddedClickHouse } from '../../src/io/embedded/clickhouse.js'
import { readMigrations } from '../../src/io/migration-files.js'
import { packageRoot } from '../../src/io/package-root.js'
import { UsageError } from '../command.js'

/** A folder of its own under the system's temporary one, removed with all it holds on disposal. */
export async function temporaryFolder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'crosslogic-bench-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 5 }) }
}

/** The embedded ClickHouse, run as the gateway runs it. */
export interface Store extends AsyncDisposable {
  readonly url: string
  /** Of the engine's process. */
  readonly pid: number
  readonly clickhouse: ClickHouseClient
  /** The rows of a query, as the schema has them. */
  rows<S extends z.ZodType>(sql: string, schema: S, params?: Record<string, unknown>): Promise<z.output<S>[]>
}

/** Longest statement: a day's worth of generated requests, or a check that reads all of them. */
const STATEMENT_SECONDS = 1800

/** @throws UsageError when the package of the engine is not installed */
export async function startStore(dataDir: string): Promise<Store> {
  const engine = await startEmbeddedClickHouse({ dataDir }).catch((error: unknown) => {
    if (error instanceof Error && error.message.includes('not installed')) throw new UsageError(error.message)
    throw error
  })
  const clickhouse = createClickHouse({
    url: engine.url,
    requestTimeoutMs: STATEMENT_SECONDS * 1000,
    maxExecutionSeconds: STATEMENT_SECONDS,
  })
  return {
    url: engine.url,
    pid: engine.pid,
    clickhouse,
    async rows(query, schema, params) {
      const result = await clickhouse.query({
        query,
        format: 'JSONEachRow',
        ...(params !== undefined && { query_params: params }),
      })
      return z.array(schema).parse(await result.json())
    },
    async [Symbol.asyncDispose]() {
      await clickhouse.close()
      await engine.stop()
    },
  }
}

/** Makes the usage tables of the gateway in an empty store. */
export async function makeUsageTables({ clickhouse }: Store): Promise<void> {
  for (const { sql } of await readMigrations(join(packageRoot, 'sql', 'clickhouse', 'migrations'))) {
    await clickhouse.command({ query: sql })
  }
}
