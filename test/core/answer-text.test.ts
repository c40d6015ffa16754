import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AnswerText, MOST_TEXT_BYTES } from '../../src/core/answer-text.js'
import { SseTap } from '../../src/core/sse-tap.js'

const token = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.constantFrom('"', '\\', '\\"', '"content":"', '\n\n', '👩‍🚀', '\u2028', 'data: [DONE]', '","usage":{}'),
)
const spacing = fc.constantFrom('usual', 'wide')

function frame(endpoint: 'chat' | 'completion', text: string, how: string, extra: object = {}): string {
  const choice =
    endpoint === 'chat' ? { delta: { content: text, ...extra } } : { text, logprobs: null, ...extra }
  const json = {
    id: 'chatcmpl-1',
    created: 1,
    model: 'm',
    choices: [{ index: 0, ...choice, finish_reason: null }],
  }
  const written = JSON.stringify({ ...json, usage: { prompt_tokens: 3, completion_tokens: 1 } })
  return `data: ${how === 'usual' ? written : written.replace('"choices":[', '"choices": [ ')}\n\n`
}

test('the text that is kept is the text that was made, however it is written and cut into reads', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('chat' as const, 'completion' as const),
      fc.array(token, { maxLength: 30 }),
      spacing,
      fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 20 }),
      (endpoint, tokens, how, cuts) => {
        const answer = new AnswerText(endpoint)
        const tap = new SseTap({ mode: 'cut', choices: 1, answer })
        const bytes = Buffer.from(tokens.map((text) => frame(endpoint, text, how)).join(''))
        for (let at = 0, cut = 0; at < bytes.length; cut++) {
          const size = cuts[cut % cuts.length] ?? 1
          tap.read(Buffer.from(bytes.subarray(at, at + size)))
          at += size
        }
        assert.equal(answer.faithful, true)
        assert.equal(answer.text(), tokens.join(''))
        if (tokens.length > 0)
          assert.equal((JSON.parse(answer.firstFrame ?? '') as { id: string }).id, 'chatcmpl-1')
      },
    ),
  )
})

test('an answer that is more than its text is not kept', () => {
  const parts = [
    { reasoning_content: 'hm' },
    { reasoning: 'hm' },
    { tool_calls: [{ index: 0, function: { name: 'f', arguments: '' } }] },
    { refusal: 'no' },
  ]
  for (const part of parts) {
    for (const how of ['usual', 'wide']) {
      const answer = new AnswerText('chat')
      const tap = new SseTap({ mode: 'cut', choices: 1, answer })
      tap.read(Buffer.from(frame('chat', 'so far', how)))
      assert.equal(answer.faithful, true)
      tap.read(Buffer.from(frame('chat', '', how, part)))
      assert.equal(answer.faithful, false, `${JSON.stringify(part)} ${how}`)
      assert.equal(answer.text(), '')
    }
  }
})

test('parts that are there and empty are not held against an answer', () => {
  for (const how of ['usual', 'wide']) {
    const answer = new AnswerText('chat')
    const tap = new SseTap({ mode: 'cut', choices: 1, answer })
    const empty = { role: 'assistant', reasoning_content: null, tool_calls: [], refusal: '' }
    tap.read(Buffer.from(frame('chat', '', how, empty) + frame('chat', 'text', how, empty)))
    assert.equal(answer.faithful, true)
    assert.equal(answer.text(), 'text')
  }
})

test('the memory of an answer has an end', () => {
  const answer = new AnswerText('chat')
  const tap = new SseTap({ mode: 'cut', choices: 1, answer })
  const piece = Buffer.from(frame('chat', 'x'.repeat(1_000), 'usual'))
  for (let bytes = 0; bytes < MOST_TEXT_BYTES + 1_000; bytes += 1_000) tap.read(Buffer.from(piece))
  assert.equal(answer.faithful, false)
  assert.ok(answer.heldBytes < 2_000)
})
