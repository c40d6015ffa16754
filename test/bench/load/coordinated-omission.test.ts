import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startNodeFleet } from '../../../bench/node-fleet.js'
import { startSimulatedNode } from '../../../bench/nodes.js'
import { fatesOf, histogramOf, load } from './load-fixture.js'

test('with few connections requests wait, and their latency says so', async () => {
  await using node = await startSimulatedNode({ ttftMs: 20 })
  const report = await load(node.url, '--rate 100 --requests 20 --output-tokens 1 --max-open 1')
  assert.equal(report.totals.completed, 20)
  assert.equal(node.stats().mostRunning, 1)
  // The last was to be sent at 190 ms, and 19 others of 20 ms each came before it.
  assert.ok((report.ttft.max ?? 0) > 150_000)
  assert.match(report.generator.limited ?? '', /waited because 1 connections were in use: raise --max-open/)
})

for (const maxOpen of [1, 1000])
  test(`a server that stalls for a second delays all that was to be sent then (${maxOpen} connections)`, async () => {
    await using fleet = await startNodeFleet(['--keep-alive-ms', '60000'])
    const [url = ''] = fleet.urls
    const report = await load(
      url,
      `--rate 100 --duration 3s --no-stream --output-tokens 1 --max-open ${maxOpen}`,
      {
        onSecond: ({ second }) => {
          if (second !== 0) return
          process.kill(fleet.pid, 'SIGSTOP')
          setTimeout(() => process.kill(fleet.pid, 'SIGCONT'), 1000)
        },
      },
    )
    assert.deepEqual(fatesOf(report), { sent: 300, completed: 300, failed: 0, aborted: 0 })
    // A third was due while it stood still; of those more than a half had to wait 0.4 s and longer.
    const histogram = histogramOf(report.e2e)
    assert.ok(histogram.getValueAtPercentile(99) > 800_000)
    assert.ok(histogram.getValueAtPercentile(81) > 400_000)
  })
