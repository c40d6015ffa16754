import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import fc from 'fast-check'
import { runCommand, UsageError } from '../../bench/command.js'
import { sumByFunction, type CallFrame, type CallNode } from '../../bench/profile/call-tree.js'
import { profileCommand, profilePlanOf } from '../../bench/profile/command.js'
import { CpuProfile, summariseCpuProfile } from '../../bench/profile/cpu-profile.js'
import { HeapProfile, summariseHeapProfile } from '../../bench/profile/heap-profile.js'
import { createLocate } from '../../bench/profile/place.js'
import { reportCpu, reportHeap } from '../../bench/profile/report.js'
import { packageRoot } from '../../src/io/package-root.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const OWN = 'file:///gateway/dist/src/proxy/'

function frame(functionName: string, url = '', lineNumber = -1): CallFrame {
  return { functionName, url, lineNumber, columnNumber: lineNumber }
}

const RELAY = frame('relay', `${OWN}exchange.js`, 9)
const PASS = frame('pass', `${OWN}reply.js`, 19)
const INTERNAL = frame('onStreamRead', 'node:internal/stream_base_commons', 29)
const SEND = frame('send')

/** `onStreamRead → relay → pass → send`, and `relay → send`; one sample each 100 µs. */
const PROFILE: CpuProfile = {
  nodes: [
    { id: 1, callFrame: frame('(root)'), children: [2, 3, 4, 5] },
    { id: 2, callFrame: frame('(idle)') },
    { id: 3, callFrame: frame('(program)') },
    { id: 4, callFrame: frame('(garbage collector)') },
    { id: 5, callFrame: INTERNAL, children: [6] },
    { id: 6, callFrame: RELAY, children: [7, 9] },
    { id: 7, callFrame: PASS, children: [8] },
    { id: 8, callFrame: SEND },
    { id: 9, callFrame: SEND },
  ],
  startTime: 1_000,
  endTime: 2_100,
  samples: [2, 3, 4, 5, 6, 7, 8, 8, 8, 9],
  timeDeltas: [100, 100, 100, 100, 100, 100, 100, 100, 100, 100],
}

test('a CPU profile is summed up by function, with idle, collector and program apart', () => {
  const summary = summariseCpuProfile(PROFILE)
  const { samples, elapsed, idle, collector, program } = summary
  assert.deepEqual(
    { samples, elapsed, idle, collector, program },
    { samples: 10, elapsed: 1_100, idle: 100, collector: 100, program: 100 },
  )
  assert.deepEqual(summary.functions, [
    { frame: SEND, self: 400, attributed: 0, inclusive: 400, mainOwner: 'pass' },
    { frame: INTERNAL, self: 100, attributed: 0, inclusive: 700, mainOwner: null },
    { frame: RELAY, self: 100, attributed: 200, inclusive: 600, mainOwner: null },
    { frame: PASS, self: 100, attributed: 400, inclusive: 400, mainOwner: 'relay' },
  ])
})

test('the report names functions with their places, and what the kernel counts beyond the samples', () => {
  const lines = reportCpu(
    summariseCpuProfile(PROFILE),
    2_000,
    createLocate('/gateway'),
    { name: 'token', count: 10 },
    3,
  )
  const text = lines.join('\n')
  assert.match(text, /10 samples in 0\.0 s, 9\.1% of it idle to V8/)
  assert.match(text, /5\.0% +10\.00 +garbage collector/)
  assert.match(text, /50\.0% +100 +reading sockets/)
  assert.match(text, /20\.0% +40\.00 +20\.0% {2}send {2}native, for pass/)
  assert.match(text, /5\.0% +10\.00 +10\.0% +20\.00 +30\.0% {2}relay {2}dist\/src\/proxy\/exchange\.js:10/)
  // Only three functions were asked for; their files are all there.
  assert.doesNotMatch(text, /pass {2}dist/)
  assert.match(text, /5\.0% +10\.00 +20\.0% +40\.00 +dist\/src\/proxy\/reply\.js/)
  assert.match(text, /10\.0% +20\.00 +30\.0% +60\.00 +dist\/src$/m)
})

test('a function that calls itself counts once', () => {
  const leaf = { frame: RELAY, self: 1, children: [] }
  const tree = { frame: frame('(root)'), self: 0, children: [{ frame: RELAY, self: 2, children: [leaf] }] }
  const relay = sumByFunction(tree).find((share) => share.frame === RELAY)
  assert.deepEqual(relay, { frame: RELAY, self: 3, attributed: 3, inclusive: 3, mainOwner: 'relay' })
})

test('whatever the tree, nothing is lost or counted twice', () => {
  const node = (children: fc.Arbitrary<CallNode[]>): fc.Arbitrary<CallNode> =>
    fc.record({ frame: fc.constantFrom(RELAY, PASS, INTERNAL, SEND), self: fc.nat(1_000), children })
  const { tree } = fc.letrec<{ tree: CallNode }>((tie) => ({
    tree: fc.oneof({ maxDepth: 5 }, node(fc.constant([])), node(fc.array(tie('tree'), { maxLength: 3 }))),
  }))
  fc.assert(
    fc.property(tree, (child) => {
      const shares = sumByFunction({ frame: frame('(root)'), self: 0, children: [child] })
      const total = totalOf(child)
      const selfs = shares.reduce((sum, { self }) => sum + self, 0)
      assert.equal(selfs, total)
      for (const { self, attributed, inclusive } of shares) {
        assert.ok(self <= inclusive && inclusive <= total && attributed <= inclusive)
      }
    }),
  )
})

function totalOf({ self, children }: CallNode): number {
  return children.reduce((sum, child) => sum + totalOf(child), self)
}

test('a heap profile is summed up by function', () => {
  const profile = HeapProfile.parse({
    head: {
      callFrame: frame('(root)'),
      selfSize: 0,
      children: [
        { callFrame: RELAY, selfSize: 600, children: [{ callFrame: SEND, selfSize: 400, children: [] }] },
      ],
    },
    samples: [],
  })
  const summary = summariseHeapProfile(profile)
  assert.equal(summary.allocated, 1_000)
  const lines = reportHeap(summary, createLocate('/gateway'), { name: 'request', count: 4 }, 1)
  assert.match(lines.join('\n'), /250 bytes per request/)
  assert.match(lines.join('\n'), /60\.0% +150 +100\.0% +250 +100\.0% {2}relay/)
})

test('places are those of the TypeScript source', () => {
  const locate = createLocate(packageRoot)
  const url = pathToFileURL(join(packageRoot, 'dist/src/core/sse-tap.js')).href
  const place = locate(frame('read', url, 60))
  assert.equal(place.file, 'src/core/sse-tap.ts')
  assert.equal(place.folder, 'src/core')
  const inPackage = pathToFileURL(join(packageRoot, 'node_modules/@clickhouse/client/dist/index.js')).href
  assert.equal(locate(frame('insert', inPackage, 1)).folder, '@clickhouse/client')
  assert.deepEqual(locate(INTERNAL), {
    folder: 'node internals',
    file: 'node:internal/stream_base_commons',
    line: 30,
  })
})

test('bad options are told in one line', async () => {
  for (const bad of [
    ['--scenario', 'nothing'],
    ['--seconds', '0'],
    ['--top', 'all'],
  ]) {
    assert.throws(() => profilePlanOf(bad), UsageError)
  }
  assert.equal(profilePlanOf(['--heap']).out, 'proxy-requests.heapprofile')
  await using folder = await temporaryFolder()
  await assert.rejects(profileCommand.run(['--out', join(folder.path, 'no', 'x.cpuprofile')]), UsageError)
})

for (const { what, args, unit } of [
  { what: 'time', args: [], unit: /µs\/request/ },
  { what: 'memory', args: ['--heap'], unit: /B\/request/ },
]) {
  test(`profiles the proxy's ${what} under a real load`, async (t) => {
    await using folder = await temporaryFolder()
    const out = join(folder.path, 'profile')
    const lines: string[] = []
    t.mock.method(console, 'log', (text = '') => void lines.push(String(text)))
    const code = await runCommand('profile', profileCommand, ['--seconds', '1', '--out', out, ...args])
    t.mock.reset()
    assert.equal(code, 0)
    assert.match(lines.join('\n'), unit)
    assert.match(lines.join('\n'), /%  \S+  src\/proxy\/\S+\.ts:\d+$/m)
    const written: unknown = JSON.parse(await readFile(out, 'utf8'))
    assert.ok((what === 'time' ? CpuProfile : HeapProfile).safeParse(written).success)
  })
}
