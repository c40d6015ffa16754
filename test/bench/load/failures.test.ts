import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startSimulatedNode } from '../../../bench/nodes.js'
import { fatesOf, load } from './load-fixture.js'

test('failures are told apart by kind, status and code', async () => {
  const cases = [
    ['http_429', '', 'http', 429, '429'],
    ['http_500', '--no-stream', 'http', 500, '500'],
    ['die_before_headers', '', 'disconnect', null, null],
    ['die_after_tokens', '', 'disconnect', 200, null],
    ['error_frame_then_done', '', 'stream', 200, '500'],
    ['malformed_chunk', '', 'protocol', 200, null],
    ['garbage', '--no-stream', 'protocol', null, null],
    ['short_content_length', '--no-stream', 'protocol', 200, null],
    ['long_content_length', '--no-stream', 'disconnect', 200, null],
    ['stall', '--timeout 2s', 'timeout', 200, null],
    ['stall', '--timeout 200ms --no-stream', 'timeout', null, null],
  ] as const
  for (const [fault, text, kind, status, code] of cases) {
    await using node = await startSimulatedNode({ faults: [{ kind: fault, after_tokens: 2 }] })
    const report = await load(node.url, `--requests 4 --concurrency 2 --output-tokens 5 ${text}`.trim())
    assert.deepEqual(fatesOf(report), { sent: 4, completed: 0, failed: 4, aborted: 0 }, fault)
    assert.deepEqual(
      report.errors.map((one) => [one.kind, one.status, one.code, one.count]),
      [[kind, status, code, 4]],
      fault,
    )
    assert.ok((report.errors[0]?.example.length ?? 0) > 3)
  }
})

test('failures among successes leave those as they are, and the connection that said no is used again', async () => {
  await using node = await startSimulatedNode({ faults: [{ kind: 'http_503', probability: 0.5 }] })
  const { totals } = await load(node.url, '--concurrency 1 --requests 40 --output-tokens 3')
  assert.equal(totals.completed + totals.failed, 40)
  assert.ok(totals.completed > 5 && totals.failed > 5)
  assert.equal(totals.completionTokens, 3 * totals.completed)
  assert.equal(node.stats().openSockets, 0)
})

test('a server that goes away in the middle makes failures, not an end', async () => {
  await using node = await startSimulatedNode({ keepAliveMs: 50 })
  const report = await load(node.url, '--rate 50 --duration 2s --output-tokens 1', {
    onSecond: ({ second }) => {
      if (second === 0) void node.setFault({ kind: 'refuse' })
    },
  })
  assert.equal(report.ended, 'complete')
  const { sent, completed, failed } = fatesOf(report)
  assert.deepEqual([sent, completed + failed], [100, 100])
  assert.ok(completed > 0 && failed > 0)
  assert.ok(report.errors.some(({ kind, code }) => kind === 'connect' && code === 'ECONNREFUSED'))
})

test('streams without usage are counted by their frames, and the report says so', async () => {
  await using node = await startSimulatedNode({ faults: [{ kind: 'no_usage' }] })
  const report = await load(node.url, '--requests 6 --output-tokens 7')
  assert.deepEqual(
    [report.totals.completionTokens, report.counted],
    [42, { byUsage: 0, byFrames: 6, not: 0 }],
  )
  const plain = await load(node.url, '--requests 6 --output-tokens 7 --no-stream')
  assert.deepEqual([plain.totals.completionTokens, plain.counted], [0, { byUsage: 0, byFrames: 0, not: 6 }])
})

test('answers that are cut into pieces anywhere are read all the same', async () => {
  await using node = await startSimulatedNode({ faults: [{ kind: 'split_writes' }] })
  const report = await load(node.url, '--requests 20 --output-tokens 20')
  assert.deepEqual([report.totals.completed, report.totals.completionTokens], [20, 400])
})
