import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import OpenAI, { APIError } from 'openai'
import { z } from 'zod'
import type { ChatCompletionChunk } from 'openai/resources/chat/completions'
import { startSimulatedNode, type LedgerEntry, type SimulatedNode } from '../../bench/nodes.js'
import { startTestGateway, type NewKey, type TestGateway } from '../support/gateway.js'
import { eventually } from '../support/processes.js'
import { allRows, noticedLate } from '../support/usage-audit.js'

const MODEL = 'acme/sim-8b'
const MESSAGES = [{ role: 'user' as const, content: 'Tell me about the sea.' }]

let gateway: TestGateway
let node: SimulatedNode
let tenant: NewKey
let client: OpenAI

const clientOf = (apiKey: string, maxRetries = 0) =>
  new OpenAI({ apiKey, baseURL: `${gateway.url}/v1`, maxRetries })

/** What the node did for a request; exactly one attempt. */
function served(requestId: string | null | undefined): LedgerEntry {
  const attempts = node.ledger.get(requestId ?? '') ?? []
  assert.equal(attempts.length, 1, `attempts of ${requestId}`)
  const [only] = attempts
  assert.ok(only)
  return only
}

/** The usage record says exactly what the ledger says, at the model's prices. */
async function assertBilled(requestId: string | null | undefined, expected: object = {}): Promise<void> {
  const { promptTokens, completionTokens } = served(requestId)
  const row = await gateway.usage(requestId ?? '')
  const wanted = {
    model: MODEL,
    node: 'node-1',
    status: 200,
    error_code: '',
    client_abort: false,
    attempts: 1,
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    counted: 'reported',
    // A micro-dollar a prompt token, two a completion token.
    cost_nanos: 1000 * promptTokens + 2000 * completionTokens,
    ...expected,
  }
  assert.deepEqual({ ...row, ...wanted }, row)
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

const contentOf = (chunks: readonly ChatCompletionChunk[], index = 0) =>
  chunks
    .flatMap((chunk) => chunk.choices)
    .filter((choice) => choice.index === index)
    .map((choice) => choice.delta.content ?? '')
    .join('')

interface Expected {
  readonly status: number
  readonly type: string
  readonly code: string
  readonly param?: string
}

/** Rejects with that class of error, with status, type, code and param as documented. */
async function assertFails(
  answer: Promise<unknown>,
  kind: new (...args: never[]) => APIError,
  { status, type, code, param }: Expected,
): Promise<APIError> {
  const error: unknown = await answer.then(
    () => assert.fail('it succeeded'),
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof kind, String(error))
  assert.deepEqual(
    [error.status, error.type, error.code, error.param],
    [status, type, code, param ?? null],
    error.message,
  )
  assert.match(error.requestID ?? '', /^[0-9a-f]{8}-[0-9a-f]{4}-7/)
  return error
}

const ask = (asking: OpenAI, fields: object = {}) =>
  asking.chat.completions.create({ model: MODEL, messages: MESSAGES, max_tokens: 5, ...fields })

describe('the official openai client', () => {
  before(async () => {
    gateway = await startTestGateway()
    node = await startSimulatedNode()
    tenant = await gateway.createTenant()
    client = clientOf(tenant.key)
    await gateway.serve(MODEL, { 'node-1': node })
  })

  after(async () => {
    await gateway[Symbol.asyncDispose]()
    // No socket of the gateway outlives it.
    assert.equal(node.stats().openSockets, 0)
    await node.close()
  })

  test('answers a chat, plain and streamed alike, and bills what the node wrote', async () => {
    const body = { model: MODEL, messages: MESSAGES, max_tokens: 20 }
    const { data: plain, request_id: plainId } = await client.chat.completions.create(body).withResponse()
    const { data: stream, request_id: streamId } = await client.chat.completions
      .create({ ...body, stream: true })
      .withResponse()
    const chunks = await collect(stream)

    assert.equal(plain.choices[0]?.finish_reason, 'length')
    assert.equal(plain.usage?.completion_tokens, 20)
    assert.equal(contentOf(chunks), plain.choices[0]?.message.content)
    assert.equal(chunks.at(-1)?.choices[0]?.finish_reason, 'length')
    // Nobody asked for usage in the stream.
    assert.ok(chunks.every((chunk) => !('usage' in chunk) && chunk.choices.length === 1))
    await assertBilled(plainId, { endpoint: 'chat.completions', stream: false })
    await assertBilled(streamId, { endpoint: 'chat.completions', stream: true })
    assert.equal(served(streamId).completionTokens, 20)
  })

  test('include_usage is honoured: once, at the end', async () => {
    const stream = await client.chat.completions.create({
      model: MODEL,
      messages: MESSAGES,
      max_tokens: 5,
      stream: true,
      stream_options: { include_usage: true },
    })
    const chunks = await collect(stream)
    assert.deepEqual(
      chunks.map((chunk) => chunk.usage?.completion_tokens ?? null),
      [...chunks.slice(1).map(() => null), 5],
    )
    assert.deepEqual(chunks.at(-1)?.choices, [])
  })

  test('several choices arrive whole and are billed together', async () => {
    const body = { model: MODEL, messages: MESSAGES, max_tokens: 7, n: 3 }
    const { data: stream, request_id: requestId } = await client.chat.completions
      .create({ ...body, stream: true })
      .withResponse()
    const chunks = await collect(stream)
    const plain = await client.chat.completions.create(body)
    for (const choice of plain.choices) assert.equal(contentOf(chunks, choice.index), choice.message.content)
    assert.equal(plain.choices.length, 3)
    assert.equal(served(requestId).completionTokens, 21)
    await assertBilled(requestId)
  })

  test('continues a text, plain and streamed alike', async () => {
    const body = { model: MODEL, prompt: 'Once upon a time', max_tokens: 9 }
    const plain = await client.completions.create(body)
    const { data: stream, request_id: requestId } = await client.completions
      .create({ ...body, stream: true })
      .withResponse()
    const chunks = await collect(stream)
    assert.equal(chunks.map((chunk) => chunk.choices[0]?.text).join(''), plain.choices[0]?.text)
    await assertBilled(requestId, { endpoint: 'completions' })
  })

  test('embeds texts, as floats and in the client’s default base64', async () => {
    const input = ['the sea', 'the sky']
    const { data: decoded, request_id: requestId } = await client.embeddings
      .create({ model: MODEL, input })
      .withResponse()
    const floats = await client.embeddings.create({ model: MODEL, input, encoding_format: 'float' })
    assert.equal(floats.data.length, 2)
    for (const [at, { embedding }] of floats.data.entries()) {
      assert.equal(embedding.length, 64)
      assert.deepEqual(decoded.data[at]?.embedding.map(Math.fround), embedding.map(Math.fround))
    }
    assert.equal(decoded.usage.prompt_tokens, served(requestId).promptTokens)
    await assertBilled(requestId, { endpoint: 'embeddings', completion_tokens: 0 })
  })

  test('lists and retrieves models, slashes in their names included', async () => {
    const models = await collect(client.models.list())
    const card = models.find(({ id }) => id === MODEL)
    assert.equal(card?.owned_by, 'sim')
    assert.ok(card.created > 1_700_000_000)
    // This client encodes the slash; others do not.
    assert.deepEqual({ ...(await client.models.retrieve(MODEL)) }, { ...card })
    const raw = await fetch(`${gateway.url}/v1/models/${MODEL}`, {
      headers: { authorization: `Bearer ${tenant.key}` },
    })
    assert.deepEqual(await raw.json(), card)
    await assert.rejects(client.models.retrieve('no/such'), OpenAI.NotFoundError)
  })

  test('a client that leaves in mid-stream stops the node at once and pays for what was made', async () => {
    const { data: stream, request_id: requestId } = await client.chat.completions
      .create({
        model: MODEL,
        messages: MESSAGES,
        max_tokens: 100_000,
        stream: true,
        // A field of the simulation: milliseconds between two tokens.
        ...{ sim_itl_ms: 5 },
      })
      .withResponse()
    let seen = 0
    for await (const { choices } of stream) {
      if ((choices[0]?.delta.content ?? '') === '') continue
      if (++seen === 10) break
    }
    await eventually('the node notices', () => served(requestId).endedAt !== null)
    const { aborted, completionTokens } = served(requestId)
    assert.equal(aborted, true)
    assert.ok(completionTokens >= 10)
    await gateway.usage(requestId ?? '')
    const row = (await allRows(gateway)).find(({ request_id }) => request_id === requestId)
    assert.ok(row)
    // What a node that is short of processor time writes after the gateway has hung up is not billed.
    const late = noticedLate(row, { node: row.node, continuous: true, entry: served(requestId) })
    await assertBilled(requestId, {
      ...{ status: 499, error_code: 'client_closed', client_abort: true },
      ...(late && { completion_tokens: row.completion_tokens, cost_nanos: row.cost_nanos }),
    })
  })

  test('a client that leaves before a plain answer stops the node, too', async () => {
    const leave = new AbortController()
    const before = node.ledger.size
    const answer = client.chat.completions.create(
      { model: MODEL, messages: MESSAGES, max_tokens: 10_000, ...{ sim_itl_ms: 20 } },
      { signal: leave.signal },
    )
    await eventually('the node works', () => node.stats().running === 1)
    leave.abort()
    await assert.rejects(answer, OpenAI.APIUserAbortError)
    await eventually('the node stops', () => node.stats().running === 0)
    const [requestId, attempts] = [...node.ledger].at(before) ?? []
    assert.equal(attempts?.[0]?.aborted, true)
    const row = await gateway.usage(requestId ?? '')
    assert.deepEqual([row.status, row.client_abort, row.counted], [499, true, 'estimated'])
  })

  test('a key that is unknown, malformed or missing is an AuthenticationError, whatever the prompt’s size', async () => {
    const unknown = await gateway.createTenant()
    await gateway.admin('DELETE', `/admin/tenants/${unknown.id}`, z.unknown())
    const denied = { status: 401, type: 'invalid_request_error', code: 'invalid_api_key' }
    const large = { messages: [{ role: 'user' as const, content: 'x'.repeat(2_000_000) }] }
    for (const key of [unknown.key, `${tenant.key.slice(0, -1)}!`, 'sk-1234']) {
      for (const body of [{}, large]) {
        await assertFails(ask(clientOf(key), body), OpenAI.AuthenticationError, denied)
      }
      await assertFails(clientOf(key).models.retrieve(MODEL), OpenAI.AuthenticationError, denied)
    }
  })

  test('an unknown model is a NotFoundError that names the field', async () => {
    await assertFails(ask(client, { model: 'acme/none' }), OpenAI.NotFoundError, {
      status: 404,
      type: 'invalid_request_error',
      code: 'model_not_found',
      param: 'model',
    })
  })

  test('wrong types and a too large max_tokens are a BadRequestError, decided before a node is asked', async () => {
    const asked = node.ledger.size
    const bad = { max_tokens: 'many', n: 0, stream: 'yes', model: 7, user: [], max_completion_tokens: -1 }
    for (const [param, value] of [...Object.entries(bad), ['max_tokens', 2_000_000] as const]) {
      await assertFails(ask(client, { [param]: value }), OpenAI.BadRequestError, {
        status: 400,
        type: 'invalid_request_error',
        code: 'invalid_parameter',
        param,
      })
    }
    assert.equal(node.ledger.size, asked)
  })

  test("a node's own 400 comes through with its message, and is billed nothing", async () => {
    const long = { prompt: 'x'.repeat(600_000), max_tokens: 5, model: MODEL }
    const error = await assertFails(client.completions.create(long), OpenAI.BadRequestError, {
      status: 400,
      type: 'invalid_request_error',
      code: 'context_length_exceeded',
      param: 'messages',
    })
    assert.match(error.message, /maximum context length is 131072 tokens/)
    await assertFails(ask(client, { messages: [] }), OpenAI.BadRequestError, {
      status: 400,
      type: 'invalid_request_error',
      code: 'invalid_parameter',
      param: 'messages',
    })
    const row = await gateway.usage(error.requestID ?? '')
    assert.deepEqual([row.status, row.prompt_tokens, row.cost_nanos], [400, 0, 0])
  })

  test('what a key may not do is a PermissionDeniedError', async () => {
    const asked = node.ledger.size
    const reading = await gateway.createKey(tenant.id, { role: 'read-only' })
    await assertFails(ask(clientOf(reading.key)), OpenAI.PermissionDeniedError, {
      status: 403,
      type: 'permission_error',
      code: 'role_not_allowed',
    })
    assert.equal((await clientOf(reading.key).models.retrieve(MODEL)).id, MODEL)

    await gateway.createModel('another')
    const other = await gateway.createKey(tenant.id, { allowed_models: ['another'] })
    await assertFails(ask(clientOf(other.key)), OpenAI.PermissionDeniedError, {
      status: 403,
      type: 'permission_error',
      code: 'model_not_allowed',
      param: 'model',
    })
    await assertFails(clientOf(other.key).models.retrieve(MODEL), OpenAI.NotFoundError, {
      status: 404,
      type: 'invalid_request_error',
      code: 'model_not_found',
      param: 'model',
    })

    const suspended = await gateway.createTenant()
    await ask(clientOf(suspended.key), { max_tokens: 1 })
    const before = node.ledger.size
    await gateway.admin('POST', `/admin/tenants/${suspended.id}/suspend`, z.unknown())
    await eventually('the suspension holds', () =>
      ask(clientOf(suspended.key), { max_tokens: 1 }).then(
        () => false,
        () => true,
      ),
    )
    await assertFails(ask(clientOf(suspended.key)), OpenAI.PermissionDeniedError, {
      status: 403,
      type: 'permission_error',
      code: 'tenant_suspended',
    })
    assert.ok(before > asked)
  })

  for (const [kind, status, type, code] of [
    ['http_500', 502, 'upstream_error', 'upstream_error'],
    ['http_404', 502, 'upstream_error', 'upstream_error'],
    ['http_503', 503, 'overloaded_error', 'overloaded'],
    ['http_429', 503, 'overloaded_error', 'overloaded'],
    ['die_before_headers', 502, 'upstream_error', 'upstream_connection_lost'],
    ['garbage', 502, 'upstream_error', 'upstream_invalid_response'],
  ] as const) {
    test(`a node that fails with ${kind} is an InternalServerError ${status}, which is not tried again`, async () => {
      for (const stream of [false, true]) {
        const asked = node.ledger.size
        // The client's own default is two retries.
        const failing = ask(clientOf(tenant.key, 2), { stream, sim_fault: { kind } })
        const error = await assertFails(failing, OpenAI.InternalServerError, { status, type, code })
        assert.equal(error.headers?.get('x-should-retry'), 'false')
        assert.equal(error.headers?.get('x-gateway-attempts'), '1')
        assert.equal(error.headers?.get('retry-after'), status === 503 ? '1' : null)
        assert.equal(node.ledger.size, asked + 1)
        served(error.requestID)
        const row = await gateway.usage(error.requestID ?? '')
        assert.deepEqual([row.status, row.error_code, row.cost_nanos], [status, code, 0])
      }
    })
  }

  test('where no node is there the client tries again by itself, as the headers say', async () => {
    await gateway.createModel('nodeless')
    await gateway.live()
    const answers: string[] = []
    const counting = new OpenAI({
      apiKey: tenant.key,
      baseURL: `${gateway.url}/v1`,
      maxRetries: 1,
      async fetch(url, init) {
        const reply = await fetch(url, init)
        answers.push(
          `${reply.status} ${reply.headers.get('retry-after')} ${reply.headers.get('x-should-retry')}`,
        )
        return reply
      },
    })
    await assertFails(ask(counting, { model: 'nodeless' }), OpenAI.InternalServerError, {
      status: 503,
      type: 'overloaded_error',
      code: 'no_healthy_node',
    })
    assert.deepEqual(answers, ['503 1 null', '503 1 null'])
  })

  test('an error in mid-stream is an APIError after what was streamed', async () => {
    const stream = await client.chat.completions.create({
      model: MODEL,
      messages: MESSAGES,
      max_tokens: 20,
      stream: true,
      ...{ sim_fault: { kind: 'die_after_tokens', after_tokens: 6 } },
    })
    const chunks: ChatCompletionChunk[] = []
    await assert.rejects(
      async () => {
        for await (const chunk of stream) chunks.push(chunk)
      },
      (error: unknown) => {
        assert.ok(error instanceof APIError)
        assert.deepEqual([error.type, error.code], ['upstream_error', 'upstream_connection_lost'])
        return true
      },
    )
    assert.equal(chunks.filter(({ choices }) => choices[0]?.delta.content !== '').length, 6)
  })

  test('no request is left open and no socket is busy', async () => {
    await eventually('the node is idle', () => {
      const { running, waiting, busySockets } = node.stats()
      return running + waiting + busySockets === 0
    })
  })
})
