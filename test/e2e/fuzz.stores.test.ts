import assert from 'node:assert/strict'
import { randomInt, randomUUID } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { Agent } from 'undici'
import { createPostgres } from '../../src/io/postgres.js'
import { type Operation, operationsOf } from '../support/fuzz/operations.js'
import { type FuzzReply, wrongWith } from '../support/fuzz/replies.js'
import { type FuzzRequest, requestsFor } from '../support/fuzz/requests.js'
import { createRowsSeen, type RowsSeen } from '../support/fuzz/rows-seen.js'
import { startTestGateway } from '../support/gateway.js'
import { insertLaunchedNode, type LaunchedNode } from '../support/launched-node.js'
import { startStores } from '../support/stores.js'

/**
 * Requests made from the OpenAPI documents of both ports, right and wrong in every way that comes to mind, against the
 * whole gateway, one after the other. `npm run fuzz` sends 20,000; FUZZ_REQUESTS and FUZZ_SEED say how many and which.
 */

const REQUESTS = Number(process.env['FUZZ_REQUESTS'] ?? 2_000)
/** What a socket's buffers may hold: a longer body can be cut. */
const LARGE_BYTES = 64 * 1024
/** Of 100 requests at least so many must succeed: else the run tests less than it says. */
const LEAST_SUCCESSES = 15

interface Sender {
  readonly agent: Agent
  readonly seen: RowsSeen
  /** By security scheme. */
  readonly credentials: Readonly<Record<string, Record<string, string>>>
  /** The node whose agent calls. */
  readonly agentNode: string
}

/** The values of the path's parameters, encoded. */
function parametersOf(
  { operation, places }: FuzzRequest,
  { seen, agentNode }: Sender,
): Record<string, string> {
  // Any other node is as good as a wrong token.
  if (operation.scheme === 'NodeToken') return { id: agentNode }
  const entries = Object.entries(places)
  const nth = entries.flatMap(([name, place]) => ('seen' in place ? [[name, place.seen]] : []))
  const values = seen.values(operation, Object.fromEntries(nth) as Record<string, number>)
  return Object.fromEntries(
    entries.map(([name, place]) => [
      name,
      'text' in place ? place.text : encodeURIComponent(values[name] ?? randomUUID()),
    ]),
  )
}

/** The path with its parameters filled in. */
function pathOf({ operation, suffix, query }: FuzzRequest, parameters: Record<string, string>): string {
  const path = operation.path.replace(/\{(\w+)\}/g, (_, name: string) => parameters[name] ?? '')
  return `${path}${suffix}${query === '' ? '' : `?${query}`}`
}

function credentialOf({ operation, credential }: FuzzRequest, sender: Sender): Record<string, string> {
  const right = sender.credentials[operation.scheme ?? ''] ?? {}
  if (credential === 'right') return right
  if (credential === 'none') return {}
  return Object.fromEntries(Object.entries(right).map(([name, value]) => [name, `${value}x`]))
}

/** @returns null when a body was refused by its size, and the connection closed before all of it was sent */
async function sent(request: FuzzRequest, path: string, sender: Sender): Promise<FuzzReply | null> {
  try {
    return await send(request, path, sender)
  } catch (error) {
    const { code } = Object(error) as { code?: unknown }
    const large = (request.body?.length ?? 0) > LARGE_BYTES
    if (large && (code === 'EPIPE' || code === 'ECONNRESET' || code === 'UND_ERR_SOCKET')) return null
    throw error
  }
}

async function send(request: FuzzRequest, path: string, sender: Sender): Promise<FuzzReply> {
  const { operation, method, headers, body } = request
  const reply = await sender.agent.request({
    origin: operation.origin,
    path,
    method: method,
    headers: { ...credentialOf(request, sender), ...headers },
    body: body === '' ? null : body,
  })
  return { status: reply.statusCode, headers: reply.headers, text: await reply.body.text() }
}

/**
 * Inference is the data plane's and goes to nodes; pages and probes take nothing that could be wrong; a reply that goes on
 * for ever is never read to its end.
 */
function isFuzzed({ id, scheme, replies }: Operation): boolean {
  const isEndless = Object.values(replies).some(({ check }) => 'text/event-stream' in check)
  return scheme !== null && !id.startsWith('inference.') && !isEndless
}

async function agentNodeOf(databaseUrl: string, model: string): Promise<LaunchedNode> {
  const postgres = createPostgres({ url: databaseUrl, max: 1 })
  try {
    return await insertLaunchedNode(postgres, model)
  } finally {
    await postgres.end()
  }
}

test('whatever is sent, the reply is one that the document declares', async (t) => {
  await using stores = await startStores({ redis: false })
  await using gateway = await startTestGateway({ LOG_LEVEL: 'silent' }, stores)
  const tenant = await gateway.createTenant()
  // Named as the examples of the document have it, so that what refers to a model finds one.
  const model = await gateway.createModel('meta-llama/Llama-3.1-8B-Instruct')
  const node = await agentNodeOf(stores.databaseUrl, model)
  const { url, adminUrl, adminToken } = gateway
  const operations = [...(await operationsOf(adminUrl)), ...(await operationsOf(url))].filter(isFuzzed)
  await using agent = {
    value: new Agent({ connections: 4 }),
    [Symbol.asyncDispose]: () => agent.value.close(),
  }
  const sender: Sender = {
    agent: agent.value,
    seen: createRowsSeen(new Set([tenant.id, node.id, model])),
    credentials: {
      AdminToken: { 'x-admin-token': adminToken },
      ApiKey: { authorization: `Bearer ${tenant.key}` },
      NodeToken: node.headers,
    },
    agentNode: node.id,
  }

  const seed = Number(process.env['FUZZ_SEED'] ?? randomInt(2 ** 31))
  const statuses = new Map<string, number>()
  const count = (name: string) => statuses.set(name, (statuses.get(name) ?? 0) + 1)
  const succeeded = new Set<string>()
  const property = fc.asyncProperty(requestsFor(operations), async (request) => {
    const parameters = parametersOf(request, sender)
    const path = pathOf(request, parameters)
    const reply = await sent(request, path, sender)
    if (reply === null) {
      count('connection closed on a large body')
      return
    }
    count(String(reply.status))
    if (reply.status >= 400 && request.method !== 'HEAD') {
      count(/"code":"(\w+)"/.exec(reply.text)?.[1] ?? 'no code')
    }
    const problem = wrongWith(request, reply)
    assert.equal(problem, null, `${request.method} ${path}: ${reply.status} ${reply.text}`)
    if (reply.status >= 300 || request.method !== request.operation.method || request.suffix !== '') return
    succeeded.add(request.operation.id)
    const isJson = String(reply.headers['content-type']).startsWith('application/json')
    if (isJson) sender.seen.note(request.operation, parameters, JSON.parse(reply.text))
  })
  t.diagnostic(`${REQUESTS} requests of ${operations.length} operations, seed ${seed}`)
  await fc.assert(property, { numRuns: REQUESTS, seed })

  const figures = [...statuses].sort(([one], [other]) => one.localeCompare(other))
  t.diagnostic(figures.map(([name, times]) => `${name}: ${times}`).join(', '))
  const never = operations.filter(({ id }) => !succeeded.has(id)).map(({ id }) => id)
  t.diagnostic(`operations without a success: ${never.join(', ') || 'none'}`)
  const successes = figures.reduce((sum, [name, times]) => (/^2/.test(name) ? sum + times : sum), 0)
  assert.ok(successes >= (REQUESTS * LEAST_SUCCESSES) / 100, `only ${successes} successes`)
})
