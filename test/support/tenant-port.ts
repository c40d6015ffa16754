import assert from 'node:assert/strict'
import type { KeyRole } from '../../src/core/resolved-key.js'
import { adminPortEndpoints, tenantPortEndpoints } from '../../src/core/contract/contract.js'
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
  get(path: string, tenantId?: string): Promise<{ status: number; body: Record<string, unknown> }>
  /** A reply that is no JSON. */
  download(path: string, tenantId?: string): Promise<{ status: number; headers: Headers; bytes: Buffer }>
  /** Stores the caller's tenant (or another one) with these API keys, in an environment of their own. */
  addKeys(keys: readonly TenantKey[], tenantId?: string): Promise<void>
}

export interface TenantKey {
  readonly id: string
  readonly name: string
  readonly revoked?: boolean
}

/** Names the tenant that calls. */
const TENANT_HEADER = 'x-test-tenant'

/**
 * The tenant API on a real port over real stores, and the admin API beside it; whoever calls is the root token there, and
 * here the test's tenant or the one that is named.
 */
export async function startTenantPort(role: KeyRole = 'read-only'): Promise<TenantPort> {
  const store = await freshUsageStore()
  const database = await migratedDatabase()
  const failures: GatewayError[] = []
  const app = createHttpApp({ onError: (error) => failures.push(error) })
  mountContract(app, {
    endpoints: [...tenantPortEndpoints, ...adminPortEndpoints],
    authenticate: (call, { auth }) => {
      if (auth !== 'key')
        return { actor: { kind: 'admin', name: 'root', scope: 'admin' }, credential: 'root' }
      const tenantId = call.header(TENANT_HEADER) ?? TENANT_ID
      return {
        actor: { kind: 'key', keyId: numberedId(3), environmentId: numberedId(2), tenantId, role },
        credential: 'key',
      }
    },
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
    async get(path, tenantId = TENANT_ID) {
      const response = await fetch(url + path, { headers: { [TENANT_HEADER]: tenantId } })
      return { status: response.status, body: (await response.json()) as Record<string, unknown> }
    },
    async download(path, tenantId = TENANT_ID) {
      const response = await fetch(url + path, { headers: { [TENANT_HEADER]: tenantId } })
      const bytes = Buffer.from(await response.arrayBuffer())
      return { status: response.status, headers: response.headers, bytes }
    },
    addKeys: (keys, tenantId = TENANT_ID) => addKeys(database, keys, tenantId),
    async [Symbol.asyncDispose]() {
      app.close()
      await database[Symbol.asyncDispose]()
      await store[Symbol.asyncDispose]()
      assert.deepEqual(failures, [])
    },
  }
}

async function addKeys(
  { postgres }: MigratedDatabase,
  keys: readonly TenantKey[],
  tenantId: string,
): Promise<void> {
  await postgres.query(
    `INSERT INTO tenants (id, name, email, tier, status) VALUES ($1::uuid, 'Acme', $1::uuid::text || '@acme.example', 'enterprise', 'active')
     ON CONFLICT DO NOTHING`,
    [tenantId],
  )
  const environmentId = crypto.randomUUID()
  await postgres.query('INSERT INTO environments (id, tenant_id, name) VALUES ($1, $2, $3)', [
    environmentId,
    tenantId,
    `env-${environmentId}`,
  ])
  for (const { id, name, revoked = false } of keys) {
    await postgres.query(
      `INSERT INTO api_keys (id, tenant_id, environment_id, name, prefix, digest, role, revoked_at)
       VALUES ($1::uuid, $2, $3, $4, 'clsk_test_000000', sha256(convert_to($1::uuid::text, 'UTF8')), 'developer', CASE WHEN $5 THEN now() END)`,
      [id, tenantId, environmentId, name, revoked],
    )
  }
}
