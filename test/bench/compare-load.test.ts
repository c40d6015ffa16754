import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startLoadGenerator, type LoadGenerator } from '../../bench/compare/load/generator.js'
import { startSimulatedNode, type SimulatedNode, type SimulatedNodeInput } from '../../bench/nodes.js'
import { chatRequest } from '../../bench/compare/scenarios/chat.js'

/** Starts a node and the generator's process, with connections from one to the other. */
async function connected(options: SimulatedNodeInput, connections: number) {
  const node = await startSimulatedNode(options)
  const generator = await startLoadGenerator()
  const { hostname, port } = new URL(node.url)
  await generator.open(hostname, Number(port), connections)
  return {
    node,
    generator,
    async [Symbol.asyncDispose]() {
      await generator[Symbol.asyncDispose]()
      await node.close()
    },
  } satisfies AsyncDisposable & { node: SimulatedNode; generator: LoadGenerator }
}

const streamsOrder = (tokens: number, asked = tokens) =>
  ({
    kind: 'streams',
    request: chatRequest({}, { stream: true, max_tokens: asked, sim_itl_ms: 1 }),
    tokens,
    rampMs: 20,
    limitMs: 10_000,
  }) as const

const requestsOrder = (durationMs: number) =>
  ({ kind: 'requests', request: chatRequest({}, { max_tokens: 1 }), durationMs }) as const

test('sends requests in a closed loop and counts each one that the node answered', async () => {
  await using setting = await connected({}, 4)
  const { completed, failed, latencyMicros, tokens } = await setting.generator.run(requestsOrder(200))
  assert.ok(completed >= 4)
  assert.deepEqual({ failed, tokens }, { failed: 0, tokens: 0 })
  assert.ok(latencyMicros !== null && latencyMicros.p50 > 0 && latencyMicros.p99 >= latencyMicros.p50)
  assert.equal(setting.node.stats().requests, completed)
})

test('reads streams to their ends and counts every token', async () => {
  await using setting = await connected({}, 20)
  for (const tokens of [1, 30]) {
    const result = await setting.generator.run(streamsOrder(tokens))
    assert.deepEqual(
      { completed: result.completed, failed: result.failed, tokens: result.tokens, reasons: result.reasons },
      { completed: 20, failed: 0, tokens: 20 * tokens, reasons: [] },
    )
  }
})

test('a stream with another number of tokens has failed', async () => {
  await using setting = await connected({}, 2)
  const { completed, failed, reasons } = await setting.generator.run(streamsOrder(8, 7))
  assert.deepEqual({ completed, failed }, { completed: 0, failed: 2 })
  assert.deepEqual(reasons, ['7 tokens instead of 8', '7 tokens instead of 8'])
})

test('a stream that breaks, or ends without its end, has failed', async () => {
  for (const kind of ['die_after_tokens', 'error_frame_then_done', 'malformed_chunk'] as const) {
    await using setting = await connected({ faults: [{ kind, after_tokens: 3 }] }, 3)
    const { completed, failed, reasons } = await setting.generator.run(streamsOrder(9))
    assert.deepEqual({ completed, failed }, { completed: 0, failed: 3 }, kind)
    assert.equal(reasons.length, 3)
  }
})

test('a reply that is not 200 has failed, with its words', async () => {
  await using setting = await connected({ models: ['another'] }, 1)
  for (const order of [requestsOrder(10_000), streamsOrder(2)]) {
    const { failed, reasons } = await setting.generator.run(order)
    assert.equal(failed, 1)
    assert.match(reasons[0] ?? '', /^status 404: .*does not exist/)
  }
})

test('says so when it cannot connect', async () => {
  await using generator = await startLoadGenerator()
  await assert.rejects(generator.open('127.0.0.1', 1, 3), /ECONNREFUSED/)
})
