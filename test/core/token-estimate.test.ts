import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readRequestHead } from '../../src/core/request-head.js'
import type { SnapshotModel } from '../../src/core/snapshot.js'
import { estimateCost, estimateTokens } from '../../src/core/token-estimate.js'

const MODEL: SnapshotModel = {
  id: 'm',
  name: 'm',
  aliases: [],
  family: 'f',
  type: 'chat',
  contextLength: 8_192,
  tokensPerSecond: null,
  prices: { inputMicros: 2_000_000, cachedInputMicros: 1, outputMicros: 3_000_000 },
  createdAt: 0,
}

const estimate = (endpoint: 'chat.completions' | 'completions' | 'embeddings', body: object) =>
  estimateTokens(endpoint, readRequestHead(Buffer.from(JSON.stringify({ model: 'm', ...body }))), MODEL)

const chat = (text: string, more: object = {}) =>
  estimate('chat.completions', { messages: [{ role: 'user', content: text }], ...more })

test('the prompt is a quarter of its bytes, the answer what was asked for, of each choice', () => {
  const { prompt, completion } = chat('x'.repeat(4_000), { max_tokens: 100, n: 3 })
  assert.ok(prompt >= 1_000 && prompt <= 1_010, String(prompt))
  assert.equal(completion, 300)
  assert.equal(estimateCost({ prompt: 1_000, completion: 100 }, MODEL), 2_300_000)
})

test('who does not say how much is reckoned with 1,024 tokens, or what the context has left', () => {
  assert.equal(chat('hello').completion, 1_024)
  assert.equal(chat('x'.repeat(4 * 8_000)).completion < 200, true)
  assert.equal(chat('x'.repeat(1_000_000)).prompt, 8_192, 'an image is no text')
})

test('several prompts are several: each with a context and an answer of its own', () => {
  const texts = Array.from({ length: 100 }, () => 'x'.repeat(400))
  assert.deepEqual(estimate('completions', { prompt: texts, max_tokens: 1_000 }), {
    prompt: 10_000,
    completion: 100_000,
  })
  const inputs = Array.from({ length: 2_000 }, () => Array.from({ length: 10 }, () => 7))
  assert.deepEqual(estimate('embeddings', { input: inputs }), { prompt: 20_000, completion: 0 })
})

test('an estimate is whole, bounded by the contexts of all choices, and more with more', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 3_000 }), { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 1, max: 8_192 }),
      fc.integer({ min: 1, max: 4 }),
      (lengths, max_tokens, n) => {
        const prompt = lengths.map((length) => 'y'.repeat(length))
        const { prompt: tokens, completion } = estimate('completions', { prompt, max_tokens, n })
        assert.ok(Number.isInteger(tokens) && Number.isInteger(completion))
        assert.ok(tokens <= MODEL.contextLength * prompt.length)
        assert.ok(completion >= n && completion <= MODEL.contextLength * n * prompt.length)
        const less = estimate('completions', { prompt, max_tokens: Math.ceil(max_tokens / 2), n })
        assert.ok(less.completion <= completion)
      },
    ),
  )
})
