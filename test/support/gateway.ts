import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { startGateway, type Gateway } from '../../bench/gateway.js'
import { createClickHouse } from '../../src/io/clickhouse.js'
import { startStores, type Stores } from './stores.js'

const LIMIT_MS = 60_000

const UsageRow = z.object({
  model: z.string(),
  node: z.string(),
  endpoint: z.string(),
  stream: z.boolean(),
  status: z.number(),
  error_code: z.string(),
  client_abort: z.boolean(),
  attempts: z.number(),
  prompt_tokens: z.number(),
  cached_tokens: z.number(),
  completion_tokens: z.number(),
  counted: z.string(),
  cost_nanos: z.number(),
})
export type UsageRow = z.infer<typeof UsageRow>

/** A node to register, in this process or in one of its own. */
export interface NodeToServe {
  readonly url: string
  readonly options: { readonly models: readonly string[] }
}

export interface NewKey {
  readonly id: string
  readonly key: string
}

/** The gateway as its tenants and admins have it: all processes, real stores. */
export interface TestGateway
  extends AsyncDisposable, Pick<Gateway, 'process' | 'admin' | 'adminUrl' | 'adminToken' | 'client'> {
  /** Of the tenant port. */
  readonly url: string
  readonly port: number
  /** A tenant of its own, by default one without limits. @returns the tenant's id and its first key, which has the role `admin` */
  createTenant(fields?: object): Promise<NewKey>
  createKey(tenantId: string, fields?: object): Promise<NewKey>
  /** @returns the model's id; its context holds a million tokens */
  createModel(name: string, fields?: object): Promise<string>
  /** Registers a node, by default as one that knows continuous usage. */
  addNode(model: string, clusterName: string, node: NodeToServe, fields?: object): Promise<void>
  setRoute(modelId: string, fields: object): Promise<void>
  /** A model with its nodes by cluster name, live. @returns the model's id */
  serve(model: string, nodes: Readonly<Record<string, NodeToServe>>, route?: object): Promise<string>
  /** Waits until the data plane serves with all changes of the catalogue made so far. */
  live(): Promise<void>
  /** The usage record of a request, once it is in ClickHouse. */
  usage(requestId: string): Promise<UsageRow>
  usageRows(requestId: string): Promise<number>
  /** The rows of any query to ClickHouse. */
  query(sql: string): Promise<unknown[]>
}

// Of this process: gateways that share stores must not take each other's names.
let tenants = 0
let markers = 0

/**
 * Starts a gateway with one proxy process on empty stores. Takes seconds, so the tests of a file share one.
 * @param given the stores to use; they stay the caller's
 */
export async function startTestGateway(
  env: Readonly<Record<string, string>> = {},
  given?: Stores,
): Promise<TestGateway> {
  const stores = given ?? (await startStores({ redis: false }))
  const closeStores = async () => {
    if (given === undefined) await stores[Symbol.asyncDispose]()
  }
  const { databaseUrl, clickhouseUrl, redisUrl } = stores
  const gateway = await startGateway({
    env: {
      DATABASE_URL: databaseUrl,
      CLICKHOUSE_URL: clickhouseUrl,
      ...(redisUrl === null ? {} : { REDIS_URL: redisUrl }),
      ...env,
    },
  }).catch(async (error: unknown) => {
    await closeStores()
    throw error
  })
  const { client } = gateway
  const clickhouse = createClickHouse({ url: clickhouseUrl })

  async function createTenant(fields: object = {}): Promise<NewKey> {
    const email = `tenant-${++tenants}@example.com`
    const body = { name: 'Test', email, tier: 'enterprise' as const, ...fields }
    const { body: created } = await client.tenants.create({ body })
    return { id: created.tenant.id, key: created.api_key }
  }

  async function createModel(name: string, fields: object = {}): Promise<string> {
    const { body } = await client.models.create({
      body: {
        name,
        family: 'sim',
        type: 'chat',
        context_length: 1_000_000,
        vram_required_gb: 1,
        price_input_per_million: 1,
        price_output_per_million: 2,
        ...fields,
      },
    })
    return body.id
  }

  async function addNode(model: string, clusterName: string, node: NodeToServe, fields: object = {}) {
    await client.nodes.register({
      body: {
        cluster_name: clusterName,
        model_name: model,
        endpoint_url: node.url,
        upstream_model: node.options.models[0],
        engine: 'simulated',
        ...fields,
      },
    })
  }

  async function setRoute(modelId: string, fields: object): Promise<void> {
    await client.routes.put({ params: { model_id: modelId }, body: fields })
  }

  const { key: markerKey } = await createTenant()
  async function live(): Promise<void> {
    // A snapshot is one consistent read: where the last change is served, so are those before it.
    const model = `marker-${++markers}`
    await createModel(model)
    const deadline = performance.now() + LIMIT_MS
    for (;;) {
      const reply = await fetch(`${gateway.tenantUrl}/v1/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${markerKey}` },
        body: JSON.stringify({ model, prompt: '' }),
      })
      await reply.arrayBuffer()
      // Known, with no node; before that it is a 404.
      if (reply.status === 503) return
      if (performance.now() > deadline)
        throw new Error(`a change is not served after ${LIMIT_MS} ms: ${reply.status}`)
      await sleep(5)
    }
  }

  async function rowsOf(requestId: string): Promise<unknown[]> {
    const query = 'SELECT * FROM usage_records WHERE request_id = {requestId: UUID}'
    const result = await clickhouse.query({ query, format: 'JSONEachRow', query_params: { requestId } })
    return result.json()
  }

  return {
    process: gateway.process,
    admin: (method, path, schema, body) => gateway.admin(method, path, schema, body),
    adminUrl: gateway.adminUrl,
    adminToken: gateway.adminToken,
    client,
    url: gateway.tenantUrl,
    port: gateway.tenantPort,
    createTenant,
    async createKey(id, fields = {}) {
      const { body } = await client.tenantApiKeys.create({
        params: { id },
        body: { name: 'Test', ...fields },
      })
      return { id: body.id, key: body.key }
    },
    createModel,
    addNode,
    setRoute,
    async serve(model, nodes, route) {
      const id = await createModel(model)
      for (const [clusterName, node] of Object.entries(nodes)) await addNode(model, clusterName, node)
      if (route !== undefined) await setRoute(id, route)
      await live()
      return id
    },
    live,
    async usage(requestId) {
      const deadline = performance.now() + LIMIT_MS
      for (;;) {
        const [row] = await rowsOf(requestId)
        if (row !== undefined) return UsageRow.parse(row)
        if (performance.now() > deadline) throw new Error(`no usage record of ${requestId}`)
        await sleep(50)
      }
    },
    usageRows: async (requestId) => (await rowsOf(requestId)).length,
    query: async (query) => (await clickhouse.query({ query, format: 'JSONEachRow' })).json(),
    async [Symbol.asyncDispose]() {
      await clickhouse.close()
      await gateway[Symbol.asyncDispose]()
      await closeStores()
      const { code } = await gateway.process.exited
      if (code !== 0) throw new Error(`the gateway ended with ${code}: ${gateway.process.stderr()}`)
    },
  }
}
