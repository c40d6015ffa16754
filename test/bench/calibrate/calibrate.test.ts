import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planOf } from '../../../bench/calibrate/command.js'
import { reportCalibration } from '../../../bench/calibrate/report.js'
import { locateWrk, parseWrk, runWrk } from '../../../bench/calibrate/wrk.js'
import { startNodeFleet } from '../../../bench/node-fleet.js'

const finding = (requestsPerSecond: number, medianMicros: number) => ({ requestsPerSecond, medianMicros })

const pair = (rateFactor: number, medianFactor: number) => ({
  wrk: finding(2000, 50_000),
  generator: finding(2000 * rateFactor, 50_000 * medianFactor),
})

test('the median of what the two tools differ by decides, either way', () => {
  const met = reportCalibration([pair(0.98, 1.02), pair(2, 0.5), pair(1, 1)], finding(1000, 50_400))
  assert.ok(met.met, met.lines.join('\n'))
  assert.match(met.lines.join('\n'), /^throughput +−2\.00% … \+0\.00% … \+100\.00% +within 3% +met$/m)
  for (const [pairs, open] of [
    [[pair(0.96, 1)], 50_000],
    [[pair(1.04, 1)], 50_000],
    [[pair(1, 1.04)], 52_000],
    [[pair(1, 1)], 52_000],
  ] as const) {
    const { met: isMet, lines } = reportCalibration(pairs, finding(1000, open))
    assert.ok(!isMet)
    assert.match(lines.join('\n'), /MISSED/)
  }
})

const PRINTED = `Running 2s test @ http://127.0.0.1:1/
  1 threads and 100 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    50.68ms  512.66us  57.05ms   94.03%
    Req/Sec     1.97k    99.58     2.10k    80.00%
  Latency Distribution
     50%   50.61ms
     75%   50.78ms
     90%   51.01ms
     99%   52.60ms
  3940 requests in 2.01s, 1.50MB read
Requests/sec:   1963.17
Transfer/sec:    764.83KB
`

test('reads what wrk prints, and takes no result with failures for one', () => {
  const { requestsPerSecond, medianMicros } = parseWrk(PRINTED)
  assert.deepEqual([requestsPerSecond, Math.round(medianMicros)], [1963.17, 50_610])
  for (const line of [
    '  Non-2xx or 3xx responses: 3',
    '  Socket errors: connect 0, read 1, write 0, timeout 0',
  ])
    assert.throws(() => parseWrk(`${PRINTED}${line}\n`), /wrk: (Non|Socket)/)
  assert.throws(() => parseWrk('unable to connect'), /not its result/)
})

test('wrk posts the body that it is given', async () => {
  await using server = await startNodeFleet(['--model', 'm'])
  const program = await locateWrk()
  const [url = ''] = server.urls
  const load = {
    url: `${url}/v1/chat/completions`,
    connections: 2,
    seconds: 1,
    signal: AbortSignal.timeout(60_000),
  }
  const body = JSON.stringify({
    model: 'm',
    max_tokens: 1,
    messages: [{ role: 'user', content: 'a "b" \\ [[c]]' }],
  })
  const { requestsPerSecond, medianMicros } = await runWrk(program, { ...load, body })
  assert.ok(requestsPerSecond > 0 && medianMicros > 0)
  await assert.rejects(runWrk(program, { ...load, body: '{' }), /Non-2xx/)
  const ended = runWrk(program, { ...load, body, seconds: 600, signal: AbortSignal.timeout(50) })
  await assert.rejects(ended, { name: 'TimeoutError' })
})

test('reads its options', () => {
  assert.deepEqual(planOf([]), { pairs: 3, seconds: 8, connections: 100, serviceMs: 50, strict: false })
  for (const bad of [['--pairs', '0'], ['--seconds', 'x'], ['what'], ['--what']])
    assert.throws(() => planOf(bad))
})
