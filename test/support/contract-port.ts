import { nodeCaller } from '../../src/admin/node-caller.js'
import { createClickHouse } from '../../src/io/clickhouse.js'
import { adminPortEndpoints } from '../../src/core/contract/contract.js'
import type { ContractReply, ContractTask } from '../../src/core/contract/task.js'
import { GatewayError } from '../../src/core/errors.js'
import { mountContract } from '../../src/io/contract-mount.js'
import { createHttpApp } from '../../src/io/uws.js'
import { createContractServer } from '../../src/workers/contract-server.js'
import { allHandlers } from '../../src/workers/handlers/all.js'
import { migratedDatabase, type MigratedDatabase } from './migrated-database.js'

export interface JsonReply {
  readonly status: number
  readonly headers: Headers
  readonly body: JsonValue
}

/**
 * JSON that a test walks without declaring its shape, and text at its leaves: `reply.body['tenant']?.['id']` can stand
 * in a path. Only the assertions say what it really is.
 */
export type JsonValue = string & { readonly [name: string]: JsonValue } & {
  readonly [index: number]: JsonValue
}

export interface ContractPort extends AsyncDisposable {
  readonly database: MigratedDatabase
  readonly url: string
  /** How often a change was announced. */
  readonly changes: () => number
  readonly failures: GatewayError[]
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<JsonReply>
}

/** The admin API on a real port and a real database, handlers in this thread; the token is `root`. */
export async function startContractPort(
  options: { runTask?: (database: MigratedDatabase) => (task: ContractTask) => Promise<ContractReply> } = {},
): Promise<ContractPort> {
  const database = await migratedDatabase()
  const clickhouse = createClickHouse({ url: 'http://127.0.0.1:9' })
  const failures: GatewayError[] = []
  let changes = 0
  const app = createHttpApp({ onError: (error) => failures.push(error) })
  mountContract(app, {
    endpoints: adminPortEndpoints,
    authenticate: (call, { auth }) => {
      if (auth === 'node') return nodeCaller(call)
      if (call.header('x-admin-token') !== 'root') throw new GatewayError('invalid_admin_token')
      return { actor: { kind: 'admin', name: 'root', scope: 'admin' }, credential: 'root' }
    },
    runTask:
      options.runTask?.(database) ??
      createContractServer({ handlers: allHandlers, postgres: database.postgres, clickhouse, redis: null }),
    afterChange: () => changes++,
    onFailure: (error) => failures.push(error),
  })
  const url = `http://127.0.0.1:${await app.listen('127.0.0.1', 0)}`

  return {
    database,
    url,
    failures,
    changes: () => changes,
    async send(method, path, body, headers = {}) {
      const text = typeof body === 'string' ? body : JSON.stringify(body)
      const response = await fetch(url + path, {
        method,
        headers: { 'x-admin-token': 'root', ...headers },
        ...(body !== undefined && { body: text }),
      })
      const reply = await response.text()
      const isJson = response.headers.get('content-type')?.startsWith('application/json') ?? false
      return {
        status: response.status,
        headers: response.headers,
        body: (isJson ? JSON.parse(reply) : reply) as JsonValue,
      }
    },
    async [Symbol.asyncDispose]() {
      app.close()
      await clickhouse.close()
      await database[Symbol.asyncDispose]()
    },
  }
}

let sequence = 0

/** A model's create body; its name is unique in this process. */
export function modelBody(changes: object = {}): Record<string, unknown> {
  return {
    name: `model-${++sequence}`,
    family: 'llama',
    type: 'chat',
    context_length: 8192,
    vram_required_gb: 24,
    price_input_per_million: 0.15,
    price_output_per_million: 0.6,
    ...changes,
  }
}

/** A node's register body; its name is unique in this process. */
export function nodeBody(modelName: unknown, changes: object = {}): Record<string, unknown> {
  return {
    cluster_name: `node-${++sequence}`,
    model_name: modelName,
    endpoint_url: 'http://127.0.0.1:8000',
    ...changes,
  }
}

/** A deployment's create body: paused, since nothing launches machines. */
export function deploymentBody(modelName: unknown, changes: object = {}): Record<string, unknown> {
  return { model_name: modelName, provider: 'local', node_count: 0, ...changes }
}

/** A tenant's create body; its email is unique in this process. */
export function tenantBody(changes: object = {}): Record<string, unknown> {
  return { name: 'Acme', email: `ops-${++sequence}@acme.example`, tier: 'pro', ...changes }
}
