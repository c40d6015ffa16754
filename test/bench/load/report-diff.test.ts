import assert from 'node:assert/strict'
import { test } from 'node:test'
import { diffText } from '../../../bench/load/diff/diff-text.js'
import { diffReports, type DiffRow, type Verdict } from '../../../bench/load/diff/report-diff.js'
import type { LoadReport } from '../../../bench/load/load-report.js'
import { NO_VALUES, reportFixture } from './report-fixture.js'

const rowOf = (rows: readonly DiffRow[], measure: DiffRow['measure'], name: string): DiffRow => {
  const row = rows.find((one) => one.measure === measure && one.name === name)
  assert.ok(row, `${measure} ${name}`)
  return row
}

const verdicts = (a: LoadReport, b: LoadReport): Set<Verdict> =>
  new Set(diffReports(a, b).rows.map(({ verdict }) => verdict))

test('a run against itself differs in nothing', () => {
  const report = reportFixture({ seconds: 20 })
  const { rows, settings } = diffReports(report, report)
  assert.ok(rows.length >= 19)
  for (const { change, verdict } of rows) assert.ok((change === null || change === 0) && verdict === 'noise')
  assert.deepEqual(settings, [])
})

test('two runs of the same server are almost never told apart, whether its seconds are even or not', () => {
  for (const secondScatter of [0, 0.4]) {
    let claims = 0
    let rows = 0
    for (let seed = 1; seed <= 12; seed++) {
      const [a, b] = [seed, seed + 100].map((one) =>
        reportFixture({ seed: one, secondScatter, seconds: 20, requestsPerSecond: 30 }),
      )
      assert.ok(a && b)
      const { rows: all } = diffReports(a, b)
      claims += all.filter(({ verdict }) => verdict === 'better' || verdict === 'worse').length
      rows += all.length
    }
    assert.ok(claims <= rows * 0.03, `${claims} of ${rows} at ${secondScatter}`)
  }
})

test('a server that got much slower is worse, the other way round better', () => {
  const fast = reportFixture({ seed: 1, ttftMs: 40 })
  const slow = reportFixture({ seed: 2, ttftMs: 80 })
  const worse = diffReports(fast, slow).rows
  for (const name of ['p50', 'p90', 'p95']) assert.equal(rowOf(worse, 'ttft', name).verdict, 'worse')
  assert.equal(rowOf(worse, 'itl', 'p50').verdict, 'noise')
  assert.equal(rowOf(worse, null, 'met the SLO').verdict, 'worse')
  const better = diffReports(slow, fast).rows
  assert.equal(rowOf(better, 'ttft', 'p50').verdict, 'better')
  assert.ok((rowOf(better, 'ttft', 'p50').change ?? 0) < -0.4)
  assert.equal(rowOf(better, null, 'met the SLO').verdict, 'better')
})

test('fewer requests a second are worse, more failures as well', () => {
  const a = reportFixture({ seed: 1, requestsPerSecond: 40 })
  const b = reportFixture({ seed: 2, requestsPerSecond: 30 })
  const failed = { ...b, totals: { ...b.totals, failed: 300, completed: b.totals.completed - 300 } }
  const { rows } = diffReports(a, failed)
  assert.equal(rowOf(rows, null, 'requests/s').verdict, 'worse')
  assert.equal(rowOf(rows, null, 'requests/s').change, -0.25)
  assert.equal(rowOf(rows, null, 'failed').verdict, 'worse')
})

test('what a short run cannot tell is not told', () => {
  const [a, b] = [reportFixture({ seconds: 3 }), reportFixture({ seconds: 3, ttftMs: 400 })]
  assert.ok(!verdicts(a, b).has('worse') && !verdicts(a, b).has('better'))
  assert.equal(rowOf(diffReports(a, b).rows, 'ttft', 'p50').verdict, 'unknown')
})

test('a latency that one run does not have has no change', () => {
  const a = reportFixture({ seconds: 12 })
  const { rows } = diffReports(a, { ...a, ttft: NO_VALUES })
  assert.deepEqual([rowOf(rows, 'ttft', 'p99').change, rowOf(rows, 'ttft', 'p99').verdict], [null, 'unknown'])
  assert.ok(
    !diffReports({ ...a, itl: NO_VALUES }, { ...a, itl: NO_VALUES }).rows.some(
      ({ measure }) => measure === 'itl',
    ),
  )
})

test('settings that differ are warned of, the target is not', () => {
  const a = reportFixture({ seconds: 12 })
  const b = {
    ...a,
    settings: { ...a.settings, url: 'http://other:1', rate: '80', note: '\u001b[31mred' },
    generator: { ...a.generator, limited: 'it used 97% of a processor' },
  }
  const lines = diffText({ name: 'a.json', report: a }, { name: 'b.json', report: b }, diffReports(a, b))
  const warnings = lines.filter((line) => line.startsWith('WARNING'))
  assert.equal(warnings.length, 3)
  assert.ok(warnings.some((line) => line.includes('rate: "50" in A, "80" in B')))
  assert.ok(warnings.some((line) => line.includes('in B the load generator was the limit')))
  assert.ok(
    lines.every((line) => !line.includes('\u001b')),
    'text of a file does not steer the terminal',
  )
})
