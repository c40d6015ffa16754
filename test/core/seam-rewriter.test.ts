import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeamRewriter } from '../../src/core/seam-rewriter.js'
import type { TokenCounts } from '../../src/core/usage-record.js'

const FIRST = JSON.stringify({
  id: 'chatcmpl-first',
  object: 'chat.completion.chunk',
  created: 100,
  model: 'first',
  choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }],
})

const data = (json: object) => `data: ${JSON.stringify(json)}\n\n`
const later = (choice: object, more: object = {}) => ({
  id: 'chatcmpl-second',
  object: 'chat.completion.chunk',
  created: 200,
  model: 'second',
  choices: [{ index: 0, finish_reason: null, ...choice }],
  ...more,
})

function rewriter(usage: (own: TokenCounts) => TokenCounts = (own) => own): SeamRewriter {
  return new SeamRewriter(FIRST, usage)
}

function frames(bytes: Buffer): unknown[] {
  return bytes
    .toString()
    .split('\n\n')
    .filter((frame) => frame.startsWith('data: {'))
    .map((frame) => JSON.parse(frame.slice('data: '.length)) as unknown)
}

test('a second node speaks with the first one’s id and without a role of its own', () => {
  const out = rewriter().rewrite(
    Buffer.from(
      data(later({ delta: { role: 'assistant', content: '' } })) +
        data(later({ delta: { role: 'assistant', content: 'on' } })) +
        data(later({ delta: { content: ' and on' } })) +
        data(later({ delta: {}, finish_reason: 'stop' })) +
        'data: [DONE]\n\n',
    ),
  )
  const first = { id: 'chatcmpl-first', created: 100, model: 'first' }
  assert.deepEqual(frames(out), [
    { ...later({ delta: { content: 'on' } }), ...first },
    { ...later({ delta: { content: ' and on' } }), ...first },
    { ...later({ delta: {}, finish_reason: 'stop' }), ...first },
  ])
  assert.ok(out.toString().endsWith('\n\ndata: [DONE]\n\n'))
})

test('text with blank lines and a comment pass whole', () => {
  const out = rewriter().rewrite(Buffer.from(`: ping\n\n${data(later({ delta: { content: 'a\n\nb' } }))}`))
  assert.ok(out.toString().startsWith(': ping\n\n'))
  const [only] = frames(out) as { choices: { delta: object }[] }[]
  assert.deepEqual(only?.choices[0]?.delta, { content: 'a\n\nb' })
})

test('the usage that a client reads is that of the whole answer', () => {
  const whole = rewriter((own) => ({
    promptTokens: 10,
    cachedTokens: 4,
    completionTokens: own.completionTokens + 7,
  }))
  const usage = {
    prompt_tokens: 17,
    completion_tokens: 5,
    total_tokens: 22,
    prompt_tokens_details: { cached_tokens: 16 },
    other: 1,
  }
  const [frame] = frames(whole.rewrite(Buffer.from(data({ ...later({}), choices: [], usage })))) as {
    usage: object
  }[]
  assert.deepEqual(frame?.usage, {
    prompt_tokens: 10,
    completion_tokens: 12,
    total_tokens: 22,
    prompt_tokens_details: { cached_tokens: 4 },
    other: 1,
  })
})

test('an answer with nothing left to make is ended for its node', () => {
  const counts = { promptTokens: 3, cachedTokens: 0, completionTokens: 9 }
  const out = rewriter().finish(true, 'length', counts)
  const first = { id: 'chatcmpl-first', object: 'chat.completion.chunk', created: 100, model: 'first' }
  assert.deepEqual(frames(out), [
    { ...first, choices: [{ index: 0, delta: {}, finish_reason: 'length' }] },
    { ...first, choices: [], usage: { prompt_tokens: 3, total_tokens: 12, completion_tokens: 9 } },
  ])
  assert.ok(out.toString().endsWith('data: [DONE]\n\n'))
  assert.equal(rewriter().finish(false, null, null).toString(), 'data: [DONE]\n\n')
})

test('a frame that is no JSON passes as it is', () => {
  const frame = 'data: {"choices":[{]}\n\n'
  assert.equal(rewriter().rewrite(Buffer.from(frame)).toString(), frame)
})
