import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { z } from 'zod'
import { UsageError } from '../../../bench/command.js'
import { planOf } from '../../../bench/load/options.js'
import { parsePrompts } from '../../../bench/load/prompt-file.js'
import { createRequestMaker, type MadeRequest } from '../../../bench/load/request-maker.js'
import { createSyntheticText } from '../../../bench/load/synthetic.js'

const parse = (text: string, endpoint: 'chat' | 'completions' | 'embeddings' = 'chat') =>
  parsePrompts(Buffer.from(text), endpoint, 'p.jsonl')

const jsonl = (...entries: readonly object[]) => entries.map((one) => `${JSON.stringify(one)}\n`).join('')
const HI = [{ role: 'user', content: 'hi' }]

test('a line is a prompt, messages, or a whole body whose other fields are kept', () => {
  const text = jsonl(
    { prompt: 'hi' },
    { messages: HI },
    { model: 'm', messages: HI, temperature: 0, max_tokens: 7 },
  )
  const { prompts, skipped } = parse(`\ufeff\n${text}\r\n\n`)
  assert.equal(skipped, 0)
  assert.deepEqual(prompts, [
    { fields: { messages: HI }, outputTokens: null },
    { fields: { messages: HI }, outputTokens: null },
    { fields: { model: 'm', messages: HI, temperature: 0 }, outputTokens: 7 },
  ])
  assert.deepEqual(parse(jsonl({ prompt: 'x' }), 'completions').prompts[0]?.fields, { prompt: 'x' })
  assert.deepEqual(
    parse(jsonl({ input: ['x', 'y'] }, { prompt: 'x' }), 'embeddings').prompts.map((one) => one.fields),
    [{ input: ['x', 'y'] }, { input: 'x' }],
  )
})

test('a ShareGPT conversation is its first question, with an answer as long as the one that follows', () => {
  const text = JSON.stringify(
    [
      {
        id: '1',
        conversations: [
          { from: 'gpt', value: 'x' },
          { from: 'human', value: 'Wie groß?' },
          { from: 'gpt', value: 'a'.repeat(41) },
        ],
      },
      { id: '2', conversations: [] },
      { id: '3', conversations: [{ from: 'user', value: 'two' }] },
    ],
    null,
    1,
  )
  assert.deepEqual(parse(text), {
    prompts: [
      { fields: { messages: [{ role: 'user', content: 'Wie groß?' }] }, outputTokens: 11 },
      { fields: { messages: [{ role: 'user', content: 'two' }] }, outputTokens: null },
    ],
    skipped: 1,
  })
})

test('every bad line is named, with what is wrong with it', () => {
  const good = '{"prompt":"x"}'
  const text = [good, '{"prompt":', '', '[]', 'x', 'y', good, '{"prompt":""}', '{"messages":[]}'].join('\n')
  assert.throws(
    () => parse(text),
    new UsageError(
      '--prompts: p.jsonl has no valid JSON in line 2, 5-6; no JSON object in line 4; ' +
        'neither messages nor a prompt in line 8-9: mend or remove them',
    ),
  )
  assert.throws(() => parse('[{"prompt":"x"},{"x":1}]'), /neither messages nor a prompt in entry 2:/)
  assert.throws(() => parse('[{"prompt":"x"} {"prompt":"y"}]'), /no JSON array: no comma after entry 1/)
  assert.throws(() => parse('[{"prompt":"x"}'), UsageError)
  assert.throws(() => parse('[{"prompt":"x'), UsageError)
  for (const empty of ['', '\n\n', '[]', '[{"conversations":[]}]'])
    assert.throws(() => parse(empty), /holds no prompt/)
})

test('whatever the prompts are, they are read as they were written, from lines or from an array', () => {
  const texts = fc.array(fc.string({ minLength: 1, unit: 'binary' }), { minLength: 1 })
  fc.assert(
    fc.property(texts, fc.integer({ min: 0, max: 3 }), (all, indent) => {
      const entries = all.map((prompt) => ({ prompt }))
      const wanted = all.map((prompt) => ({ fields: { prompt }, outputTokens: null }))
      assert.deepEqual(parse(jsonl(...entries), 'completions').prompts, wanted)
      assert.deepEqual(parse(JSON.stringify(entries, null, indent), 'completions').prompts, wanted)
    }),
  )
})

test('synthetic texts have their tokens, four bytes each, and none begins like another', () => {
  const synthetic = createSyntheticText(1)
  fc.assert(
    fc.property(fc.nat(1_000_000), fc.integer({ min: 1, max: 200_000 }), (number, tokens) => {
      const text = synthetic.text(number, tokens)
      assert.equal(text.length, 4 * tokens - 1)
      assert.match(text.slice(0, 400), /^[a-z]{3}( [a-z]{3})*( [a-z]{0,2})?$/)
      assert.equal(text, createSyntheticText(1).text(number, tokens))
    }),
    { numRuns: 20 },
  )
  const starts = new Set(Array.from({ length: 20_000 }, (_, at) => synthetic.text(at, 4)))
  assert.equal(starts.size, 20_000)
  assert.notEqual(synthetic.text(1, 9), createSyntheticText(2).text(1, 9))
})

const Body = z.object({
  model: z.string(),
  max_tokens: z.number().optional(),
  messages: z.array(z.object({ role: z.string(), content: z.string() })).optional(),
  stream: z.boolean().optional(),
  stream_options: z.unknown().optional(),
  temperature: z.number().optional(),
  max_completion_tokens: z.number().optional(),
})

function bodyOf({ bytes }: MadeRequest) {
  const text = bytes.toString()
  const [head = '', body = ''] = text.split('\r\n\r\n')
  assert.equal(Number(/content-length: (\d+)$/.exec(head)?.[1]), Buffer.byteLength(body))
  return { head, body: Body.parse(JSON.parse(body)) }
}

const maker = (args: readonly string[], prompts: Parameters<typeof createRequestMaker>[2] = null) =>
  createRequestMaker(planOf(args).plan, 'mödel', prompts)

test('a request is whole: its line, headers, length, and a body that asks for usage', () => {
  const make = maker(['--url', 'http://h:1/x', '--key', 'k', '--header', 'x-a: b', '--output-tokens', '9'])
  const { head, body } = bodyOf(make(0))
  assert.match(head, /^POST \/x\/v1\/chat\/completions HTTP\/1\.1\r\nhost: h:1\r\n/)
  assert.match(head, /\r\nauthorization: Bearer k\r\nx-a: b\r\n/)
  assert.equal(body.model, 'mödel')
  assert.deepEqual([body.stream, body.stream_options, body.max_tokens], [true, { include_usage: true }, 9])
  const own = bodyOf(maker(['--no-stream', '--body-field', 'max_completion_tokens=3'])(0)).body
  assert.deepEqual([own.stream, own.max_tokens, own.max_completion_tokens], [false, undefined, 3])
})

test('the same number is the same request, and another seed another', () => {
  const args = ['--prompt-tokens', 'uniform:5-500', '--abort-rate', '0.5', '--output-tokens', 'uniform:1-99']
  const [one, again, other] = [maker(args), maker(args), maker([...args, '--seed', '2'])]
  for (let number = 0; number < 50; number += 1) assert.deepEqual(one(number), again(number))
  assert.notDeepEqual(one(3), other(3))
})

test('the abort rate is the share of requests that are left, at moments spread over their life', () => {
  const make = maker(['--abort-rate', '0.3', '--prompt-tokens', '1'])
  const moments = Array.from({ length: 5000 }, (_, at) => make(at).leaveAt).filter((one) => one !== null)
  assert.ok(Math.abs(moments.length - 1500) < 200)
  assert.ok(moments.every((one) => one >= 0 && one < 1))
  assert.ok(Math.abs(moments.filter((one) => one < 0.25).length - 375) < 100)
})

test('shared prefixes stand before prompts that are all different', () => {
  const make = maker(['--shared-prefix', '20', '--prefixes', '3', '--prompt-tokens', '10'])
  const messages = Array.from({ length: 200 }, (_, at) => bodyOf(make(at)).body.messages ?? [])
  const contents = (role: string) =>
    messages.flatMap((all) => all.filter((one) => one.role === role)).map((one) => one.content)
  assert.equal(contents('system').length, 200)
  assert.equal(new Set(contents('system')).size, 3)
  assert.equal(new Set(contents('user')).size, 200)
})

test('prompts of a file are used in order, again and again; what the command says wins', () => {
  const { prompts } = parse(
    jsonl({ messages: HI, max_tokens: 5, model: 'x', stream: false, temperature: 1 }, { prompt: 'b' }),
  )
  const make = maker(['--body-field', 'temperature=0'], prompts)
  const [first, second, third] = [0, 1, 2].map((number) => bodyOf(make(number)).body)
  assert.deepEqual(third, first)
  assert.deepEqual(
    [first?.model, first?.stream, first?.max_tokens, first?.temperature, second?.max_tokens],
    ['mödel', true, 5, 0, 128],
  )
  assert.equal(bodyOf(maker(['--output-tokens', '3'], prompts)(0)).body.max_tokens, 3)
})
