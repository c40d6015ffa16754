/**
 * `npm run demo`: the whole gateway on embedded stores, three simulated GPU nodes and a demo tenant. Streams one
 * answer, prints its bill and percentiles out of ClickHouse, then keeps serving until Ctrl-C.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { createTenantClient } from '../src/core/client/client.js'
import { SETTING_NAMES } from '../src/core/settings.js'
import { bearer, startGateway, type Gateway } from './gateway.js'
import { startNodeFleet } from './node-fleet.js'

const MODEL = 'sim-8b'
const PROMPT = 'Why does an inference gateway need to bill tokens exactly?'
/** From the end of a request to its usage in ClickHouse it takes under two seconds; a busy machine gets more. */
const USAGE_WAIT_MS = 20_000

const print = (line = '') => process.stdout.write(`${line}\n`)

/** The wanted port when it is free, else 0: any. */
async function freePort(wanted: number): Promise<string> {
  const server = createServer()
  const free = await new Promise<boolean>((resolve) => {
    server.once('error', () => {
      resolve(false)
    })
    server.listen({ port: wanted, host: '0.0.0.0', exclusive: true }, () => {
      resolve(true)
    })
  })
  if (free) await new Promise((resolve) => server.close(resolve))
  return free ? String(wanted) : '0'
}

const Chunk = z.object({
  choices: z.array(z.object({ delta: z.object({ content: z.string().optional() }) })),
})

/** Streams one answer to the terminal; returns its request id. */
async function streamAnswer(baseUrl: string, key: string): Promise<string> {
  const reply = await fetch(`${baseUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { ...bearer(key), 'content-type': 'application/json' },
    body: JSON.stringify({
      model: MODEL,
      stream: true,
      max_tokens: 64,
      messages: [{ role: 'user', content: PROMPT }],
    }),
  })
  if (!reply.ok || reply.body === null)
    throw new Error(`The answer was ${reply.status}: ${await reply.text()}`)
  const decoder = new TextDecoder()
  let text = ''
  for await (const bytes of reply.body as AsyncIterable<Uint8Array>) {
    text += decoder.decode(bytes, { stream: true })
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const frame = text.slice(0, end)
      text = text.slice(end + 2)
      if (!frame.startsWith('data: {')) continue
      const chunk = Chunk.parse(JSON.parse(frame.slice('data: '.length)))
      process.stdout.write(chunk.choices[0]?.delta.content ?? '')
    }
  }
  print()
  return reply.headers.get('x-request-id') ?? ''
}

const number = (value: number | null) => (value === null ? '–' : value.toFixed(1))

async function printBill(baseUrl: string, key: string): Promise<void> {
  const client = createTenantClient({ baseUrl, apiKey: key })
  const deadline = performance.now() + USAGE_WAIT_MS
  let { body: usage } = await client.usage.get()
  while (usage.total_requests === 0) {
    if (performance.now() > deadline) throw new Error('The usage did not arrive in ClickHouse.')
    await sleep(100)
    usage = (await client.usage.get()).body
  }
  print(
    `  bill         ${usage.prompt_tokens} prompt + ${usage.completion_tokens} completion tokens` +
      ` = $${usage.total_cost_usd.toFixed(9)}`,
  )
  const { body: latency } = await client.metrics.latency({ query: { period: '1h' } })
  for (const row of latency.data) {
    print(
      `  ${row.model.padEnd(12)} TTFT p50 ${number(row.p50_ttft_ms)} ms, p99 ${number(row.p99_ttft_ms)} ms` +
        ` · ITL p50 ${number(row.p50_itl_ms)} ms, p99 ${number(row.p99_itl_ms)} ms` +
        ` · whole p50 ${number(row.p50_latency_ms)} ms`,
    )
  }
}

/**
 * Creates the demo's tenant, model and nodes, under names of their own, so that the demo also runs on a DATA_DIR that
 * it has used before. Returns the tenant's key.
 */
async function setUp(gateway: Gateway, nodeUrls: readonly string[]): Promise<string> {
  const run = Date.now().toString(36)
  const { tenants, models, nodes } = gateway.client
  const tenant = await tenants.create({
    body: { name: `Demo ${run}`, email: `demo-${run}@example.com`, tier: 'enterprise' },
  })
  const found = await models.list({ query: { search: MODEL, limit: 200 } })
  if (!found.body.data.some(({ name }) => name === MODEL)) {
    await models.create({
      body: {
        name: MODEL,
        family: 'simulated',
        type: 'chat',
        context_length: 131_072,
        vram_required_gb: 16,
        price_input_per_million: 0.2,
        price_output_per_million: 0.6,
      },
    })
  }
  for (const [index, url] of nodeUrls.entries()) {
    await nodes.register({
      body: {
        cluster_name: `demo-${run}-${index + 1}`,
        model_name: MODEL,
        endpoint_url: url,
        engine: 'simulated',
      },
    })
  }
  return tenant.body.api_key
}

/** Resolves when the nodes are in every proxy's routing table. */
async function untilServed(baseUrl: string, key: string): Promise<void> {
  const deadline = performance.now() + USAGE_WAIT_MS
  for (;;) {
    const reply = await fetch(`${baseUrl}/v1/models/${MODEL}`, {
      headers: { authorization: `Bearer ${key}` },
    })
    await reply.body?.cancel()
    if (reply.ok) return
    if (performance.now() > deadline) throw new Error(`The model is not served: ${reply.status}.`)
    await sleep(50)
  }
}

/** A setting from the environment; empty counts as unset. */
function given(name: string): string | undefined {
  const value = process.env[name]
  return value === '' ? undefined : value
}

/** Settings that the caller gave, and the defaults of the demo. */
async function demoSettings(adminToken: string): Promise<Record<string, string>> {
  const settings: Record<string, string> = {}
  for (const name of SETTING_NAMES) {
    const value = given(name)
    if (value !== undefined) settings[name] = value
  }
  return {
    HOST: '0.0.0.0',
    PORT: await freePort(8080),
    ADMIN_PORT: await freePort(9090),
    ADMIN_TOKEN: adminToken,
    ...settings,
  }
}

let serving = false

async function demo(stop: AbortSignal): Promise<void> {
  print('Starting the gateway on embedded Postgres, ClickHouse and Redis, and three simulated GPU nodes …')
  const adminToken = given('ADMIN_TOKEN') ?? randomBytes(24).toString('base64url')
  const dataDir = given('DATA_DIR')
  await using fleet = await startNodeFleet(
    `--count 3 --model ${MODEL} --ttft-ms 120 --itl-ms 25 --jitter 0.3`.split(' '),
  )
  await using gateway = await startGateway({
    env: await demoSettings(adminToken),
    ...(dataDir === undefined ? {} : { dataDir }),
  })
  const { tenantUrl, adminUrl } = gateway
  const key = await setUp(gateway, fleet.urls)
  await untilServed(tenantUrl, key)

  print(`\n> ${PROMPT}\n`)
  const requestId = await streamAnswer(tenantUrl, key)
  print(`\n  request      ${requestId}`)
  await printBill(tenantUrl, key)
  print(`
The gateway is serving; Ctrl-C stops it.

  tenant API   ${tenantUrl}    docs ${tenantUrl}/api-docs
  admin API    ${adminUrl}    docs ${adminUrl}/api-docs
  metrics      ${adminUrl}/metrics
  admin token  ${adminToken}
  demo key     ${key}

  curl -N ${tenantUrl}/v1/chat/completions -H 'Authorization: Bearer ${key}' \\
    -H 'Content-Type: application/json' \\
    -d '{"model": "${MODEL}", "stream": true, "messages": [{"role": "user", "content": "Hello!"}]}'
`)
  serving = true
  await Promise.race([gateway.process.exited, once(stop, 'abort')])
  if (!stop.aborted) throw new Error('The gateway ended by itself.')
  print('Stopping …')
}

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // Before it serves there is nothing to drain: the children see their channel close.
    if (serving) stop.abort()
    else process.exit(130)
  })
}
try {
  await demo(stop.signal)
} catch (error) {
  print(`The demo failed: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}
