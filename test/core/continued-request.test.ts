import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { continuedRequest, tokensLeft } from '../../src/core/continued-request.js'

const ANSWER = { text: 'half an answer', completionTokens: 3 }
const CHAT = { model: 'm', stream: true, messages: [{ role: 'user', content: 'hello' }], max_tokens: 10 }

function continued(endpoint: 'chat.completions' | 'completions', body: object, answer = ANSWER): unknown {
  const bytes = continuedRequest(endpoint, Buffer.from(JSON.stringify(body)), answer)
  return bytes === null ? null : JSON.parse(bytes.toString())
}

test('a chat goes on with what was said as its last message, and so many tokens less', () => {
  assert.deepEqual(continued('chat.completions', { ...CHAT, min_tokens: 2, temperature: 0.5 }), {
    ...CHAT,
    messages: [...CHAT.messages, { role: 'assistant', content: 'half an answer' }],
    add_generation_prompt: false,
    continue_final_message: true,
    max_tokens: 7,
    min_tokens: 0,
    temperature: 0.5,
  })
})

test('an answer that the client began itself is gone on with', () => {
  const begun = {
    ...CHAT,
    messages: [...CHAT.messages, { role: 'assistant', content: 'Well: ' }],
    add_generation_prompt: false,
    continue_final_message: true,
  }
  assert.deepEqual(continued('chat.completions', begun), {
    ...begun,
    messages: [...CHAT.messages, { role: 'assistant', content: 'Well: half an answer' }],
    max_tokens: 7,
  })
})

test('a completion goes on behind its prompt', () => {
  const answers = [fc.constant('once'), fc.constant(['once'])]
  fc.assert(
    fc.property(
      fc.oneof(...answers),
      fc.string({ unit: 'grapheme' }),
      fc.integer({ min: 1, max: 9 }),
      (prompt, text, made) => {
        const body = { model: 'm', prompt, stream: true, max_tokens: 10 }
        const expected = typeof prompt === 'string' ? `once${text}` : [`once${text}`]
        assert.deepEqual(continued('completions', body, { text, completionTokens: made }), {
          ...body,
          prompt: expected,
          max_tokens: 10 - made,
        })
      },
    ),
  )
})

test('what has not begun is sent as it came, byte for byte', () => {
  const body = Buffer.from('{"model" : "m","messages":[],"tools":[{}]}')
  assert.equal(continuedRequest('chat.completions', body, { text: '', completionTokens: 0 }), body)
})

test('what would not be the same answer is not continued', () => {
  const not: [endpoint: 'chat.completions' | 'completions', change: object][] = [
    ['chat.completions', { n: 2 }],
    ['chat.completions', { logprobs: true }],
    ['chat.completions', { top_logprobs: 0 }],
    ['chat.completions', { tools: [{ type: 'function' }] }],
    ['chat.completions', { functions: [{}] }],
    ['chat.completions', { response_format: { type: 'json_object' } }],
    ['chat.completions', { response_format: { type: 'json_schema' } }],
    ['chat.completions', { guided_regex: 'a+' }],
    ['chat.completions', { structured_outputs: { choice: ['a'] } }],
    ['chat.completions', { modalities: ['text', 'audio'] }],
    ['chat.completions', { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }] }],
    ['chat.completions', { messages: 'none' }],
    ['chat.completions', { continue_final_message: true }],
    ['completions', { prompt: 'p', echo: true }],
    ['completions', { prompt: 'p', logprobs: 1 }],
    ['completions', { prompt: 'p', best_of: 2 }],
    ['completions', { prompt: 'p', suffix: 's' }],
    ['completions', { prompt: ['p', 'q'] }],
    ['completions', { prompt: [1, 2, 3] }],
    ['completions', { prompt: [[1, 2, 3]] }],
    ['completions', {}],
  ]
  for (const [endpoint, change] of not) {
    assert.equal(continued(endpoint, { ...CHAT, ...change }), null, JSON.stringify(change))
  }
})

test('settings that are there and say nothing do not stand in the way', () => {
  const idle = {
    n: 1,
    logprobs: false,
    tools: [],
    response_format: { type: 'text' },
    modalities: ['text'],
    echo: null,
    messages: [{ role: 'user', content: [{ type: 'text', text: 'hello' }] }],
  }
  assert.notEqual(continued('chat.completions', { ...CHAT, ...idle }), null)
})

test('a body that only its node could read is not continued', () => {
  assert.equal(continuedRequest('chat.completions', Buffer.from('{"messages":[{]}'), ANSWER), null)
  assert.equal(continuedRequest('chat.completions', Buffer.from('[]'), ANSWER), null)
})

test('tokens that are left', () => {
  assert.equal(tokensLeft(null, ANSWER), null)
  assert.equal(tokensLeft(3, ANSWER), 0)
})
