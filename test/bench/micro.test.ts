import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { runCommand, UsageError } from '../../bench/command.js'
import { MICRO_BENCHES } from '../../bench/micro/all.js'
import { microCommand, microPlanOf } from '../../bench/micro/command.js'
import { measureAllocation } from '../../bench/micro/harness/allocation.js'
import type { MicroCase } from '../../bench/micro/harness/bench.js'
import { forkCase } from '../../bench/micro/harness/fork-case.js'
import { measureCase } from '../../bench/micro/harness/measure-case.js'
import { MicroResult } from '../../bench/micro/harness/result.js'
import { resultRow } from '../../bench/micro/report.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const BENCH = { name: 'trivial' }

function trivialCase(over: Partial<MicroCase> = {}): MicroCase {
  return {
    name: 'a case',
    operation: 'next to nothing',
    start: () => {
      let count = 0
      return { run: () => ({ count: (count += 1) }) }
    },
    ...over,
  }
}

test('a trivial operation has sane figures', async () => {
  const result = await measureCase(BENCH, trivialCase(), 30)
  assert.equal(`${result.bench}, ${result.case}`, 'trivial, a case')
  assert.ok(0 < result.minNs && result.minNs <= result.medianNs && result.medianNs <= result.p99Ns)
  assert.ok(result.samples > 0)
  assert.ok(result.operationsPerSample > 1)
  assert.equal(result.goalNs, null)
})

test('a run of several operations has the figures of one', async () => {
  const start = () => ({ run: () => new Array<number>(1_000).fill(1) })
  const { heapBytes, operationsPerSample } = await measureCase(
    BENCH,
    trivialCase({ start, operationsPerRun: 1_000 }),
    20,
  )
  assert.equal(operationsPerSample % 1_000, 0)
  assert.ok(heapBytes >= 4 && heapBytes < 12, `${heapBytes} bytes`)
})

test('tells what a run allocates, on the heap and in buffers', () => {
  const kept: unknown[] = []
  const { heapBytes } = measureAllocation({ run: () => new Array<number>(1_000).fill(1) })
  assert.ok(heapBytes > 4_000 && heapBytes < 12_000, `${heapBytes} bytes`)
  const { externalBytes } = measureAllocation({ run: () => Buffer.allocUnsafeSlow(100_000) })
  assert.ok(externalBytes > 95_000 && externalBytes < 105_000, `${externalBytes} bytes`)
  const nothing = measureAllocation({ run: () => kept })
  assert.ok(nothing.heapBytes < 2, `${nothing.heapBytes} bytes`)
})

test('a case gets its tidying between samples and is closed in the end, also when it throws', async () => {
  let tidied = 0
  let closed = 0
  const running = {
    run: () => running,
    tidy: () => (tidied += 1),
    close: () => Promise.resolve(void (closed += 1)),
  }
  await measureCase(BENCH, trivialCase({ start: () => running }), 20)
  assert.ok(tidied > 0)
  assert.equal(closed, 1)
  const failing = {
    ...running,
    run: (): never => {
      throw new Error('does not work')
    },
  }
  await assert.rejects(measureCase(BENCH, trivialCase({ start: () => failing }), 20), /does not work/)
  assert.equal(closed, 2)
})

test('every case of every bench runs on its inputs, over and over', async () => {
  for (const bench of MICRO_BENCHES) {
    assert.equal(new Set(bench.cases.map(({ name }) => name)).size, bench.cases.length)
    for (const subject of bench.cases) {
      const running = await subject.start()
      const runs = subject.name.startsWith('10 MB') ? 3 : 600
      for (let run = 0; run < runs; run += 1) {
        assert.notEqual(running.run(), undefined, `${bench.name}, ${subject.name}`)
      }
      running.tidy?.()
      await running.close?.()
    }
  }
})

test('measures a case in a process of its own, which ends with an interrupt', async () => {
  const [bench] = MICRO_BENCHES
  const [subject] = bench?.cases ?? []
  assert.ok(bench !== undefined && subject !== undefined)
  const result = await forkCase(bench, subject, 20, new AbortController().signal)
  assert.equal(result.case, subject.name)

  const interrupt = new AbortController()
  const measuring = forkCase(bench, subject, 60_000, interrupt.signal)
  setTimeout(() => {
    interrupt.abort(new Error('interrupted'))
  }, 100)
  await assert.rejects(measuring)
})

test('prints a row for each case and writes the same as JSON', async (t) => {
  await using folder = await temporaryFolder()
  const out = join(folder.path, 'micro.json')
  const lines: string[] = []
  t.mock.method(console, 'log', (text = '') => void lines.push(String(text)))
  assert.equal(await runCommand('micro', microCommand, ['--only', 'empty', '--ms', '20', '--out', out]), 0)
  t.mock.reset()
  const Written = z.object({ format: z.literal('crosslogic-micro/1'), results: z.array(MicroResult) })
  const { results } = Written.parse(JSON.parse(await readFile(out, 'utf8')))
  assert.deepEqual(
    results.map((result) => result.case),
    MICRO_BENCHES[0]?.cases.map(({ name }) => name),
  )
  for (const result of results) assert.ok(lines.includes(resultRow(result)))
})

test('a goal stands beside the figure, and so does a warm-up that did not end well', () => {
  const result = { ...FIGURES, medianNs: 3_000, goalNs: 3_000 }
  assert.match(resultRow(result), /1,000 +3,000 +4,000 +56 +1,024 {2}goal ≤ 3,000 {2}met$/)
  assert.match(resultRow({ ...result, medianNs: 3_001 }), /goal ≤ 3,000 {2}MISSED$/)
  assert.match(resultRow({ ...FIGURES, minNs: 12.34, steady: false }), /12\.3 .* never became steady$/)
})

test('bad options are told in one line', async () => {
  assert.throws(() => microPlanOf(['--only', 'nothing']), UsageError)
  assert.throws(() => microPlanOf(['--ms', '0']), UsageError)
  await using folder = await temporaryFolder()
  const out = join(folder.path, 'not-there', 'micro.json')
  await assert.rejects(microCommand.run(['--out', out]), UsageError)
  await assert.rejects(microCommand.run(['--out', folder.path]), UsageError)
})

const FIGURES: MicroResult = {
  bench: 'trivial',
  case: 'a case',
  operation: 'nothing',
  minNs: 1_000,
  medianNs: 2_000,
  p99Ns: 4_000,
  samples: 100,
  operationsPerSample: 500,
  steady: true,
  heapBytes: 56,
  externalBytes: 1_024,
  goalNs: null,
}
