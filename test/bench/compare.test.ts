import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { UsageError } from '../../bench/command.js'
import { inTurn } from '../../bench/compare/bench.js'
import { contenderOf, type Contender } from '../../bench/compare/contenders/contender.js'
import { planOf } from '../../bench/compare/plan.js'
import { rowOf, type Rounds } from '../../bench/compare/row.js'
import { describeRuns, streams, type CpuMeasurement } from '../../bench/compare/scenarios/cpu.js'
import { added, ofMedians } from '../../bench/compare/samples.js'
import { LoadFailed } from '../../bench/compare/session.js'
import { columns, formatTable } from '../../bench/compare/table.js'

const rounds = (gateway: readonly number[], nginx?: readonly number[]): Rounds =>
  new Map([...(nginx === undefined ? [] : [['nginx', nginx] as const]), ['gateway', gateway] as const])

test('the median of the ratios of each round decides whether a goal is met', () => {
  const met = rowOf('CPU', 'µs', rounds([24, 90, 10], [10, 10, 10]), { timesNginx: 2.5 })
  assert.deepEqual(met, {
    measure: 'CPU',
    unit: 'µs',
    figures: { nginx: 10, gateway: 24 },
    rounds: { nginx: [10, 10, 10], gateway: [24, 90, 10] },
    ratio: { min: 1, median: 2.4, max: 9 },
    goal: '≤ 2.5× nginx',
    met: true,
  })
  assert.equal(rowOf('CPU', 'µs', rounds([26, 26, 10], [10, 10, 10]), { timesNginx: 2.5 }).met, false)
})

test('of two limits both must hold', () => {
  const goal = { atMost: 200, timesNginx: 2 }
  const verdict = (gateway: number, nginx?: number) =>
    rowOf('p99', 'µs', rounds([gateway], nginx === undefined ? undefined : [nginx]), goal).met
  assert.equal(verdict(150, 100), true)
  assert.equal(verdict(250, 150), false)
  assert.equal(verdict(150, 50), false)
  assert.equal(verdict(150), null)
  assert.equal(verdict(250), false)
  assert.equal(verdict(150, -3), null)
})

test('without nginx, or with a round that it lacks, there is no ratio', () => {
  assert.equal(rowOf('x', 'µs', rounds([1, 2]), { timesNginx: 2 }).ratio, null)
  assert.equal(rowOf('x', 'µs', rounds([1, 2], [1]), null).ratio, null)
})

test('a slow round of the node itself makes no proxy look fast; the ratio of added latency is that of the medians', () => {
  const samples = new Map([
    ['direct', [[100], [5000], [110]]],
    ['nginx', [[130], [90], [150]]],
    ['gateway', [[220], [400], [180]]],
  ])
  const differences = added(samples, 0.99)
  assert.deepEqual(
    [...differences],
    [
      ['nginx', [20, -20, 40]],
      ['gateway', [110, 290, 70]],
    ],
  )
  const row = rowOf('p99', 'µs', ofMedians(differences), { atMost: 200, timesNginx: 6 })
  assert.deepEqual(
    [row.figures['nginx'], row.figures['gateway'], row.ratio?.median, row.met],
    [20, 110, 5.5, true],
  )
})

test('the table says of each row what it was held against, and what is missing', () => {
  const lines = formatTable(
    [
      rowOf('CPU per request', 'µs', rounds([30], [10]), { timesNginx: 2 }),
      rowOf('Memory', 'KB', rounds([20.25]), { atMost: 25 }),
      rowOf('Other', 'µs', rounds([5]), { timesNginx: 2 }),
    ],
    ['gateway', 'nginx', 'haproxy'],
  )
  assert.match(
    lines[2] ?? '',
    /^CPU per request +µs +30\.0 +10\.0 +– +3\.00 – 3\.00 – 3\.00 +≤ 2× nginx +MISSED$/,
  )
  assert.match(lines[3] ?? '', /^Memory +KB +20\.3 +– +– +– +≤ 25 KB +met$/)
  assert.match(lines[4] ?? '', /not judged$/)
})

test('columns are as wide as their widest cell, whatever is in them', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.stringMatching(/^[a-z]{1,9}$/), { minLength: 3, maxLength: 3 }), { minLength: 1 }),
      (rows) => {
        const lines = columns(rows)
        assert.equal(new Set(lines.map((line) => line.length)).size, 1)
        assert.deepEqual(
          lines.map((line) => line.split(/ +/)),
          rows,
        )
      },
    ),
  )
})

function contender(name: string): Contender {
  return contenderOf({ name, description: '', host: '', port: 0, pid: 0, model: '' })
}

test('contenders have their turns one after another; a peer that fails has no further part', async () => {
  const [peer, good, gateway] = [contender('bad'), contender('good'), contender('gateway')]
  const notes: string[] = []
  const bench = { peers: [peer, good], note: (line: string) => void notes.push(line) }
  const turns: string[] = []
  const results = await inTurn(bench, [peer, good, gateway], 3, (one, round) => {
    turns.push(one.name)
    if (one === peer && round === 1) throw new LoadFailed('broken')
    return Promise.resolve(round)
  })
  assert.deepEqual(turns, ['bad', 'good', 'gateway', 'bad', 'good', 'gateway', 'good', 'gateway'])
  assert.deepEqual(
    [...results],
    [
      ['good', [0, 1, 2]],
      ['gateway', [0, 1, 2]],
    ],
  )
  // Beside it there may be a line on a machine that others use.
  assert.deepEqual(
    notes.filter((line) => !line.startsWith('NOISY')),
    ['bad FAILED: broken'],
  )
})

test('a failure of the gateway, or of the bench itself, ends the bench', async () => {
  const [peer, gateway] = [contender('peer'), contender('gateway')]
  const bench = { peers: [peer], note: () => {} }
  await assert.rejects(
    inTurn(bench, [peer, gateway], 1, (one) =>
      one === gateway ? Promise.reject(new LoadFailed('broken')) : Promise.resolve(1),
    ),
    /broken/,
  )
  await assert.rejects(
    inTurn(bench, [peer], 1, () => Promise.reject(new Error('a bug'))),
    /a bug/,
  )
})

test('every run is shown, with what the other processes of the gateway used', () => {
  const run = (microsPerUnit: number, control?: number): CpuMeasurement => ({
    microsPerUnit,
    unitsPerSecond: 200,
    machineBusy: 0.5,
    besides: new Map(control === undefined ? [] : [['control', control]]),
  })
  const lines = describeRuns(
    'token',
    new Map([
      ['nginx', [run(10)]],
      ['gateway', [run(12, 1.25)]],
    ]),
  )
  assert.match(lines[1] ?? '', /^pair 1 +10\.0 µs 200\/s 50% +12\.0 µs 200\/s 50%$/)
  assert.match(lines[2] ?? '', /µs per token: control 1\.3$/)
})

test('a streams scenario asks for as many tokens as its pace gives in the time', () => {
  const load = streams({ name: 'x', count: 1000, tokensPerSecond: 25, timesNginx: 1.15 }).load(
    { ...contender('gateway'), headers: { authorization: 'x' } },
    6,
  )
  assert.ok(load.kind === 'streams')
  assert.equal(load.request.tokens, 150)
  assert.match(load.request.body, /"max_tokens":150,"stream":true,"sim_itl_ms":40/)
  assert.deepEqual(load.request.headers, { authorization: 'x' })
})

test('reads its options, with everything on by default', () => {
  const plan = planOf([])
  assert.deepEqual([plan.pairs, plan.peers, plan.strict, plan.out], [3, ['nginx', 'haproxy'], false, null])
  assert.ok(plan.scenarios.some(({ name }) => name === 'requests'))
  const some = planOf([
    '--only',
    'latency',
    '--pairs',
    '1',
    '--strict',
    '--peers',
    'haproxy',
    '--out',
    'x.json',
  ])
  assert.deepEqual(
    { ...some, scenarios: some.scenarios.map(({ name }) => name) },
    { pairs: 1, seconds: 3, peers: ['haproxy'], scenarios: ['latency'], out: 'x.json', strict: true },
  )
  assert.deepEqual(planOf(['--peers', '']).peers, [])
  for (const bad of [
    ['--pairs', '0'],
    ['--seconds', '1.5'],
    ['--only', 'x'],
    ['--peers', 'nginx,apache'],
  ]) {
    assert.throws(() => planOf(bad), UsageError)
  }
  for (const bad of [['what'], ['--what']]) assert.throws(() => planOf(bad))
})

const CLI = fileURLToPath(new URL('../../bench/cli.js', import.meta.url))

async function runCli(...args: readonly string[]) {
  const child = spawn(process.execPath, [CLI, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let out = ''
  let errors = ''
  child.stdout.on('data', (bytes: Buffer) => (out += bytes.toString()))
  child.stderr.on('data', (bytes: Buffer) => (errors += bytes.toString()))
  await once(child, 'close')
  return { code: child.exitCode, out, errors }
}

test('the bench lists its commands, and refuses unknown ones with one line and exit code 2', async () => {
  const help = await runCli('--help')
  assert.equal(help.code, 0)
  assert.match(help.out, /compare/)
  assert.match(help.out, /nodes/)
  for (const args of [
    ['nothing'],
    ['compare', '--nonsense'],
    ['compare', '--out', '/nowhere/x.json'],
    ['--pairs', 'x'],
    ['nodes', '--nonsense'],
  ]) {
    const { code, errors } = await runCli(...args)
    assert.equal(code, 2)
    assert.match(errors, /^[^\n]+\n$/)
  }
  for (const command of ['compare', 'nodes']) assert.equal((await runCli(command, '--help')).code, 0)
})
