import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { startSimulatedNode, type SimulatedNode, type SimulatedNodeInput } from '../../bench/nodes.js'
import { expectedAnswer } from '../../bench/nodes/expected-answer.js'
import type { Endpoint } from '../../bench/nodes/prompt.js'
import { CONTINUOUS, frames, post, textOf } from './node-client.js'

const PATHS = { chat: '/v1/chat/completions', completion: '/v1/completions' } as const
const CONTINUE = { continue_final_message: true, add_generation_prompt: false }

type Body = Readonly<Record<string, unknown>>

/** What a gateway asks for when `said` of an answer is there already. */
function continued(endpoint: Endpoint, body: Body, said: string): Body {
  if (endpoint === 'completion') return { ...body, prompt: `${String(body['prompt'])}${said}` }
  assert.ok(Array.isArray(body['messages']))
  const messages: readonly unknown[] = body['messages']
  return { ...body, messages: [...messages, { role: 'assistant', content: said }], ...CONTINUE }
}

const promptOf = (endpoint: Endpoint, text: string): Body =>
  endpoint === 'completion' ? { prompt: text } : { messages: [{ role: 'user', content: text }] }

async function stream(node: SimulatedNode, endpoint: Endpoint, body: Body) {
  const all = await frames(await post(node, PATHS[endpoint], { ...CONTINUOUS, ...body }))
  const choices = all.flatMap((frame) => frame.choices)
  return {
    text: textOf(all),
    finish: choices.flatMap((choice) => choice.finish_reason ?? []),
    roles: choices.flatMap((choice) => choice.delta?.role ?? []),
    usage: all.at(-1)?.usage,
  }
}

test('what is expected of an answer is what a node says, token for token', async () => {
  for (const eosProbability of [0, 0.02]) {
    const options: SimulatedNodeInput = { eosProbability, modelSeed: 5 }
    await using node = await startSimulatedNode(options)
    for (const endpoint of ['chat', 'completion'] as const) {
      for (const maxTokens of [1, 90, 400]) {
        const body = { ...promptOf(endpoint, 'Tell me of the sea.'), max_tokens: maxTokens }
        const expected = expectedAnswer(endpoint, body, options)
        const { text, finish, usage } = await stream(node, endpoint, body)
        assert.equal(text, expected.text)
        assert.deepEqual(finish, [expected.finish])
        assert.equal(usage?.prompt_tokens, expected.promptTokens)
        assert.equal(usage?.completion_tokens, expected.tokens.length)
      }
    }
  }
})

test('an answer that is cut anywhere, as often as it may be, and continued elsewhere is the answer of one node', async () => {
  const options: SimulatedNodeInput = { eosProbability: 0.004 }
  await using vllm = await startSimulatedNode(options)
  await using sglang = await startSimulatedNode({ ...options, flavour: 'sglang', seed: 9 })
  const nodes = [vllm, sglang]
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('chat', 'completion'),
      fc.string({ unit: 'grapheme', maxLength: 40 }),
      fc.integer({ min: 2, max: 300 }),
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 3 }),
      async (endpoint, prompt, maxTokens, shares) => {
        const body = { ...promptOf(endpoint, prompt), max_tokens: maxTokens }
        const whole = expectedAnswer(endpoint, body, options)
        const cuts = shares.map((share) => Math.floor(share * whole.tokens.length)).sort((a, b) => a - b)
        for (const [at, cut] of cuts.entries()) {
          // Cut after its last token, there is nothing left to ask for.
          if (cut === 0 || cut === whole.tokens.length) continue
          const said = whole.tokens.slice(0, cut).join('')
          const node = nodes[at % nodes.length]
          assert.ok(node)
          const rest = { ...continued(endpoint, body, said), max_tokens: maxTokens - cut }
          const { text, finish, roles, usage } = await stream(node, endpoint, rest)
          assert.equal(said + text, whole.text)
          assert.deepEqual(finish, [whole.finish])
          assert.deepEqual(roles, endpoint === 'chat' ? ['assistant'] : [])
          assert.equal(cut + (usage?.completion_tokens ?? 0), whole.tokens.length)
          // The engines count what was said as part of the prompt.
          assert.ok((usage?.prompt_tokens ?? 0) >= whole.promptTokens)
        }
      },
    ),
    { numRuns: 60 },
  )
})

test('vLLM refuses to open and to continue an answer at once; SGLang takes it', async () => {
  const body = {
    messages: [{ role: 'assistant', content: 'So' }],
    continue_final_message: true,
    max_tokens: 3,
  }
  await using vllm = await startSimulatedNode()
  for (const both of [body, { ...body, add_generation_prompt: true }]) {
    const reply = await post(vllm, PATHS.chat, both)
    assert.equal(reply.status, 400)
    assert.match(await reply.text(), /Cannot set both `continue_final_message` and `add_generation_prompt`/)
  }
  await using sglang = await startSimulatedNode({ flavour: 'sglang' })
  const reply = await post(sglang, PATHS.chat, body)
  assert.equal(reply.status, 200)
  await reply.text()
})
