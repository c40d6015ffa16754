import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { z } from 'zod'
import { startSimulatedNode, type SimulatedNode } from '../../bench/nodes.js'
import { ERRORS, type ErrorCode } from '../../src/core/errors.js'
import { startTestGateway, type NewKey, type TestGateway } from '../support/gateway.js'
import { eventually } from '../support/processes.js'
import { openRawClient, type RawReply } from '../support/raw-client.js'

const MAX_BODY_BYTES = 65_536
const CHAT = '/v1/chat/completions'
const GOOD = '{"model":"sim-8b","max_tokens":1,"messages":[{"role":"user","content":"Hello"}]}'

let gateway: TestGateway
let node: SimulatedNode
let tenant: NewKey
let readOnly: string
let restricted: string
let suspended: string

const proxies = () =>
  gateway.process
    .family()
    .filter(({ title }) => title.startsWith('crosslogic-proxy'))
    .map(({ pid }) => pid)

interface Sent {
  readonly method?: string
  readonly path?: string
  /** Null: no authorization header. */
  readonly key?: string | null
  readonly body?: string | Buffer
  /** Lines that stand instead of host and content-length. */
  readonly framing?: readonly string[]
  readonly headers?: readonly string[]
}

function bytesOf(sent: Sent): Buffer {
  const body = Buffer.from(sent.body ?? GOOD)
  const { method = 'POST', path = CHAT, key = tenant.key, headers = [] } = sent
  const { framing = ['host: gateway', `content-length: ${body.length}`] } = sent
  const lines = [
    `${method} ${path} HTTP/1.1`,
    ...framing,
    ...(key === null ? [] : [`authorization: Bearer ${key}`]),
    ...headers,
  ]
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), body])
}

interface Refusal {
  readonly code: ErrorCode
  readonly param?: string | null
  readonly closes?: boolean
}

const Envelope = z.strictObject({
  error: z.strictObject({
    message: z.string().min(1),
    type: z.string(),
    param: z.string().nullable(),
    code: z.string(),
  }),
})

function assertEnvelope(reply: RawReply, { code, param = null }: Refusal): string {
  assert.equal(reply.status, ERRORS[code].status, reply.body)
  assert.equal(reply.headers.get('content-type'), 'application/json')
  assert.match(reply.headers.get('x-request-id') ?? '', /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-/)
  const { error } = Envelope.parse(JSON.parse(reply.body))
  const { message, ...rest } = error
  assert.deepEqual(rest, { type: ERRORS[code].type, param, code })
  return message
}

/** Sends a request that must be refused so, and no node may hear of it. @returns the reply */
async function refused(sent: Sent | Buffer, refusal: Refusal): Promise<RawReply> {
  const asked = node.ledger.size
  using client = await openRawClient(gateway.port)
  client.send(Buffer.isBuffer(sent) ? sent : bytesOf(sent))
  const reply = await client.reply()
  assertEnvelope(reply, refusal)
  if (refusal.closes === true) await client.closed()
  else {
    // The connection lives on, and what was sent before is not taken for a request.
    client.send(bytesOf({ method: 'GET', path: '/v1/models', body: '' }))
    assert.equal((await client.reply()).status, 200)
  }
  assert.equal(client.received().length, 0)
  assert.equal(node.ledger.size, asked)
  return reply
}

async function succeeds(sent: Sent): Promise<RawReply> {
  using client = await openRawClient(gateway.port)
  client.send(bytesOf(sent))
  const reply = await client.reply()
  assert.equal(reply.status, 200, reply.body)
  return reply
}

describe('bad input', () => {
  let pids: number[]

  before(async () => {
    gateway = await startTestGateway({
      MAX_BODY_BYTES: String(MAX_BODY_BYTES),
      MAX_BODIES_TOTAL_BYTES: String(2 * MAX_BODY_BYTES),
    })
    node = await startSimulatedNode()
    tenant = await gateway.createTenant()
    await gateway.serve('sim-8b', { 'node-1': node })
    await gateway.createModel('another', { context_length: 100 })
    readOnly = (await gateway.createKey(tenant.id, { role: 'read-only' })).key
    restricted = (await gateway.createKey(tenant.id, { allowed_models: ['another'] })).key
    const bad = await gateway.createTenant()
    await gateway.admin('POST', `/admin/tenants/${bad.id}/suspend`, z.unknown())
    suspended = bad.key
    await gateway.live()
    pids = proxies()
    assert.equal(pids.length, 1)
  })

  after(async () => {
    await gateway[Symbol.asyncDispose]()
    await node.close()
  })

  // Each request breaks the rule under test and every later one that it can break as well.
  const tooLarge = 'x'.repeat(MAX_BODY_BYTES + 1)
  const doubled = ['host: gateway', 'content-length: 5', 'content-length: 5']

  test('first the path is checked, then the method', async () => {
    await refused(
      { path: '/v1/nothing', key: null, framing: doubled, body: 'xxxxx' },
      { code: 'not_found', closes: true },
    )
    await refused({ path: '/v1/chat/completions/', key: null, body: '' }, { code: 'not_found' })
    await refused({ path: '/V1/models', method: 'GET', key: null, body: '' }, { code: 'not_found' })
    for (const [method, path, allow] of [
      ['DELETE', CHAT, 'POST'],
      ['GET', '/v1/embeddings', 'POST'],
      ['POST', '/v1/models', 'GET, HEAD'],
      ['PUT', '/v1/models/a/b', 'GET, HEAD'],
      ['post', CHAT, 'POST'],
    ] as const) {
      const sent = { method, path, key: null, framing: doubled, body: 'xxxxx' }
      const reply = await refused(sent, { code: 'method_not_allowed', closes: true })
      assert.equal(reply.headers.get('allow'), allow)
    }
  })

  test('then the framing, which closes the connection', async () => {
    for (const encoding of ['chunked', 'xchunked', 'identity', 'gzip, chunked', 'CHUNKED']) {
      const framing = ['host: gateway', `transfer-encoding: ${encoding}`]
      const sent = { key: null, framing, body: '2\r\n{}\r\n0\r\n\r\n' }
      await refused(sent, { code: 'length_required', closes: true })
      await refused({ ...sent, key: tenant.key }, { code: 'length_required', closes: true })
    }
    for (const [param, framing] of [
      ['content-length', doubled],
      ['content-length', ['host: gateway', 'content-length: 5', 'Content-Length: 6']],
      ['host', ['host: gateway', 'content-length: 5', 'host: gateway']],
      ['host', ['host: gateway', 'content-length: 5', 'host: other']],
      ['host', ['host:', 'content-length: 5']],
    ] as const) {
      const refusal = { code: 'invalid_parameter', param, closes: true } as const
      await refused({ framing, body: 'xxxxx' }, refusal)
      await refused({ framing, body: 'xxxxx', key: null }, refusal)
      await refused({ framing, body: 'xxxxx', path: '/v1/models', method: 'GET' }, refusal)
    }
  })

  test('then the key, in the same words whatever is wrong with it', async () => {
    const revoked = await gateway.createKey(tenant.id)
    await gateway.admin('DELETE', `/admin/tenants/${tenant.id}/api-keys/${revoked.id}`, z.unknown())
    const expiresAt = Date.now() + 10_000
    const expired = await gateway.createKey(tenant.id, { expires_at: new Date(expiresAt).toISOString() })
    // Known to the data plane from before.
    await succeeds({ key: expired.key })
    await eventually('the key expires', () => Date.now() > expiresAt)
    const messages = new Set<string>()
    const bearers = [
      revoked.key,
      expired.key,
      `${tenant.key}0`,
      `${tenant.key.slice(0, -1)}${tenant.key.endsWith('a') ? 'b' : 'a'}`,
      tenant.key.replace('clsk_live_', 'clsk_test_'),
      'sk-proj-1234',
      'x'.repeat(3000),
      "' OR 1=1 --",
      '',
    ]
    const lines = [
      ...bearers.map((key) => `authorization: Bearer ${key}`),
      'authorization: Basic dXNlcjpwYXNz',
      `authorization: ${tenant.key}`,
      `x-api-key: ${tenant.key}`,
    ]
    for (const line of lines) {
      const refusal = { code: 'invalid_api_key' } as const
      const reply = await refused({ key: null, headers: [line], body: tooLarge }, refusal)
      messages.add(assertEnvelope(reply, refusal))
      await refused(
        { key: null, headers: [line], path: '/v1/models', method: 'GET', body: '' },
        { code: 'invalid_api_key' },
      )
    }
    assert.equal(messages.size, 1)
    // The scheme's name has no case.
    await succeeds({ key: null, headers: [`Authorization: bEARER ${tenant.key}`] })
  })

  test('then the size, the role and the suspension, all before the body is read', async () => {
    await refused({ key: readOnly, body: tooLarge }, { code: 'body_too_large' })
    await refused({ key: suspended, body: tooLarge }, { code: 'body_too_large' })
    // Nobody has to send the whole of it to hear so.
    const framing = ['host: gateway', 'content-length: 999999999999']
    await refused({ framing, body: '{' }, { code: 'body_too_large', closes: true })
    await refused({ key: readOnly, body: '{' }, { code: 'role_not_allowed' })
    await refused({ key: suspended, body: '{' }, { code: 'tenant_suspended' })
    const padding = MAX_BODY_BYTES - GOOD.length
    await succeeds({ body: GOOD + ' '.repeat(padding) })
  })

  test('then the body, then the model, then whether the key may use it', async () => {
    await refused(
      { key: restricted, body: '{"model":"none","n":0}' },
      { code: 'invalid_parameter', param: 'n' },
    )
    await refused({ key: restricted, body: '{"model":"none"}' }, { code: 'model_not_found', param: 'model' })
    const disallowed = '{"model":"sim-8b","max_tokens":99999999}'
    await refused({ key: restricted, body: disallowed }, { code: 'model_not_allowed', param: 'model' })
    const tooMany = '{"model":"another","max_tokens":101}'
    await refused({ key: restricted, body: tooMany }, { code: 'invalid_parameter', param: 'max_tokens' })
    await refused({ key: restricted, body: '{"model":"another"}' }, { code: 'no_healthy_node' })
  })

  test('a body that is not one JSON object is refused', async () => {
    const deep = (levels: number) => `{"model":"sim-8b","x":${'['.repeat(levels)}${']'.repeat(levels)}}`
    for (const body of [
      '',
      ' ',
      'null',
      '[]',
      '"text"',
      '{',
      '{"model":"sim-8b"',
      '{"model":"sim-8b"}}',
      '{"model":"sim-8b"}{}',
      '{"model":"sim-8b",}',
      "{'model':'sim-8b'}",
      '{model:"sim-8b"}',
      '{"model":"sim-8b","max_tokens":01}',
      '{"model":"sim-8b","temperature":NaN}',
      '{"model":"sim-8b","messages":[}',
      '{"model":"sim-8b","messages":[{"role":"user","content":"open}]}',
      '{"model":"sim-8b\\x"}',
      '\u{feff}{"model":"sim-8b"}',
      deep(128),
      deep(30_000),
      Buffer.concat([
        Buffer.from('{"model":"sim-8b","prompt":"'),
        Buffer.from([0xff, 0xfe]),
        Buffer.from('"}'),
      ]),
      Buffer.concat([
        Buffer.from('{"model":"sim-8b","prompt":"'),
        Buffer.from([0xed, 0xa0, 0x80]),
        Buffer.from('"}'),
      ]),
      Buffer.alloc(1000),
    ]) {
      await refused({ body }, { code: 'invalid_json' })
    }
    await refused({ framing: ['host: gateway'], body: '' }, { code: 'invalid_json' })
    await succeeds({ body: `${GOOD.slice(0, -1)},"x":${'['.repeat(127)}${']'.repeat(127)}}` })
  })

  test('the fields that routing reads must be well-typed and stand once', async () => {
    const model = '"model":"sim-8b"'
    for (const [body, param] of [
      ['{}', 'model'],
      ['{"model":null}', 'model'],
      ['{"model":7}', 'model'],
      ['{"model":["sim-8b"]}', 'model'],
      ['{"model":""}', 'model'],
      [`{"model":"${'m'.repeat(2000)}"}`, 'model'],
      [`{${model},${model}}`, 'model'],
      [`{${model},"mod\\u0065l":"sim-8b"}`, 'model'],
      [`{${model},"stream":false,"stre\\u0061m":true}`, 'stream'],
      [`{${model},"messages":[],"messages":[]}`, 'messages'],
      [`{${model},"prompt":"","prompt":""}`, 'prompt'],
      [`{${model},"priority":1,"priority":1}`, 'priority'],
      [`{${model},"stream":1}`, 'stream'],
      [`{${model},"stream":"true"}`, 'stream'],
      [`{${model},"stream_options":[]}`, 'stream_options'],
      [`{${model},"stream_options":"x"}`, 'stream_options'],
      [`{${model},"stream_options":{"include_usage":"yes"}}`, 'stream_options.include_usage'],
      [`{${model},"max_tokens":0}`, 'max_tokens'],
      [`{${model},"max_tokens":1.5}`, 'max_tokens'],
      [`{${model},"max_tokens":1e999}`, 'max_tokens'],
      [`{${model},"max_tokens":"5"}`, 'max_tokens'],
      [`{${model},"max_completion_tokens":-3}`, 'max_completion_tokens'],
      [`{${model},"n":129}`, 'n'],
      [`{${model},"n":{}}`, 'n'],
      [`{${model},"user":5}`, 'user'],
    ] as const) {
      await refused({ body }, { code: 'invalid_parameter', param })
    }
    // An escaped key is a key, and null is absence.
    const escaped = '{"mod\\u0065l":"sim\\u002d8b","stream":null,"n":null,"max_tokens":1,"prompt":"a"}'
    await succeeds({ path: '/v1/completions', body: escaped })
  })

  test('a model’s name cannot break out of the reply', async () => {
    const body = '{"model":"\\u0022}\\r\\nset-cookie: a=b\\ud800<script>"}'
    const reply = await refused({ body }, { code: 'model_not_found', param: 'model' })
    assert.equal(reply.headers.has('set-cookie'), false)
    for (const name of ['a%0d%0aset-cookie:%20a=b', '%00', '%E0%A4%A', '..%2f..%2fetc%2fpasswd', '%ff']) {
      using client = await openRawClient(gateway.port)
      client.send(bytesOf({ method: 'GET', path: `/v1/models/${name}`, body: '' }))
      const { status, headers } = await client.reply()
      assert.equal(status, 404)
      assert.equal(headers.has('set-cookie'), false)
    }
  })

  test("a client's own request id is echoed when it is harmless", async () => {
    const longest = 'i'.repeat(128)
    for (const [sent, echoed] of [
      ['my-id-1', 'my-id-1'],
      [longest, longest],
      [`${longest}i`, undefined],
      ['two words', undefined],
      ['tab\there', undefined],
      ['caf\u00e9s', undefined],
      ['', undefined],
    ] as const) {
      const headers = [`x-request-id: ${sent}`]
      const good = await succeeds({ headers })
      const bad = await refused({ headers, body: '{' }, { code: 'invalid_json' })
      for (const reply of [good, bad]) {
        assert.equal(reply.headers.get('x-client-request-id'), echoed)
        assert.notEqual(reply.headers.get('x-request-id'), sent)
      }
    }
  })

  test('what is not HTTP closes the connection and reaches nobody', async () => {
    const asked = node.ledger.size
    const auth = `authorization: Bearer ${tenant.key}\r\n`
    for (const bytes of [
      'hello\r\n\r\n',
      `POST ${CHAT} HTTP/1.0\r\nhost: a\r\n${auth}content-length: ${GOOD.length}\r\n\r\n${GOOD}`,
      `POST ${CHAT} HTTP/1.1\r\nhost: a\r\n${auth}content-length: -1\r\n\r\n${GOOD}`,
      `POST ${CHAT} HTTP/1.1\r\nhost: a\r\n${auth}content-length: 0x10\r\n\r\n${GOOD}`,
      `POST ${CHAT} HTTP/1.1\r\nhost: a\r\n${auth}content-length: 5, 5\r\n\r\n${GOOD}`,
      `POST ${CHAT} HTTP/1.1\r\nhost: a\r\n${auth}content-length: 99999999999999999999\r\n\r\n${GOOD}`,
      `POST ${CHAT} HTTP/1.1\r\nhost: a\r\n${auth}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n${GOOD}`,
      `POST ${CHAT} HTTP/1.1\r\n${auth}content-length: ${GOOD.length}\r\n\r\n${GOOD}`,
      `GET http://169.254.169.254/ HTTP/1.1\r\n\r\n`,
    ]) {
      using client = await openRawClient(gateway.port)
      client.send(bytes)
      await client.closed()
      assert.doesNotMatch(client.received().toString('latin1'), /^HTTP\/1\.1 2/, bytes)
    }
    assert.equal(node.ledger.size, asked)
  })

  test('a header line that is not one is never acted upon', async () => {
    const asked = node.ledger.size
    const clients = await Promise.all(Array.from({ length: 6 }, () => openRawClient(gateway.port)))
    const lines = ['\r', '\n', '\0', '\r\n\t'].map((separator) => `x-request-id: a${separator}set-cookie: b`)
    lines.push(`content-length : ${GOOD.length}`, 'no colon')
    lines.forEach((line, at) => clients[at]?.send(bytesOf({ headers: [line] })))
    // Answered later than those would have been.
    await succeeds({})
    for (const client of clients) {
      assert.doesNotMatch(client.received().toString('latin1'), /^(?:HTTP\/1\.1 2|set-cookie)/im)
      client[Symbol.dispose]()
    }
    assert.equal(node.ledger.size, asked + 1)
  })

  test('bodies that are never finished are bounded, and forgotten when their clients leave', async () => {
    // What has come counts, not what was announced.
    const unfinished = bytesOf({
      framing: ['host: gateway', `content-length: ${MAX_BODY_BYTES}`],
      body: `{"model":${' '.repeat(MAX_BODY_BYTES - 10)}`,
    })
    const full = { body: GOOD + ' '.repeat(MAX_BODY_BYTES - GOOD.length) }
    for (let round = 0; round < 3; round++) {
      using one = await openRawClient(gateway.port)
      using other = await openRawClient(gateway.port)
      one.send(unfinished)
      other.send(unfinished)
      await eventually('no room is left', async () => {
        using client = await openRawClient(gateway.port)
        client.send(bytesOf(full))
        return (await client.reply()).status === 503
      })
      const reply = await refused({ body: full.body }, { code: 'overloaded' })
      assert.equal(reply.headers.get('retry-after'), '1')
    }
    await eventually('there is room again', async () => {
      using client = await openRawClient(gateway.port)
      client.send(bytesOf(full))
      return (await client.reply()).status === 200
    })
  })

  test('the process is unharmed by all of it', async () => {
    await succeeds({})
    assert.deepEqual(proxies(), pids)
    const { lines } = gateway.process
    assert.deepEqual(
      lines.filter(({ event }) => event === 'internal_error' || event === 'process_ended_badly'),
      [],
    )
    await eventually('nothing is open', () => node.stats().busySockets === 0)
  })
})
