import assert from 'node:assert/strict'
import { test } from 'node:test'
import OpenAI from 'openai'
import { z } from 'zod'
import { startSimulatedNode, type SimulatedNode } from '../../bench/nodes.js'
import { attempt, CONTINUOUS, frames, HI, post, textOf } from './node-client.js'
import { eventually, openRaw, rawTokens } from './raw-http.js'

test('streams chat to the openai client, role first, usage last', async () => {
  await using node = await startSimulatedNode({ itlMs: 1 })
  const client = new OpenAI({ baseURL: `${node.url}/v1`, apiKey: 'any', maxRetries: 0 })
  const stream = await client.chat.completions.create({
    model: 'sim-8b',
    messages: [{ role: 'user', content: 'hello' }],
    max_tokens: 7,
    stream: true,
    stream_options: { include_usage: true },
  })
  const chunks = []
  for await (const chunk of stream) chunks.push(chunk)
  assert.equal(chunks.length, 9)
  assert.deepEqual(chunks[0]?.choices[0]?.delta, { role: 'assistant', content: '' })
  assert.equal(chunks[7]?.choices[0]?.finish_reason, 'length')
  assert.deepEqual(chunks[8]?.choices, [])
  assert.equal(chunks[8]?.usage?.completion_tokens, 7)
})

test('answers the openai client plainly: chat, completions, models, embeddings in both encodings', async () => {
  await using node = await startSimulatedNode({ models: ['a/b', 'c'] })
  const client = new OpenAI({ baseURL: `${node.url}/v1`, apiKey: 'any', maxRetries: 0 })
  const chat = await client.chat.completions.create({
    model: 'c',
    messages: [{ role: 'user', content: 'x' }],
    n: 2,
  })
  assert.equal(chat.choices.length, 2)
  assert.notEqual(chat.choices[0]?.message.content, chat.choices[1]?.message.content)
  assert.equal(chat.usage?.completion_tokens, 256)

  const completion = await client.completions.create({ model: 'c', prompt: ['one', 'two'] })
  assert.deepEqual(
    completion.choices.map((choice) => choice.index),
    [0, 1],
  )
  assert.equal(completion.usage?.completion_tokens, 32)

  assert.deepEqual(
    (await client.models.list()).data.map((model) => model.id),
    ['a/b', 'c'],
  )
  assert.equal((await client.models.retrieve('a/b')).id, 'a/b')

  const packed = await client.embeddings.create({ model: 'c', input: ['one', 'two'] })
  const floats = await client.embeddings.create({
    model: 'c',
    input: ['one', 'two'],
    encoding_format: 'float',
  })
  assert.equal(packed.data[1]?.embedding.length, 64)
  assert.deepEqual(packed.data, floats.data)
})

test('gives errors that the openai client has classes for', async () => {
  await using node = await startSimulatedNode({ apiKey: 'secret', contextLength: 50 })
  const client = (apiKey: string) => new OpenAI({ baseURL: `${node.url}/v1`, apiKey, maxRetries: 0 })
  const messages = [{ role: 'user' as const, content: 'x' }]
  const ask = (key: string, model: string, extra: object) =>
    client(key).chat.completions.create({ model, messages, ...extra })
  await assert.rejects(ask('wrong', 'sim-8b', {}), OpenAI.AuthenticationError)
  await assert.rejects(ask('secret', 'none', {}), OpenAI.NotFoundError)
  await assert.rejects(
    ask('secret', 'sim-8b', { sim_fault: { kind: 'http_500' } }),
    OpenAI.InternalServerError,
  )
  await assert.rejects(ask('secret', 'sim-8b', { sim_fault: { kind: 'http_429' } }), OpenAI.RateLimitError)
  await assert.rejects(ask('secret', 'sim-8b', { max_tokens: 51 }), (error: unknown) => {
    assert.ok(error instanceof OpenAI.BadRequestError)
    assert.match(error.message, /maximum context length is 50 tokens/)
    return true
  })
  const raw = await post(node, '/v1/chat/completions', { ...HI, max_tokens: 51 }, 'e', {
    authorization: 'Bearer secret',
  })
  const body = z.object({ error: z.object({ code: z.number() }) }).parse(await raw.json())
  assert.equal(body.error.code, 400)
})

test('counts continuous usage in every frame, per choice', async () => {
  await using node = await startSimulatedNode()
  const all = await frames(
    await post(node, '/v1/chat/completions', { ...HI, n: 3, max_tokens: 5, ...CONTINUOUS }, 'u'),
  )
  const seen = [0, 0, 0]
  for (const frame of all) {
    const [choice] = frame.choices
    assert.ok(frame.usage)
    if (choice === undefined) continue
    seen[choice.index] = frame.usage.completion_tokens
  }
  assert.deepEqual(seen, [5, 5, 5])
  const last = all.at(-1)
  assert.deepEqual(last?.choices, [])
  assert.equal(last?.usage?.completion_tokens, 15)
  const entry = attempt(node, 'u')
  assert.equal(entry.completionTokens, 15)
  assert.equal(entry.promptTokens, last?.usage?.prompt_tokens)
  assert.ok(entry.finished && !entry.aborted && entry.endedAt !== null)
})

test('sends usage only as asked for, by flavour', async () => {
  const count = async (flavour: 'vllm' | 'sglang' | 'plain', streamOptions: object | undefined) => {
    await using node = await startSimulatedNode({ flavour })
    const body = { ...HI, max_tokens: 4, stream: true, stream_options: streamOptions }
    const all = await frames(await post(node, '/v1/chat/completions', body))
    return all.filter((frame) => frame.usage !== undefined && frame.usage !== null).length
  }
  const continuous = CONTINUOUS.stream_options
  assert.equal(await count('vllm', undefined), 0)
  assert.equal(await count('vllm', { include_usage: true }), 1)
  assert.equal(await count('vllm', { continuous_usage_stats: true }), 0)
  assert.equal(await count('vllm', continuous), 6)
  // A role frame and a finish frame of its own.
  assert.equal(await count('sglang', continuous), 7)
  assert.equal(await count('plain', continuous), 1)
})

test('gives the same answer on every node, streamed or not, and another one for another model seed', async () => {
  await using first = await startSimulatedNode({ seed: 1 })
  await using second = await startSimulatedNode({ seed: 99, jitter: 0.5, itlMs: 1 })
  await using other = await startSimulatedNode({ modelSeed: 2 })
  const ask = async (node: SimulatedNode, extra: object) =>
    textOf(
      await frames(
        await post(node, '/v1/chat/completions', { ...HI, max_tokens: 60, stream: true, ...extra }),
      ),
    )
  const answer = await ask(first, {})
  assert.equal(await ask(second, {}), answer)
  assert.notEqual(await ask(other, {}), answer)
  const plain = await post(first, '/v1/chat/completions', { ...HI, max_tokens: 60 })
  const reply = z
    .object({ choices: z.array(z.object({ message: z.object({ content: z.string() }) })) })
    .parse(await plain.json())
  assert.equal(reply.choices[0]?.message.content, answer)
})

test('continues an answer word for word from wherever it was cut', async () => {
  await using node = await startSimulatedNode()
  const chat = async (messages: object[], maxTokens: number, extra: object = {}) =>
    frames(
      await post(node, '/v1/chat/completions', { messages, max_tokens: maxTokens, stream: true, ...extra }),
    )
  const whole = textOf(await chat(HI.messages, 200))
  for (const said of [1, 17, 120]) {
    const start = textOf(await chat(HI.messages, said))
    const messages = [...HI.messages, { role: 'assistant', content: start }]
    const rest = await chat(messages, 200 - said, {
      continue_final_message: true,
      add_generation_prompt: false,
    })
    assert.equal(start + textOf(rest), whole)
  }
  const complete = async (prompt: string, maxTokens: number) =>
    textOf(await frames(await post(node, '/v1/completions', { prompt, max_tokens: maxTokens, stream: true })))
  const text = await complete('Once', 100)
  const start = await complete('Once', 40)
  assert.equal(start + (await complete(`Once${start}`, 60)), text)
})

test('says awkward things: escapes, several bytes a letter, and the word usage', async () => {
  await using node = await startSimulatedNode()
  const all = await frames(
    await post(node, '/v1/chat/completions', { ...HI, max_tokens: 4000, stream: true }),
  )
  const text = textOf(all)
  for (const part of ['"usage":', 'data: [DONE]\n\n', '日本語', '👩‍🚀', '\\', '\u0001'])
    assert.ok(text.includes(part), part)
  assert.equal(all.length, 4001)
})

test('ends answers by itself when told to, at the same place on every node', async () => {
  await using one = await startSimulatedNode({ eosProbability: 0.05 })
  await using two = await startSimulatedNode({ eosProbability: 0.05, flavour: 'sglang', seed: 4 })
  const ask = async (node: SimulatedNode, extra: object = {}) =>
    frames(
      await post(node, '/v1/chat/completions', { ...HI, max_tokens: 1000, ...CONTINUOUS, ...extra }, 'eos'),
    )
  const all = await ask(one)
  const made = all.at(-1)?.usage?.completion_tokens ?? 0
  assert.ok(made < 1000)
  assert.equal(all.at(-2)?.choices[0]?.finish_reason, 'stop')
  assert.equal(attempt(one, 'eos').completionTokens, made)
  assert.equal(textOf(await ask(two)), textOf(all))
  assert.equal((await ask(one, { ignore_eos: true })).at(-1)?.usage?.completion_tokens, 1000)
})

test('keeps to its limit of running requests and serves the queue in order', async () => {
  await using node = await startSimulatedNode({ maxRunning: 3, ttftMs: 3, itlMs: 1 })
  const replies = Array.from({ length: 20 }, (_, at) =>
    post(node, '/v1/chat/completions', { ...HI, max_tokens: 3, stream: at % 2 === 0 }, `q${at}`).then(
      (reply) => reply.text(),
    ),
  )
  await eventually(() => node.stats().waiting > 0, 'a queue')
  await Promise.all(replies)
  assert.equal(node.stats().mostRunning, 3)
  assert.equal(node.stats().running + node.stats().waiting, 0)
  assert.equal(node.stats().generationTokens, 60)
})

test('stops at once when the client leaves in mid-stream, and counts what it wrote', async () => {
  await using node = await startSimulatedNode({ itlMs: 2 })
  for (const leave of ['fin', 'reset'] as const) {
    using client = await openRaw(node.port)
    client.post('/v1/completions', { prompt: 'a', max_tokens: 100_000, ...CONTINUOUS }, leave)
    await client.until((text) => text.includes('"completion_tokens":5,'))
    if (leave === 'fin') client.socket.end()
    else client.socket.resetAndDestroy()
    await eventually(() => attempt(node, leave).aborted, 'the abort')
    const { completionTokens } = attempt(node, leave)
    await eventually(() => node.stats().running === 0 && node.stats().openSockets === 0, 'nothing left')
    assert.equal(attempt(node, leave).completionTokens, completionTokens)
    assert.equal(attempt(node, leave).finished, false)
    if (leave === 'fin') {
      await client.closed
      const frames = client
        .received()
        .toString('latin1')
        .match(/"choices":\[\{"index":0,"text"/g)
      assert.equal(frames?.length, completionTokens)
    }
  }
})

test('forgets queued and plain requests whose client leaves', async () => {
  await using node = await startSimulatedNode({ maxRunning: 1, ttftMs: 5, itlMs: 5 })
  using running = await openRaw(node.port)
  using queued = await openRaw(node.port)
  running.post('/v1/completions', { prompt: 'a', max_tokens: 10_000 }, 'running')
  await eventually(() => node.stats().running === 1, 'one running')
  queued.post('/v1/completions', { prompt: 'a', max_tokens: 10_000 }, 'queued')
  await eventually(() => node.stats().waiting === 1, 'one waiting')
  queued.socket.destroy()
  await eventually(() => node.stats().waiting === 0, 'an empty queue')
  assert.equal(attempt(node, 'queued').completionTokens, 0)
  await new Promise((resolve) => setTimeout(resolve, 40))
  running.socket.destroy()
  await eventually(() => node.stats().running === 0, 'nothing running')
  const entry = attempt(node, 'running')
  assert.ok(entry.completionTokens > 0 && entry.completionTokens < 10_000)
  assert.equal(entry.writtenTokens, 0)
})

test('writes no more to a client that does not read, and loses nothing when it reads again', async () => {
  await using node = await startSimulatedNode()
  using client = await openRaw(node.port)
  client.socket.pause()
  const body = { prompt: 'a', max_tokens: 60_000, stream: true }
  client.post('/v1/completions', body, 'slow', { connection: 'close' })
  let before = -1
  await eventually(() => {
    const completionTokens = node.ledger.get('slow')?.[0]?.completionTokens ?? 0
    const stuck = completionTokens > 0 && completionTokens === before
    before = completionTokens
    return stuck
  }, 'a stuck stream')
  assert.ok(before < 60_000)
  client.socket.resume()
  await client.closed
  assert.equal(rawTokens(client.received()), 60_000)
  assert.equal(attempt(node, 'slow').completionTokens, 60_000)
  assert.ok(attempt(node, 'slow').finished)
})

test('serves requests one after another on a connection, in any cut', async () => {
  await using node = await startSimulatedNode()
  using client = await openRaw(node.port)
  const body = JSON.stringify({ prompt: 'grüße', max_tokens: 2 })
  const one = (id: string) =>
    `POST /v1/completions HTTP/1.1\r\nhost: x\r\nx-request-id: ${id}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  const chunked = `POST /v1/completions HTTP/1.1\r\nhost: x\r\nx-request-id: c\r\ntransfer-encoding: chunked\r\n\r\n${Buffer.byteLength(body).toString(16)}\r\n${body}\r\n0\r\n\r\n`
  const bytes = Buffer.from(one('a') + chunked + one('b'))
  for (const byte of bytes) client.socket.write(Buffer.of(byte))
  await client.until((text) => text.split('HTTP/1.1 200 OK').length === 4 && text.endsWith('null}}'))
  assert.deepEqual([...node.ledger.keys()], ['a', 'c', 'b'])
  client.socket.write('nonsense\r\n\r\n')
  await client.closed
  assert.match(client.received().toString('latin1'), /HTTP\/1\.1 400 Bad Request/)
})

test('keeps two attempts with one request id apart and shows them over HTTP', async () => {
  await using node = await startSimulatedNode()
  for (const kind of ['http_503', 'no_usage']) {
    const reply = await post(node, '/v1/completions', { prompt: 'a', sim_fault: { kind } }, 'twice')
    await reply.text()
  }
  const Ledger = z.object({
    data: z.array(
      z.object({
        requestId: z.string(),
        status: z.number(),
        completionTokens: z.number(),
        fault: z.string(),
      }),
    ),
  })
  const read = async (query: string) =>
    Ledger.parse(await (await fetch(`${node.url}/ledger${query}`)).json()).data
  assert.deepEqual(await read('?request_id=twice'), [
    { requestId: 'twice', status: 503, completionTokens: 0, fault: 'http_503' },
    { requestId: 'twice', status: 200, completionTokens: 16, fault: 'no_usage' },
  ])
  assert.equal((await read('')).length, 2)
  await fetch(`${node.url}/ledger`, { method: 'DELETE' })
  assert.deepEqual(await read(''), [])
})

test('shows its state under the names of its flavour', async () => {
  for (const [flavour, running] of [
    ['vllm', 'vllm:num_requests_running{engine="0",model_name="sim-8b"} 1'],
    ['sglang', 'sglang:num_running_reqs{model_name="sim-8b"} 1'],
  ] as const) {
    await using node = await startSimulatedNode({ flavour, itlMs: 5 })
    await (await post(node, '/v1/completions', { prompt: 'a' })).text()
    using client = await openRaw(node.port)
    client.post('/v1/completions', { prompt: 'a', max_tokens: 100_000, stream: true }, 'm')
    await client.until((text) => text.includes('data: '))
    const text = await (await fetch(`${node.url}/metrics`)).text()
    assert.ok(text.includes(running), text)
    const name = `${flavour}:time_to_first_token_seconds`
    assert.match(text, new RegExp(`${name}_bucket\\{.*le="\\+Inf"\\} 2\n${name}_count\\{.*\\} 2\n`))
  }
  await using plain = await startSimulatedNode({ flavour: 'plain' })
  assert.equal((await fetch(`${plain.url}/metrics`)).status, 404)
  assert.equal((await fetch(`${plain.url}/health`)).status, 200)
  assert.equal((await fetch(`${plain.url}/version`)).status, 200)
})

test('reports cached prompt tokens from a fraction or from remembered prefixes', async () => {
  const cached = async (node: SimulatedNode, prompt: string, id: string) => {
    const all = await frames(
      await post(node, '/v1/completions', { prompt, max_tokens: 1, ...CONTINUOUS }, id),
    )
    const details = all.at(-1)?.usage?.prompt_tokens_details?.cached_tokens ?? 0
    assert.equal(attempt(node, id).cachedTokens, details)
    return details
  }
  await using half = await startSimulatedNode({ cachedFraction: 0.5 })
  assert.equal(await cached(half, 'x'.repeat(400), 'half'), 50)
  await using remembering = await startSimulatedNode({ prefixCache: true })
  const shared = 'shared prefix '.repeat(20)
  assert.equal(await cached(remembering, `${shared} one`, 'cold'), 0)
  assert.equal(await cached(remembering, `${shared} two`, 'warm'), 64)
})

test('frees every socket when it closes in mid-stream', async () => {
  const node = await startSimulatedNode({ itlMs: 5 })
  using client = await openRaw(node.port)
  client.post('/v1/completions', { prompt: 'a', max_tokens: 1000, stream: true }, 'cut')
  await client.until((text) => text.includes('data: '))
  await node.close()
  await node.close()
  await client.closed
  assert.deepEqual(
    [node.stats().openSockets, node.stats().running, attempt(node, 'cut').endedAt !== null],
    [0, 0, true],
  )
  await assert.rejects(openRaw(node.port))
})

test('closes idle connections after its keep-alive time', async () => {
  await using node = await startSimulatedNode({ keepAliveMs: 500 })
  using client = await openRaw(node.port)
  client.post('/v1/completions', { prompt: 'a' }, 'k')
  assert.equal(await client.closed, 'end')
  assert.ok(attempt(node, 'k').finished)
})
