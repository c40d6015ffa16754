import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AnswerReader, readError } from '../../../bench/load/answer-reader.js'
import type { Endpoint } from '../../../bench/load/plan.js'

const data = (value: object | string) =>
  `data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`
const delta = (fields: object) => data({ id: 'x', choices: [{ index: 0, delta: fields }] })

const ROLE = delta({ role: 'assistant', content: '' })
const TOKEN = delta({ content: 'a' })
const AWKWARD = delta({ content: ' "content":"x" \n\ndata: [DONE]\n\n"usage":{"prompt_tokens":7}' })
const FINISH = data({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })
const USAGE = data({
  choices: [],
  usage: { prompt_tokens: 11, total_tokens: 16, completion_tokens: 5, prompt_tokens_details: null },
})
const DONE = 'data: [DONE]\n\n'
const PING = ': ping\n\n'

function read(parts: readonly string[], endpoint: Endpoint = 'chat') {
  const reader = new AnswerReader(endpoint)
  let pushed = 0
  // A copy, since the generator's own buffer is overwritten too.
  for (const part of parts) pushed += reader.push(Buffer.from(part))
  assert.equal(pushed, reader.tokens)
  return { tokens: reader.tokens, done: reader.done, error: reader.error, usage: reader.usage }
}

const whole = {
  tokens: 3,
  done: true,
  error: null,
  usage: { promptTokens: 11, completionTokens: 5, cachedTokens: 0 },
}

test('counts the frames that bring text, and takes the usage that comes', () => {
  assert.deepEqual(read([ROLE + TOKEN + PING + AWKWARD + TOKEN + FINISH + USAGE + DONE]), whole)
})

test('reads the same however the stream is cut, and with either line end', () => {
  const text = ROLE + TOKEN + PING + AWKWARD + TOKEN + FINISH + USAGE + DONE
  for (const whatever of [text, text.replaceAll('\n', '\r\n')]) {
    for (let cut = 0; cut <= whatever.length; cut += 1)
      assert.deepEqual(read([whatever.slice(0, cut), whatever.slice(cut)]), whole)
    fc.assert(
      fc.property(fc.array(fc.nat(whatever.length)), (places) => {
        const cuts = [0, ...places.toSorted((a, b) => a - b), whatever.length]
        const parts = cuts.slice(1).map((to, at) => whatever.slice(cuts[at], to))
        assert.deepEqual(read(parts), whole)
      }),
    )
  }
})

test('reasoning, tool calls and text completions bring tokens as well', () => {
  const frames = [
    delta({ content: null, reasoning_content: 'hm' }),
    delta({ reasoning: 'hm' }),
    delta({ tool_calls: [{ index: 0, function: { arguments: '{' } }] }),
    delta({ content: null, reasoning_content: null }),
    delta({ content: null, tool_calls: null }),
  ]
  assert.equal(read([frames.join('')]).tokens, 3)
  const text = (value: string) => data({ choices: [{ index: 0, text: value }] })
  assert.equal(read([text('a') + text('') + text('b')], 'completions').tokens, 2)
})

test('spaces in the JSON, and usage beside a token, are read', () => {
  const spaced =
    'data:{ "choices": [{"delta": {"content": "a"}}], "usage": {"prompt_tokens": 3, "completion_tokens": 1} }\n'
  // A member name is followed by its colon at once, as all writers of JSON have it.
  assert.deepEqual(read([spaced]).usage, { promptTokens: 3, completionTokens: 1, cachedTokens: 0 })
  assert.equal(read([spaced]).tokens, 1)
  assert.equal(read([data({ choices: [], usage: null })]).usage, null)
})

test('an error frame is an error, whichever engine wrote it; text that speaks of errors is none', () => {
  const errors = [
    { error: { message: 'no', type: 'server_error', code: null } },
    { error: { message: 'no', type: 'x', code: 'server_error' } },
    { object: 'error', message: 'no', type: 'server_error', code: '' },
  ]
  for (const one of errors)
    assert.deepEqual(read([TOKEN + data(one) + DONE]).error, { code: 'server_error', message: 'no' })
  assert.equal(read([delta({ content: '{"error":{"message":"no"}}' }) + DONE]).error, null)
  assert.equal(read([FINISH + DONE]).error, null)
})

test('what follows [DONE] does not count, and a line that did not end is none', () => {
  assert.equal(read([DONE + TOKEN]).tokens, 0)
  assert.equal(read([TOKEN.trimEnd()]).tokens, 0)
  assert.equal(read([DONE.trimEnd()]).done, false)
})

test('errors of bodies are read in the shapes that servers have', () => {
  assert.deepEqual(readError('{"error":{"message":"m","code":404}}'), { message: 'm', code: '404' })
  assert.deepEqual(readError('{"error":"m"}'), { message: 'm', code: null })
  assert.deepEqual(readError('{"detail":"Not Found"}'), { message: 'Not Found', code: null })
  for (const text of ['', 'x', '{}', '[]', '{"error":5}']) assert.equal(readError(text), null)
})

test('a whole reply is an answer when it holds one and is not cut', () => {
  const reply = JSON.stringify({ choices: [{}], usage: { prompt_tokens: 2, completion_tokens: 3 } })
  const reader = new AnswerReader('chat')
  assert.ok(reader.readBody(Buffer.from(`${reply}\n`)))
  assert.deepEqual(reader.usage, { promptTokens: 2, completionTokens: 3, cachedTokens: 0 })
  assert.ok(!new AnswerReader('chat').readBody(Buffer.from(reply.slice(0, -10))))
  assert.ok(!new AnswerReader('embeddings').readBody(Buffer.from(reply)))
  assert.ok(!new AnswerReader('chat').readBody(Buffer.from('')))
})
