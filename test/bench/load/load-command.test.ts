import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { LoadReport } from '../../../bench/load/load-report.js'
import { createProgress } from '../../../bench/load/progress.js'
import { startSimulatedNode } from '../../../bench/nodes.js'
import { eventually, isAlive } from '../../support/processes.js'
import { temporaryFolder } from '../../support/temporary-folder.js'

const CLI = fileURLToPath(new URL('../../../bench/cli.js', import.meta.url))
const ENV = { ...process.env, CROSSLOGIC_API_KEY: '', OPENAI_API_KEY: '' }

interface Output {
  readonly child: ChildProcess
  out(): string
  errors(): string
  readonly closed: Promise<number | null>
}

function start(...args: readonly string[]): Output {
  const child = spawn(process.execPath, [CLI, 'load', ...args], {
    env: ENV,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  let errors = ''
  child.stdout.on('data', (bytes: Buffer) => (out += bytes.toString()))
  child.stderr.on('data', (bytes: Buffer) => (errors += bytes.toString()))
  return {
    child,
    out: () => out,
    errors: () => errors,
    closed: once(child, 'close').then(() => child.exitCode),
  }
}

test('prints a table, writes the result, and the key is in neither', async () => {
  await using node = await startSimulatedNode({ apiKey: 'sk-secret' })
  await using folder = await temporaryFolder()
  const out = join(folder.path, 'result.json')
  const run = start(
    '--url',
    node.url,
    '--key',
    'sk-secret',
    '--requests',
    '8',
    '--output-tokens',
    '3',
    '--out',
    out,
  )
  assert.equal(await run.closed, 0, run.errors())
  assert.match(run.out(), /^requests +8 sent in .*: 8 completed, 0 failed$/m)
  for (const name of ['TTFT', 'ITL', 'E2E', 'generator'])
    assert.match(run.out(), new RegExp(`^${name} `, 'm'))
  const text = await readFile(out, 'utf8')
  const report = LoadReport.parse(JSON.parse(text))
  assert.equal(report.totals.completed, 8)
  assert.doesNotMatch(text + run.out() + run.errors(), /sk-secret/)
})

test('what has to be put right first is one line and exit code 2, before anything is sent', async () => {
  await using node = await startSimulatedNode({ apiKey: 'sk-right', models: ['a', 'b'] })
  await using folder = await temporaryFolder()
  const prompts = join(folder.path, 'prompts.jsonl')
  await writeFile(prompts, '{"prompt":"x"}\n{"nothing":1}\nnothing\n')
  const server = ['--url', node.url, '--key', 'sk-right']
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['--rate', '1', '--concurrency', '1'], /contradict/],
    [
      ['--url', 'http://127.0.0.1:1'],
      /cannot be reached \(ECONNREFUSED\): start the server or correct --url/,
    ],
    [['--url', node.url.replace('http', 'https')], /if it has no TLS, give --url with http/],
    [['--url', node.url], /401 \(Unauthorized\): give a key with --key/],
    [['--url', node.url, '--key', 'sk-wrong'], /refuses this key, give another with --key/],
    [server, /has 2 models \(a, b\): name one with --model/],
    [[...server, '--model', 'c'], /has no model "c": use a, b/],
    [['--url', `${node.url}/elsewhere`, '--key', 'sk-right', '--model', 'a'], /404.*correct --url/],
    [
      [...server, '--model', 'a', '--prompts', prompts],
      /neither messages nor a prompt in line 2; no valid JSON in line 3/,
    ],
    [[...server, '--model', 'a', '--prompts', folder.path], /cannot be read \(EISDIR\)/],
    [['--out', join(folder.path, 'no', 'result.json')], /cannot write .*result\.json/],
  ]
  await Promise.all(
    cases.map(async ([args, message]) => {
      const run = start(...args)
      assert.equal(await run.closed, 2, args.join(' '))
      assert.match(run.errors(), /^load: [^\n]+\n$/)
      assert.match(run.errors(), message)
      assert.equal(run.out(), '')
    }),
  )
  assert.equal([...node.ledger.values()].length, 0)
})

test('exit code 1 when no request was answered', async () => {
  await using node = await startSimulatedNode({ faults: [{ kind: 'http_500' }] })
  const run = start('--url', node.url, '--requests', '3')
  assert.equal(await run.closed, 1)
  assert.match(run.out(), /^http +500 +500 +3 +100% {2}\S/m)
})

const LONG = ['--rate', '20', '--duration', '1h', '--output-tokens', '500', '--body-field', 'sim_itl_ms=20']

test('Ctrl-C prints what was measured so far', async () => {
  await using node = await startSimulatedNode({})
  const run = start('--url', node.url, ...LONG)
  await eventually('the run goes on', () => run.errors().includes('after 1 s'))
  run.child.kill('SIGINT')
  assert.equal(await run.closed, 130)
  assert.match(run.out(), /^Interrupted: what was measured so far\.$/m)
  assert.match(run.out(), /^TTFT /m)
  assert.match(run.out(), /still open/)
})

test('a second Ctrl-C stops at once, and the generator with it', async () => {
  await using node = await startSimulatedNode({})
  const run = start('--url', node.url, ...LONG, '--processes', '2')
  await eventually('requests are running', () => node.stats().running > 5)
  const { pid } = run.child
  assert.ok(pid !== undefined)
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ').map(Number)
  assert.equal(children.length, 2)
  const exited = once(run.child, 'exit')
  // Stopped, they cannot answer the first one.
  for (const child of children) process.kill(child, 'SIGSTOP')
  run.child.kill('SIGINT')
  // Two that come before it has taken the first are one.
  const again = setInterval(() => run.child.kill('SIGINT'), 100)
  const end = await exited
  clearInterval(again)
  assert.deepEqual(end, [130, null])
  assert.equal(run.out(), '')
  for (const child of children) process.kill(child, 'SIGCONT')
  await eventually(
    'the generator ended',
    async () => !(await Promise.all(children.map(isAlive))).includes(true),
  )
})

const SECOND = {
  second: 1,
  sent: 10,
  completed: 9,
  failed: 1,
  aborted: 0,
  completionTokens: 1234,
  open: 3,
  ttftP50: 20_000,
  ttftP99: 30_000,
  itlP50: null,
  itlP99: null,
  e2eP50: 1_500_000,
  e2eP99: 2_000_000,
}

test('on a terminal the progress is drawn again in its place, and gone in the end', () => {
  let text = ''
  const progress = createProgress({ isTTY: true, columns: 60, write: (more) => (text += more) })
  progress.show(SECOND)
  const first = text
  assert.match(first, /after 2 s/)
  assert.ok(first.split('\n').every((line) => line.length < 60))
  progress.show({ ...SECOND, second: 2 })
  assert.ok(text.slice(first.length).startsWith('\x1b[2F\x1b[0J'))
  progress.end()
  assert.ok(text.endsWith('\x1b[2F\x1b[0J'))
})

test('without a terminal a plain line comes now and then', () => {
  let text = ''
  const progress = createProgress({ write: (more) => (text += more) })
  for (let second = -2; second < 4; second += 1) progress.show({ ...SECOND, second })
  progress.end()
  const lines = text.trimEnd().split('\n')
  assert.equal(lines.length, 3)
  assert.match(lines[0] ?? '', /^warm-up/)
  assert.match(lines[1] ?? '', /^after 1 s: sent 10, done 9, failed 1, .*TTFT 20 ms, p99 30 ms, ITL –/)
  assert.doesNotMatch(text, /\x1b/)
})
