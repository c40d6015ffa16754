import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startSimulatedNode, type SimulatedNode } from '../../bench/nodes.js'
import { attempt, frames, HI, post } from './node-client.js'
import { eventually, openRaw } from './raw-http.js'

const answers = (node: SimulatedNode) =>
  openRaw(node.port).then(
    (client) => {
      client[Symbol.dispose]()
      return true
    },
    () => false,
  )

test('a slowed node takes its factor longer for the prefill and for each token, whole answers too', async () => {
  await using node = await startSimulatedNode({ ttftMs: 2, prefillMsPer1k: 1, itlMs: 2 })
  await node.setFault({ kind: 'slow', factor: 20 })
  const body = { ...HI, max_tokens: 4 }
  for (const stream of [true, false]) {
    const startedAt = performance.now()
    await (await post(node, '/v1/chat/completions', { ...body, stream }, `s${stream}`)).text()
    // A node never writes before its time: 2 ms and three waits of 2 ms, each twenty times.
    assert.ok(performance.now() - startedAt >= 8 * 20 - 2)
    assert.equal(attempt(node, `s${stream}`).completionTokens, 4)
  }
})

test('a flapping node refuses and takes connections in turn, and what runs goes on', async () => {
  await using node = await startSimulatedNode({ itlMs: 4 })
  const running = frames(await post(node, '/v1/chat/completions', { ...HI, stream: true, max_tokens: 100 }))
  await node.setFault({ kind: 'flap', ms: 60 })
  for (let turn = 0; turn < 3; turn += 1) {
    await eventually(async () => !(await answers(node)), 'the node to refuse')
    await eventually(() => answers(node), 'the node to be back')
  }
  await node.clearFault('flap')
  assert.ok(await answers(node))
  assert.equal((await running).length, 101)
  assert.equal((await post(node, '/v1/chat/completions', HI)).status, 200)
})

test('a node that flaps with a reset cuts off what runs', async () => {
  await using node = await startSimulatedNode({ itlMs: 5 })
  const running = post(node, '/v1/chat/completions', { ...HI, stream: true, max_tokens: 100_000 }, 'cut')
  await eventually(() => node.stats().running === 1, 'the request to run')
  await node.setFault({ kind: 'flap', ms: 60, reset: true })
  await assert.rejects(async () => (await running).text())
  await eventually(() => node.stats().running === 0, 'the request to end')
  assert.equal(attempt(node, 'cut').finished, false)
})

test('a standing fault that is given a number of times is spent after them', async () => {
  await using node = await startSimulatedNode()
  await node.setFault({ kind: 'http_500', times: 2 })
  const statuses = []
  for (let at = 0; at < 4; at += 1) statuses.push((await post(node, '/v1/chat/completions', HI)).status)
  assert.deepEqual(statuses, [500, 500, 200, 200])
})

test('tells its load in the header of every reply when it is asked to', async () => {
  const header = async (loadHeader: boolean) => {
    await using node = await startSimulatedNode({
      loadHeader,
      kvCapacityTokens: 100,
      maxRunning: 1,
      itlMs: 1,
    })
    const first = post(node, '/v1/chat/completions', { ...HI, stream: true, max_tokens: 20_000 })
    await eventually(() => node.stats().running === 1, 'the first to run')
    const reply = await post(node, '/v1/chat/completions', { ...HI, stream: true, max_tokens: 1 })
    await node.close()
    await Promise.allSettled([first.then((one) => one.text()), reply.text()])
    return reply.headers.get('endpoint-load-metrics')
  }
  assert.equal(await header(false), null)
  assert.match(
    (await header(true)) ?? '',
    /^TEXT named_metrics\.kv_cache_usage_perc=[01]\.\d+, named_metrics\.num_requests_waiting=\d, named_metrics\.num_requests_running=1$/,
  )
})
