import assert from 'node:assert/strict'
import type { KeyRole } from '../../src/core/resolved-key.js'
import { tenantPortEndpoints } from '../../src/core/contract/contract.js'
import type { GatewayError } from '../../src/core/errors.js'
import { mountContract } from '../../src/io/contract-mount.js'
import { createHttpApp } from '../../src/io/uws.js'
import { createContractServer } from '../../src/workers/contract-server.js'
import { allHandlers } from '../../src/workers/handlers/all.js'
import { migratedDatabase, type MigratedDatabase } from './migrated-database.js'
import { numberedId, TENANT_ID } from './spool.js'
import { freshUsageStore, type UsageStore } from './usage-store.js'

export interface TenantPort extends AsyncDisposable {
  readonly store: UsageStore
  readonly database: MigratedDatabase
  get(path: string): Promise<{ status: number; body: Record<string, unknown> }>
}

/** The tenant API on a real port over real stores; whoever calls is the test's tenant. */
export async function startTenantPort(role: KeyRole = 'read-only'): Promise<TenantPort> {
  const store = await freshUsageStore()
  const database = await migratedDatabase()
  const failures: GatewayError[] = []
  const app = createHttpApp({ onError: (error) => failures.push(error) })
  mountContract(app, {
    endpoints: tenantPortEndpoints,
    authenticate: () => ({
      actor: { kind: 'key', keyId: numberedId(3), environmentId: numberedId(2), tenantId: TENANT_ID, role },
      credential: 'key',
    }),
    runTask: createContractServer({
      handlers: allHandlers,
      postgres: database.postgres,
      clickhouse: store.clickhouse,
      redis: null,
    }),
    onFailure: (error) => failures.push(error),
  })
  const url = `http://127.0.0.1:${await app.listen('127.0.0.1', 0)}`
  return {
    store,
    database,
    async get(path) {
      const response = await fetch(url + path)
      return { status: response.status, body: (await response.json()) as Record<string, unknown> }
    },
    async [Symbol.asyncDispose]() {
      app.close()
      await database[Symbol.asyncDispose]()
      await store[Symbol.asyncDispose]()
      assert.deepEqual(failures, [])
    },
  }
}
