import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startSimulatedNode } from '../../../bench/nodes.js'
import { eventually } from '../../support/processes.js'
import { fatesOf, generated, histogramOf, load } from './load-fixture.js'
import { startTlsFront } from './tls-front.js'

test('a closed loop sends exactly its count, never more at a time than asked for', async () => {
  await using node = await startSimulatedNode({ ttftMs: 3 })
  const report = await load(node.url, '--concurrency 4 --requests 50 --output-tokens 5')
  assert.deepEqual(fatesOf(report), { sent: 50, completed: 50, failed: 0, aborted: 0 })
  assert.equal(generated(node).length, 50)
  assert.ok(node.stats().mostRunning <= 4)
  assert.equal(report.totals.completionTokens, 250)
  assert.equal(
    report.totals.promptTokens,
    generated(node).reduce((sum, one) => sum + one.promptTokens, 0),
  )
  assert.deepEqual([report.ttft.count, report.itl.count, report.e2e.count], [50, 200, 50])
  assert.deepEqual(report.counted, { byUsage: 50, byFrames: 0, not: 0 })
  assert.deepEqual([report.ended, report.settings['model'], report.slo], ['complete', 'sim-8b', null])
  assert.equal(histogramOf(report.itl).totalCount, 200)
})

test('every endpoint, streamed and not', async () => {
  await using node = await startSimulatedNode({})
  for (const [text, tokens] of [
    ['--endpoint completions', 4],
    ['--endpoint completions --no-stream', 4],
    ['--no-stream', 4],
    ['--endpoint embeddings', 0],
  ] as const) {
    const length = tokens === 0 ? '' : ' --output-tokens 4'
    const { totals, ttft, e2e } = await load(node.url, `${text}${length} --requests 6`)
    assert.deepEqual([totals.completed, totals.completionTokens], [6, 6 * tokens], text)
    assert.ok(totals.promptTokens > 0)
    assert.deepEqual([e2e.count, ttft.count], [6, text === '--endpoint completions' ? 6 : 0])
  }
})

test('an open loop sends at its times, in as many processes as asked for, warm-up not counted', async () => {
  for (const processes of [1, 3]) {
    await using node = await startSimulatedNode({})
    const seconds: number[] = []
    const report = await load(
      node.url,
      `--rate 50 --duration 2s --warm-up 1s --output-tokens 2 --processes ${processes}`,
      { onSecond: ({ second }) => seconds.push(second) },
    )
    assert.deepEqual(fatesOf(report), { sent: 100, completed: 100, failed: 0, aborted: 0 })
    assert.equal(generated(node).length, 150)
    assert.equal(report.e2e.count, 100)
    assert.equal(report.generator.sendDelay.count, 100)
    assert.deepEqual(seconds.slice(0, 3), [-1, 0, 1])
    assert.equal(
      report.timeline.reduce((sum, one) => sum + one.sent, 0),
      150,
    )
    assert.equal(
      report.timeline.reduce((sum, one) => sum + one.completionTokens, 0),
      300,
    )
  }
})

test('however many processes share a load, the node sees the same prompts', async () => {
  const seen: string[][] = []
  for (const processes of [1, 2]) {
    await using node = await startSimulatedNode({})
    const text = `--rate 100 --requests 20 --prompt-tokens uniform:1-500 --output-tokens uniform:1-9`
    await load(node.url, `${text} --processes ${processes}`)
    seen.push(
      generated(node)
        .map((one) => `${one.promptTokens} ${one.completionTokens}`)
        .sort(),
    )
  }
  assert.deepEqual(seen[0], seen[1])
  assert.ok(new Set(seen[0]).size > 10)
})

test('steps are reported one by one, with their own requests', async () => {
  await using node = await startSimulatedNode({})
  const report = await load(node.url, '--steps 20,60 --duration 1s --output-tokens 1')
  assert.deepEqual(
    report.steps.map(({ load, fromSecond, toSecond, totals }) => [load, fromSecond, toSecond, totals.sent]),
    [
      [{ kind: 'rate', requestsPerSecond: 20 }, 0, 1, 20],
      [{ kind: 'rate', requestsPerSecond: 60 }, 1, 2, 60],
    ],
  )
  const concurrent = await load(node.url, '--steps 1,3 --mode concurrency --duration 500ms --output-tokens 1')
  assert.deepEqual(
    concurrent.steps.map(({ load }) => load),
    [
      { kind: 'concurrency', requests: 1 },
      { kind: 'concurrency', requests: 3 },
    ],
  )
  assert.equal(concurrent.totals.failed, 0)
})

test('goodput counts the requests that met every threshold', async () => {
  await using node = await startSimulatedNode({ ttftMs: 30 })
  const none = await load(node.url, '--requests 5 --output-tokens 2 --slo ttft=20ms')
  assert.deepEqual([none.totals.good, none.totals.goodputPerSecond], [0, 0])
  const all = await load(node.url, '--requests 5 --output-tokens 2 --slo ttft=60s,itl=60s,e2e=60s')
  assert.equal(all.totals.good, 5)
  assert.deepEqual(all.slo, { ttftMicros: 6e7, itlMicros: 6e7, e2eMicros: 6e7 })
})

test('the share that is to be aborted leaves, and the node sees it go', async () => {
  await using node = await startSimulatedNode({ itlMs: 5 })
  const streams = await load(node.url, '--concurrency 5 --requests 40 --output-tokens 20 --abort-rate 0.5')
  assert.equal(streams.totals.completed + streams.totals.aborted, 40)
  assert.ok(streams.totals.aborted >= 8 && streams.totals.completed >= 8)
  await eventually('nothing runs at the node', () => node.stats().running === 0)
  // A node that is short of processor time may have come to its end before it notices.
  const noticed = generated(node).filter((one) => one.aborted).length
  assert.ok(noticed > 0 && noticed <= streams.totals.aborted, `${noticed} of ${streams.totals.aborted}`)
  const replies = await load(
    node.url,
    '--concurrency 5 --requests 20 --output-tokens 20 --abort-rate 1 --no-stream',
  )
  assert.equal(replies.totals.completed + replies.totals.aborted, 20)
  assert.ok(replies.totals.aborted > 5)
})

test('speaks TLS, and checks certificates unless told not to', async () => {
  await using node = await startSimulatedNode({ apiKey: 'sk-1' })
  await using front = await startTlsFront(node.port)
  for (const host of ['localhost', '127.0.0.1']) {
    const url = `https://${host}:${front.port}`
    const report = await load(url, '--requests 12 --output-tokens 4 --key sk-1 --insecure')
    assert.deepEqual([report.totals.completed, report.totals.completionTokens], [12, 48])
    await assert.rejects(load(url, '--requests 1 --key sk-1'), /NODE_EXTRA_CA_CERTS, or give --insecure/)
  }
})

test('stopped early it reports what was measured so far', async () => {
  await using node = await startSimulatedNode({ itlMs: 50 })
  const stop = new AbortController()
  const report = await load(node.url, '--rate 20 --duration 60s --output-tokens 40 --processes 2', {
    signal: stop.signal,
    onSecond: ({ second }) => {
      if (second === 1) stop.abort()
    },
  })
  assert.equal(report.ended, 'interrupted')
  assert.ok(report.measuredSeconds >= 2 && report.measuredSeconds < 30)
  assert.ok(report.totals.sent >= 40 && report.totals.sent < 600)
  assert.ok(report.ttft.count > 0)
  assert.equal(report.steps[0]?.toSecond, report.measuredSeconds)
})
