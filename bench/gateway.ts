import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { createAdminClient, type AdminApi } from '../src/core/client/client.js'
import { packageRoot } from '../src/io/package-root.js'
import { startGatewayProcess, type GatewayProcess } from './gateway-process.js'

const HOST = '127.0.0.1'
const ADMIN_TOKEN = 'bench-admin-token'
const STOP_MS = 30_000

/** The whole gateway, started as an operator would start it, with a client of its admin port. */
export interface Gateway extends AsyncDisposable {
  readonly process: GatewayProcess
  readonly host: string
  readonly tenantPort: number
  /** `http://host:port` */
  readonly tenantUrl: string
  readonly adminUrl: string
  readonly adminToken: string
  /** Of the admin port. */
  readonly client: AdminApi
  /**
   * Calls any path of the admin API and answers the reply's JSON as the schema has it.
   * @throws when the status is not 2xx, with the reply's text
   */
  admin<S extends z.ZodType>(method: string, path: string, schema: S, body?: unknown): Promise<z.output<S>>
}

export interface GatewayOptions {
  /** Settings beside the defaults: free ports on loopback, embedded stores, one proxy process. */
  readonly env?: Readonly<Record<string, string>>
  /** Default: a new folder, removed in the end. */
  readonly dataDir?: string
}

/**
 * Starts the compiled gateway and waits until it is ready. Disposal drains it with SIGTERM, and kills what is left
 * of it.
 * @throws when it does not get ready, with what it logged
 */
export async function startGateway(options: GatewayOptions = {}): Promise<Gateway> {
  const dataDir = options.dataDir ?? (await temporaryDataDir())
  const removeData = async () => {
    if (options.dataDir === undefined) await rm(dataDir, { recursive: true, force: true, maxRetries: 5 })
  }
  const env = {
    HOST,
    PORT: '0',
    ADMIN_HOST: HOST,
    ADMIN_PORT: '0',
    ADMIN_TOKEN,
    PROXY_PROCESSES: '1',
    LOG_LEVEL: 'info',
    DATA_DIR: dataDir,
    ...options.env,
  }
  const command = [process.execPath, '--enable-source-maps', join(packageRoot, 'dist', 'src', 'main.js')]
  const gateway = startGatewayProcess({ command, env })
  try {
    const { tenantPort, adminPort } = await gateway.ready()
    if (tenantPort === null) throw new Error('the gateway has no tenant port')
    const adminUrl = `http://${HOST}:${adminPort}`
    return {
      process: gateway,
      host: HOST,
      tenantPort,
      tenantUrl: `http://${HOST}:${tenantPort}`,
      adminUrl,
      adminToken: env.ADMIN_TOKEN,
      client: createAdminClient({ baseUrl: adminUrl, adminToken: env.ADMIN_TOKEN }),
      admin: (method, path, schema, body) =>
        call(`${adminUrl}${path}`, method, { 'x-admin-token': env.ADMIN_TOKEN }, schema, body),
      async [Symbol.asyncDispose]() {
        gateway.kill('SIGTERM')
        await Promise.race([gateway.exited, sleep(STOP_MS, undefined, { ref: false })])
        await gateway[Symbol.asyncDispose]()
        await removeData()
      },
    }
  } catch (error) {
    await gateway[Symbol.asyncDispose]()
    await removeData()
    throw error
  }
}

async function temporaryDataDir(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'crosslogic-bench-'))
  // The embedded Postgres of a gateway that root started runs as another user.
  await chmod(path, 0o755)
  return path
}

/** One JSON call. @throws when the status is not 2xx, with the reply's text */
export async function call<S extends z.ZodType>(
  url: string,
  method: string,
  headers: Readonly<Record<string, string>>,
  schema: S,
  body?: unknown,
): Promise<z.output<S>> {
  const response = await fetch(url, {
    method,
    headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${text}`)
  return schema.parse(JSON.parse(text))
}

const SERVED_MS = 15_000

/**
 * Sets a gateway up to serve: a tenant, a model, its nodes; then waits until a request succeeds.
 * @returns the tenant's API key
 * @throws when it serves no request within 15 s
 */
export async function setUpModel(
  gateway: Gateway,
  model: string,
  nodeUrls: readonly string[],
): Promise<string> {
  const { body } = await gateway.client.tenants.create({
    body: { name: 'Bench', email: 'bench@example.com', tier: 'enterprise' },
  })
  await addModel(gateway, model, nodeUrls)
  await untilServed(gateway, body.api_key, model)
  return body.api_key
}

/** Adds a model to a gateway, and the nodes that serve it (none: whoever calls brings them), named `<nodeName>-<number>`. */
export async function addModel(
  gateway: Pick<Gateway, 'client'>,
  model: string,
  nodeUrls: readonly string[],
  nodeName = 'node',
): Promise<void> {
  await gateway.client.models.create({
    body: {
      name: model,
      family: 'simulated',
      type: 'chat',
      context_length: 131_072,
      vram_required_gb: 16,
      price_input_per_million: 0.1,
      price_output_per_million: 0.4,
    },
  })
  for (const [index, url] of nodeUrls.entries()) {
    await gateway.client.nodes.register({
      body: {
        cluster_name: `${nodeName}-${index + 1}`,
        model_name: model,
        endpoint_url: url,
        // The node behaves like vLLM, with continuous usage statistics.
        engine: 'vllm',
      },
    })
  }
}

/** Waits until one request, for one token, succeeds. @throws when none does within 15 s */
export async function untilServed(gateway: Gateway, apiKey: string, model: string): Promise<void> {
  const deadline = performance.now() + SERVED_MS
  for (;;) {
    try {
      await call(`${gateway.tenantUrl}/v1/chat/completions`, 'POST', bearer(apiKey), z.unknown(), {
        model,
        max_tokens: 1,
        messages: [{ role: 'user', content: 'Are you there?' }],
      })
      return
    } catch (error) {
      if (performance.now() > deadline) throw error
      await sleep(100)
    }
  }
}

/** The header that carries an API key. */
export function bearer(apiKey: string): Record<string, string> {
  return { authorization: `Bearer ${apiKey}` }
}
