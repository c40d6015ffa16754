import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { request } from 'undici'
import { z } from 'zod'
import { adminPortEndpoints } from '../../src/core/contract/contract.js'
import type { Endpoint } from '../../src/core/contract/endpoint.js'
import { errorsOf } from '../../src/core/contract/endpoint-errors.js'
import { type ErrorCode, ERRORS } from '../../src/core/errors.js'
import { packageRoot } from '../../src/io/package-root.js'
import { startWorkerPool } from '../../src/workers/pool.js'
import { callOf } from '../support/calls/all.js'
import type { Call } from '../support/calls/call.js'
import { type ContractPort, startContractPort } from '../support/contract-port.js'
import { allRefusals } from '../support/refusals/all.js'
import { type RefusingEndpoint, SHARED_REFUSALS } from '../support/refusals/shared.js'
import { freshUsageStore } from '../support/usage-store.js'

/**
 * The table of routes: every one of docs/api-routes.md is in the contract, and every endpoint there answers with its
 * success (contract-walk.stores.test.ts) and with each error that it declares.
 */

const endpoints = adminPortEndpoints.filter(
  (endpoint): endpoint is RefusingEndpoint => endpoint.auth !== 'key',
)

type Method = Endpoint['method']

const ErrorReply = z.strictObject({
  error: z.strictObject({
    message: z.string().min(1),
    type: z.string(),
    param: z.string().nullable(),
    code: z.string(),
  }),
})

/** Every method may carry a body here: also a GET, which `fetch` would not send with one. */
async function send(port: ContractPort, method: Method, { path, body, headers }: Call) {
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
  const reply = await request(port.url + path, {
    method,
    headers: { 'x-admin-token': 'root', ...headers },
    body: text ?? null,
  })
  return { status: reply.statusCode, headers: reply.headers, body: await reply.body.text() }
}

/** Errors that say which part of the request is at fault. */
const NAMING = new Set<ErrorCode>([
  'invalid_parameter',
  'unknown_parameter',
  'not_supported',
  'not_found',
  'already_exists',
  'precondition_failed',
])

/** Why a reply is not that refusal; null when it is. */
async function problem(port: ContractPort, endpoint: Endpoint, code: ErrorCode, call: Call) {
  const reply = await send(port, endpoint.method, call)
  const parsed = ErrorReply.safeParse(JSON.parse(reply.body))
  const { status, type } = ERRORS[code]
  const right =
    reply.status === status &&
    parsed.success &&
    parsed.data.error.code === code &&
    parsed.data.error.type === type &&
    (!NAMING.has(code) || parsed.data.error.param !== null) &&
    reply.headers['x-request-id'] !== undefined
  if (right) return null
  const sent = JSON.stringify(call).slice(0, 200)
  return `${endpoint.id} ${code}: ${reply.status} ${reply.body.slice(0, 200)} after ${sent}`
}

/** `GET /admin/tenants/{}` */
const shape = (route: string) => route.replace(/\{\w+\}/g, '{}')

test('the contract has every route of docs/api-routes.md that is there already, and no other', (t) => {
  const text = readFileSync(join(packageRoot, 'docs/api-routes.md'), 'utf8')
  const rows = [...text.matchAll(/^\| `([A-Z]+ \/\S+)` +\| (_not yet_)?/gm)]
  const routes = (there: boolean) =>
    rows.filter(([, , notYet]) => (notYet === undefined) === there).map(([, route = '']) => route)
  const listed = routes(true)
  assert.ok(rows.length > 50)
  t.diagnostic(`not yet there: ${routes(false).join(', ') || 'none'}`)
  const declared = adminPortEndpoints.map(({ method, path }) => `${method} ${path}`)
  const without = (routes: string[], others: string[]) => {
    const shapes = new Set(others.map(shape))
    return routes.filter((route) => !shapes.has(shape(route)))
  }
  assert.deepEqual(
    { missing: without(listed, declared), unlisted: without(declared, listed) },
    { missing: [], unlisted: [] },
  )
})

test('every endpoint answers with each error that it declares', async (t) => {
  await using store = await freshUsageStore()
  await using port = await startContractPort({ clickhouseUrl: store.url })
  const workers = (database: ContractPort['database']) =>
    startWorkerPool({
      settings: {
        databaseUrl: database.url,
        clickhouseUrl: 'http://127.0.0.1:9',
        redisUrl: null,
        launching: null,
      },
      maxQueue: 0,
    })
  await using full = workers(port.database)
  await using overloaded = await startContractPort({ runTask: () => (task) => full.run(task) })
  await using broken = await startContractPort({
    runTask: () => () => Promise.reject(new Error('something inside')),
  })

  const problems: string[] = []
  for (const endpoint of endpoints) {
    const codes = errorsOf(endpoint)
    for (const code of codes) {
      const call = await callOf(port, endpoint)
      const cases: [ContractPort, Call][] = []
      if (code === 'overloaded') cases.push([overloaded, call])
      else if (code === 'internal_error') cases.push([broken, call])
      else {
        const shared = (await SHARED_REFUSALS[code]?.(endpoint, call, port)) ?? []
        cases.push(...shared.map((one): [ContractPort, Call] => [port, one]))
      }
      const own = await allRefusals[endpoint.id]?.[code]?.(port)
      if (own !== undefined) cases.push([port, own])
      if (cases.length === 0) problems.push(`${endpoint.id} ${code}: no case in test/support/refusals`)
      for (const [where, one] of cases) {
        const found = await problem(where, endpoint, code, one)
        if (found !== null) problems.push(found)
      }
    }
    const [success] = Object.keys(endpoint.reply)
    t.diagnostic(`${endpoint.method.padEnd(6)} ${endpoint.path}: ${success}, ${codes.join(', ')}`)
  }
  assert.deepEqual(problems, [])
  assert.deepEqual(port.failures, [])
})

test('a refusal that is declared for no endpoint has no case', () => {
  const declared = new Map(endpoints.map((endpoint) => [endpoint.id, new Set(errorsOf(endpoint))]))
  for (const [id, refusals] of Object.entries(allRefusals)) {
    for (const code of Object.keys(refusals)) {
      assert.ok(
        [...(declared.get(id) ?? [])].some((other) => other === code),
        `${id} ${code}`,
      )
    }
  }
})

test('a method that a path does not have is refused with those that it has', async () => {
  await using store = await freshUsageStore()
  await using port = await startContractPort({ clickhouseUrl: store.url })
  for (const path of new Set(endpoints.map((endpoint) => endpoint.path))) {
    const there = endpoints.filter((endpoint) => endpoint.path === path)
    const methods = there.map(({ method }) => method)
    const [first] = there
    assert.ok(first)
    const call = await callOf(port, first)
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const) {
      if (methods.includes(method)) continue
      const reply = await send(port, method, { path: call.path })
      const { error } = ErrorReply.parse(JSON.parse(reply.body))
      assert.deepEqual([reply.status, error.code], [405, 'method_not_allowed'], `${method} ${path}`)
      const allowed = methods.includes('GET') ? [...methods, 'HEAD'] : methods
      assert.equal(reply.headers['allow'], allowed.join(', '))
    }
  }
})
