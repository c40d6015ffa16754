import assert from 'node:assert/strict'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { ApiError, createAdminClient, createTenantClient } from '../../src/core/client/client.js'

interface Seen {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

interface Scripted {
  readonly status: number
  readonly headers?: Record<string, string>
  readonly body?: string
}

const JSON_TYPE = { 'content-type': 'application/json' }
const ok: Scripted = { status: 200, headers: { ...JSON_TYPE, etag: '"4"', 'x-request-id': 'r1' }, body: '{}' }
const overloaded: Scripted = {
  status: 503,
  headers: { ...JSON_TYPE, 'retry-after': '1', 'retry-after-ms': '5', 'x-request-id': 'r2' },
  body: JSON.stringify({
    error: { message: 'Later.', type: 'overloaded_error', param: null, code: 'overloaded' },
  }),
}

/** A server that gives these answers in turn, then none, and says what it was asked. */
async function scripted(...replies: Scripted[]) {
  const seen: Seen[] = []
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      seen.push({ method: request.method, url: request.url, headers: request.headers, body })
      const reply = replies[seen.length - 1]
      if (reply !== undefined) response.writeHead(reply.status, reply.headers).end(reply.body)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    seen,
    baseUrl,
    admin: createAdminClient({ baseUrl, adminToken: 't' }),
    [Symbol.dispose]() {
      server.close()
      server.closeAllConnections()
    },
  }
}

const failure = async (call: Promise<unknown>): Promise<unknown> => {
  try {
    await call
  } catch (error) {
    return error
  }
  throw new Error('the call did not fail')
}

const model = {
  name: 'm',
  family: 'f',
  type: 'chat',
  context_length: 1,
  vram_required_gb: 1,
  price_input_per_million: 1,
  price_output_per_million: 1,
} as const

test('a call puts its parts where they belong', async () => {
  using server = await scripted(ok, ok)
  const reply = await server.admin.models.patch({
    params: { id: 'a/b' },
    body: { family: 'qwen' },
    ifMatch: '"3"',
  })
  assert.deepEqual(reply, { status: 200, body: {}, etag: '"4"', requestId: 'r1' })
  await server.admin.models.list({ query: { search: 'a&b', limit: 5, family: undefined } })
  const [patch, list] = server.seen
  assert.deepEqual(
    [patch?.method, patch?.url, patch?.body],
    ['PATCH', '/admin/models/a%2Fb', '{"family":"qwen"}'],
  )
  assert.equal(patch?.headers['if-match'], '"3"')
  assert.equal(patch.headers['x-admin-token'], 't')
  assert.equal(patch.headers['content-type'], 'application/json')
  assert.equal(list?.url, '/admin/models?search=a%26b&limit=5')
})

test('the tenant client sends its key as a bearer token', async () => {
  using server = await scripted(ok)
  await createTenantClient({ baseUrl: `${server.baseUrl}/`, apiKey: 'clsk_test_x' }).usage.get()
  assert.deepEqual(
    [server.seen[0]?.url, server.seen[0]?.headers.authorization],
    ['/v1/usage', 'Bearer clsk_test_x'],
  )
})

test('what may be sent twice is sent again after a 503 and a 429, when the gateway says', async () => {
  using server = await scripted(overloaded, { ...overloaded, status: 429 }, ok, overloaded, ok)
  await server.admin.models.list()
  assert.equal(server.seen.length, 3)
  await server.admin.models.create({ body: model, idempotencyKey: 'once' })
  assert.equal(server.seen.length, 5)
  assert.deepEqual(
    server.seen.slice(3).map(({ headers }) => headers['idempotency-key']),
    ['once', 'once'],
  )
})

test('a POST without a key, a hopeless refusal and the last attempt are not sent again', async () => {
  using server = await scripted(
    overloaded,
    { ...overloaded, headers: { ...overloaded.headers, 'x-should-retry': 'false' } },
    overloaded,
    overloaded,
    overloaded,
  )
  const first = await failure(server.admin.models.create({ body: model }))
  assert.ok(first instanceof ApiError)
  assert.equal(server.seen.length, 1)
  await failure(server.admin.models.list())
  assert.equal(server.seen.length, 2)
  await failure(server.admin.models.list())
  assert.equal(server.seen.length, 5)
})

test('an error reply becomes an error with all that it said', async () => {
  const body = { message: 'No.', type: 'conflict_error', param: 'name', code: 'already_exists' }
  using server = await scripted(
    { status: 409, headers: { 'x-request-id': 'r9' }, body: JSON.stringify({ error: body }) },
    { ...overloaded, headers: { 'retry-after': '2' } },
    { status: 502, headers: {}, body: '<html>' },
    { status: 500, headers: {}, body: '{"error":{"code":7}}' },
  )
  const errors: unknown[] = []
  for (let index = 0; index < 4; index++)
    errors.push(await failure(server.admin.models.create({ body: model })))
  const shown = errors.map((error) => {
    assert.ok(error instanceof ApiError)
    return [
      error.status,
      error.code,
      error.type,
      error.message,
      error.param,
      error.requestId,
      error.retryAfterMs,
    ]
  })
  assert.deepEqual(shown.slice(0, 2), [
    [409, 'already_exists', 'conflict_error', 'No.', 'name', 'r9', null],
    [503, 'overloaded', 'overloaded_error', 'Later.', null, null, 2000],
  ])
  for (const [, code, , , param] of shown.slice(2))
    assert.deepEqual([code, param], ['unexpected_reply', null])
  assert.deepEqual(
    shown.slice(2).map(([status]) => status),
    [502, 500],
  )
})

test('a call ends with its signal, also in the pause before another attempt', async () => {
  const late: Scripted = { ...overloaded, headers: { ...JSON_TYPE, 'retry-after': '20' } }
  using server = await scripted(late)
  const stop = new AbortController()
  const waiting = server.admin.models.list({ signal: stop.signal })
  while (server.seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  stop.abort(new Error('enough'))
  assert.match(String(await failure(waiting)), /enough/)
  // This one is never answered.
  const unanswered = await failure(server.admin.models.list({ timeoutMs: 30 }))
  assert.ok(unanswered instanceof DOMException && unanswered.name === 'TimeoutError')
  const aborted = await failure(server.admin.models.list({ signal: AbortSignal.abort(new Error('before')) }))
  assert.match(String(aborted), /before/)
})

test('a pause that would outlast the call is not begun', async () => {
  using server = await scripted({ ...overloaded, headers: { ...JSON_TYPE, 'retry-after': '100' } })
  const error = await failure(server.admin.models.list({ timeoutMs: 10_000 }))
  assert.ok(error instanceof ApiError)
  assert.deepEqual([error.code, error.retryAfterMs], ['overloaded', 100_000])
})

test('a connection that fails is tried again, where the call may be sent twice', async () => {
  let attempts = 0
  const client = createAdminClient({
    baseUrl: 'http://gateway',
    adminToken: 't',
    fetch: () => {
      attempts++
      return attempts % 2 === 1
        ? Promise.reject(new TypeError('fetch failed'))
        : Promise.resolve(new Response('up 1', { headers: { 'content-type': 'text/plain' } }))
    },
  })
  assert.equal((await client.models.list()).body, 'up 1')
  assert.equal(attempts, 2)
  assert.ok((await failure(client.models.create({ body: model }))) instanceof TypeError)
  assert.equal(attempts, 3)
})
