import type { ClickHouseClient } from '@clickhouse/client'
import { createAdminClient, type AdminApi } from '../../src/core/client/client.js'
import type { AdminScope } from '../../src/core/admin-scope.js'
import { createAdminAuth } from '../../src/admin/admin-auth.js'
import { nodeCaller } from '../../src/admin/node-caller.js'
import { parse as parseYaml } from 'yaml'
import { createClickHouse } from '../../src/io/clickhouse.js'
import { adminPortEndpoints, tenantPortEndpoints } from '../../src/core/contract/contract.js'
import type { ContractReply, ContractTask } from '../../src/core/contract/task.js'
import { apiKeyDigest } from '../../src/core/api-key.js'
import { GatewayError } from '../../src/core/errors.js'
import { mountContract } from '../../src/io/contract-mount.js'
import { createHttpApp, type HttpCall } from '../../src/io/uws.js'
import { findAdminToken } from '../../src/workers/admin-token-lookup.js'
import { createContractServer } from '../../src/workers/contract-server.js'
import { allHandlers } from '../../src/workers/handlers/all.js'
import { readLaunchTemplates } from '../../src/workers/launchers/launch-templates.js'
import type { Launching } from '../../src/workers/launchers/launching.js'
import { migratedDatabase, type MigratedDatabase } from './migrated-database.js'
import { findKey } from './find-key.js'

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
  readonly clickhouse: ClickHouseClient
  readonly url: string
  readonly client: AdminApi
  /** How often a change was announced. */
  readonly changes: () => number
  readonly failures: GatewayError[]
  /** @returns the reply's JSON, or its text where it is none */
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<JsonReply>
}

/** Tokens of the port beside the root token, by the scope that they have. */
const SCOPES: ReadonlyMap<string, AdminScope> = new Map([
  ['operate', 'operate'],
  ['read', 'read'],
])

/**
 * The admin API on a real port and a real database, as the role that the app has; handlers in this thread; the root
 * token is `root`, and `operate` and `read` are tokens of those scopes. The tenant API is on the same port, for keys.
 */
export async function startContractPort(
  options: {
    runTask?: (database: MigratedDatabase) => (task: ContractTask) => Promise<ContractReply>
    /** Where usage lies; default: a ClickHouse that cannot be reached. */
    clickhouseUrl?: string
    /** Default: the templates of the package, and nothing that launches by them. */
    launching?: Partial<Launching>
  } = {},
): Promise<ContractPort> {
  const database = await migratedDatabase()
  const launching: Launching = {
    templates: await readLaunchTemplates(null),
    launcherFor: () => null,
    ...options.launching,
  }
  const clickhouse = createClickHouse({ url: options.clickhouseUrl ?? 'http://127.0.0.1:9' })
  const failures: GatewayError[] = []
  let changes = 0
  const byToken = createAdminAuth({
    adminToken: 'root',
    findToken: (digest) => findAdminToken(database.app, digest),
  })
  const byKey = async (call: HttpCall) => {
    const credential = call.header('authorization')?.replace('Bearer ', '') ?? ''
    const key = await findKey(database.app, apiKeyDigest(credential))
    if (key === null) throw new GatewayError('invalid_api_key')
    return { actor: { kind: 'key', ...key }, credential } as const
  }
  const app = createHttpApp({ onError: (error) => failures.push(error) })
  mountContract(app, {
    endpoints: [...adminPortEndpoints, ...tenantPortEndpoints],
    authenticate: (call, { auth }) => {
      if (auth === 'key') return byKey(call)
      if (auth === 'node') return nodeCaller(call)
      const credential = call.header('x-admin-token') ?? ''
      const scope = SCOPES.get(credential)
      if (scope === undefined) return byToken(call)
      return { actor: { kind: 'admin', name: credential, scope }, credential }
    },
    runTask:
      options.runTask?.(database) ??
      createContractServer({
        handlers: allHandlers,
        postgres: database.app,
        clickhouse,
        redis: null,
        launching,
      }),
    afterChange: () => changes++,
    onFailure: (error) => failures.push(error),
  })
  const url = `http://127.0.0.1:${await app.listen('127.0.0.1', 0)}`

  return {
    database,
    clickhouse,
    url,
    client: createAdminClient({ baseUrl: url, adminToken: 'root' }),
    failures,
    changes: () => changes,
    async send(method, path, body, headers = {}) {
      const text = typeof body === 'string' ? body : JSON.stringify(body)
      const response = await fetch(url + path, {
        method,
        headers: { 'x-admin-token': 'root', ...headers },
        ...(body !== undefined && { body: text }),
      })
      const content = await response.text()
      const type = response.headers.get('content-type')
      return {
        status: response.status,
        headers: response.headers,
        body: (type === 'application/json'
          ? JSON.parse(content)
          : type === 'application/yaml'
            ? parseYaml(content)
            : content) as JsonValue,
      }
    },
    async [Symbol.asyncDispose]() {
      app.close()
      await clickhouse.close()
      await database[Symbol.asyncDispose]()
    },
  }
}

/** How a call was refused: status, code and param. */
export function refusal({ status, body }: JsonReply): unknown[] {
  return [status, body['error']?.['code'], body['error']?.['param']]
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

/** A region's create body; its code is unique in this process. */
export function regionBody(changes: object = {}): Record<string, unknown> {
  return { provider: 'acme-cloud', code: `region-${++sequence}`, name: 'Somewhere', ...changes }
}

/** An instance type's create body; its name is unique in this process. */
export function instanceTypeBody(changes: object = {}): Record<string, unknown> {
  return {
    provider: 'acme-cloud',
    name: `gpu.${++sequence}`,
    vcpus: 16,
    memory_gb: 128,
    gpu_model: 'H100',
    gpu_count: 1,
    gpu_memory_gb: 80,
    price_on_demand_per_hour: 2.5,
    ...changes,
  }
}
