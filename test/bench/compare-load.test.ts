import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { startLoadGenerator, type Load } from '../../bench/compare/load/generator.js'
import type { Recorded } from '../../bench/compare/load/messages.js'
import { chatRequest, type ChatOptions } from '../../bench/compare/scenarios/chat.js'
import { startSimulatedNode, type SimulatedNodeInput } from '../../bench/nodes.js'

const TARGET = { headers: {}, model: 'sim-8b', frames: 'forwarded' } as const

/** Starts a node and the generator's process, with connections from one to the other. */
async function connected(options: SimulatedNodeInput, count: number) {
  const node = await startSimulatedNode(options)
  const generator = await startLoadGenerator()
  const address = { host: new URL(node.url).hostname, port: node.port }
  const connections = await generator.open(address, count)
  return {
    node,
    generator,
    address,
    connections,
    async [Symbol.asyncDispose]() {
      await generator[Symbol.asyncDispose]()
      await node.close()
    },
  }
}

const chat = (options: ChatOptions) => chatRequest(TARGET, options)

const streamsOf = (tokens: number, record: Recorded = null) =>
  ({
    kind: 'streams',
    request: chat({ stream: true, tokens, tokensPerSecond: 1000 }),
    record,
    rampMs: 20,
    limitMs: 10_000,
  }) satisfies Load

const requestsFor = (durationMs: number, record: Recorded = null, pauseMs = 0) =>
  ({
    kind: 'requests',
    request: chat({ tokens: 1 }),
    record,
    durationMs,
    pauseMs,
    limitMs: 10_000,
  }) satisfies Load

test('sends requests in a closed loop and times each one that the node answered', async () => {
  await using setting = await connected({}, 4)
  const { completed, failed, samplesMicros, tokens } = await setting.connections.run(
    requestsFor(200, 'latency'),
  )
  assert.ok(completed >= 4)
  assert.deepEqual(
    { failed, tokens, samples: samplesMicros.length },
    { failed: 0, tokens: completed, samples: completed },
  )
  assert.ok(samplesMicros.every((micros) => Number.isInteger(micros) && micros > 0))
  assert.equal(setting.node.stats().requests, completed)
})

test('pauses before each request of a closed loop', async () => {
  await using setting = await connected({}, 2)
  const { completed } = await setting.connections.run(requestsFor(200, null, 50))
  assert.ok(completed >= 2 && completed <= 2 * 5, String(completed))
})

test('sends as many requests as fall due in an open loop, streams too, although one connection is slow', async () => {
  await using setting = await connected({}, 3)
  const load = {
    kind: 'arrivals',
    record: 'latency',
    perSecond: 100,
    durationMs: 300,
    limitMs: 10_000,
  } as const
  const plain = await setting.connections.run({ ...load, request: chat({ tokens: 2 }) })
  assert.deepEqual([plain.completed, plain.failed, plain.tokens], [30, 0, 60])
  assert.ok(plain.elapsedMs >= 250)
  const request = chat({ stream: true, tokens: 3, tokensPerSecond: 50 })
  const streams = await setting.connections.run({ ...load, record: 'ttft', request })
  assert.deepEqual([streams.completed, streams.failed, streams.tokens], [30, 0, 90])
  assert.equal(streams.samplesMicros.length, 30)
})

test('an arrival that finds no connection free waits, and its wait counts', async () => {
  await using setting = await connected({ ttftMs: 40 }, 1)
  const { completed, samplesMicros } = await setting.connections.run({
    kind: 'arrivals',
    request: chat({ tokens: 1 }),
    record: 'latency',
    perSecond: 100,
    durationMs: 100,
    limitMs: 10_000,
  })
  assert.equal(completed, 10)
  // The last one fell due after 90 ms and was sent when nine others had taken 40 ms each.
  assert.ok(Math.max(...samplesMicros) > 250_000)
})

test('reads streams to their ends and counts every token', async () => {
  await using setting = await connected({}, 20)
  for (const tokens of [1, 30]) {
    const result = await setting.connections.run(streamsOf(tokens))
    assert.deepEqual(
      { completed: result.completed, failed: result.failed, tokens: result.tokens, reasons: result.reasons },
      { completed: 20, failed: 0, tokens: 20 * tokens, reasons: [] },
    )
  }
})

test('times first tokens and the gaps between tokens, one for each', async () => {
  await using setting = await connected({ ttftMs: 30 }, 5)
  const first = await setting.connections.run(streamsOf(8, 'ttft'))
  assert.equal(first.samplesMicros.length, 5)
  assert.ok(first.samplesMicros.every((micros) => micros > 25_000))
  const gaps = await setting.connections.run(streamsOf(8, 'gaps'))
  assert.equal(gaps.samplesMicros.length, 5 * 7)
})

test('sets of connections have loads at the same time', async () => {
  await using setting = await connected({}, 2)
  await using others = await setting.generator.open(setting.address, 3)
  const [a, b] = await Promise.all([setting.connections.run(streamsOf(50)), others.run(requestsFor(50))])
  assert.equal(a.completed, 2)
  assert.ok(b.completed >= 3)
})

test('a reply with another number of tokens has failed', async () => {
  await using setting = await connected({}, 2)
  for (const load of [streamsOf(7), requestsFor(10_000)]) {
    const request = { ...load.request, tokens: 8 }
    const { completed, failed, reasons } = await setting.connections.run({ ...load, request })
    assert.deepEqual({ completed, failed }, { completed: 0, failed: 2 })
    const received = load.kind === 'streams' ? 7 : 1
    assert.deepEqual(reasons, [`${received} tokens instead of 8`])
  }
})

test('a stream that breaks, or ends without its end, has failed', async () => {
  for (const kind of ['die_after_tokens', 'error_frame_then_done', 'malformed_chunk'] as const) {
    await using setting = await connected({ faults: [{ kind, after_tokens: 3 }] }, 3)
    const { completed, failed, reasons } = await setting.connections.run(streamsOf(9))
    assert.deepEqual({ completed, failed }, { completed: 0, failed: 3 }, kind)
    assert.ok(reasons.length >= 1)
  }
})

test('a reply that is not 200 has failed, with its words', async () => {
  await using setting = await connected({ models: ['another'] }, 1)
  const { failed, reasons } = await setting.connections.run(requestsFor(10_000))
  assert.equal(failed, 1)
  assert.match(reasons[0] ?? '', /^status 404: .*does not exist/)
})

test('what is not complete within the limit has failed', async () => {
  await using setting = await connected({ faults: [{ kind: 'stall', after_tokens: 2 }] }, 2)
  const { failed, reasons } = await setting.connections.run({ ...streamsOf(9), limitMs: 200 })
  assert.equal(failed, 2)
  assert.match(reasons[0] ?? '', /^not complete after 200 ms: \d of 9 tokens$/)
})

test('unread connections hold the node up, until they are closed', async () => {
  await using setting = await connected({}, 1)
  const request = chat({ stream: true, tokens: 100_000 })
  const written = () =>
    [...setting.node.ledger.values()].flat().reduce((sum, { writtenTokens }) => sum + writtenTokens, 0)
  {
    await using _unread = await setting.generator.openUnread(setting.address, 3, request)
    let before = -1
    while (written() !== before || before === 0) {
      before = written()
      await sleep(200)
    }
    assert.equal(setting.node.stats().running, 3)
    assert.ok(written() < 3 * 100_000)
  }
  while (setting.node.stats().running > 0) await sleep(10)
})

test('says so when it cannot connect', async () => {
  await using generator = await startLoadGenerator()
  await assert.rejects(generator.open({ host: '127.0.0.1', port: 1 }, 3), /ECONNREFUSED/)
})
