import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DEFAULT_ROUTE, type NodeLive, type SnapshotNode } from '../../src/core/snapshot.js'
import { collectCandidates, countTrusted } from '../../src/proxy/candidates.js'
import { ejectSlow } from '../../src/proxy/slow-nodes.js'
import { Target } from '../../src/proxy/target.js'
import { MODEL, nodeOf } from '../support/routed-model.js'

const START = 1_000_000
const route = { ...DEFAULT_ROUTE, modelId: MODEL.id }

function targetOf(id: string, changes: Partial<SnapshotNode> = {}, joins = false): Target {
  return new Target(nodeOf(id, changes), MODEL, route, { random: () => 0, joins })
}

function live(id: string, changes: Partial<NodeLive> = {}): NodeLive {
  return {
    nodeId: id,
    healthy: true,
    running: 0,
    waiting: 0,
    kvCacheUsage: null,
    tellsLoad: false,
    proxies: null,
    observedAt: START,
    ...changes,
  }
}

function asked(targets: readonly Target[], nowMs: number, tried: readonly Target[] = []): string {
  const into: Target[] = []
  return collectCandidates(targets, tried, nowMs, into) ?? into.map(({ id }) => id).join()
}

function fail(target: Target, nowMs: number): void {
  for (let i = 0; i < 3; i++) target.failed('error', nowMs)
}

test('a node that failed three times in a row is left out, then tried by one request at a time', () => {
  const [a, b, c] = [targetOf('a'), targetOf('b'), targetOf('c')]
  const all = [a, b, c]
  fail(a, START)
  assert.equal(asked(all, START), 'b,c')
  assert.equal(a.unavailable(START), 'rejecting')
  assert.equal(asked(all, START + 1_000), 'a,b,c')
  a.enter()
  assert.equal(asked(all, START + 1_000), 'b,c')
  a.succeeded(START + 1_100)
  a.leave()
  assert.equal(asked(all, START + 1_100), 'a,b,c')
  assert.equal(a.warmth, 0.1)
})

test('a request that is being tried and ends without a verdict lets the next one try', () => {
  const [a, b] = [targetOf('a'), targetOf('b')]
  fail(a, START)
  assert.equal(asked([a, b], START + 1_000), 'a,b')
  a.enter()
  a.leave()
  assert.equal(asked([a, b], START + 1_001), 'a,b')
})

test('with fewer than half of the nodes trusted all are asked, but those that refused within a second', () => {
  const all = ['a', 'b', 'c', 'd', 'e'].map((id) => targetOf(id))
  const [a, b, c] = all
  assert.ok(a !== undefined && b !== undefined && c !== undefined)
  fail(a, START)
  b.observeLive(live('b', { healthy: false }), START)
  assert.equal(asked(all, START), 'c,d,e')
  c.failed('refused', START)
  assert.equal(asked(all, START), 'd,e,a,b')
  assert.equal(asked(all, START, [a]), 'd,e,b')
  assert.equal(asked(all, START + 1_000), 'a,c,d,e')
})

test('the only node of a model is asked whatever is thought of it, but not for a second after it refused', () => {
  const a = targetOf('a')
  fail(a, START)
  a.observeLive(live('a', { healthy: false }), START)
  assert.equal(asked([a], START), 'a')
  a.failed('refused', START)
  assert.equal(asked([a], START + 999), 'no_healthy_node')
  assert.equal(asked([a], START + 1_000), 'a')
})

test('a node that is overloaded is left alone for as long as it says, ten seconds at most, panic or not', () => {
  const a = targetOf('a')
  a.pushedBack(START, 2_000)
  assert.equal(asked([a], START + 1_999), 'overloaded')
  assert.equal(a.unavailable(START), 'pushed_back')
  assert.equal(asked([a], START + 2_000), 'a')
  a.pushedBack(START, 3_600_000)
  assert.equal(asked([a], START + 9_999), 'overloaded')
  assert.equal(asked([a], START + 10_000), 'a')
  a.pushedBack(START, null)
  fail(a, START)
  assert.equal(asked([a], START), 'overloaded')
})

test("requests that ended well of late outweigh the leader's verdict, until one fails", () => {
  const [a, b] = [targetOf('a'), targetOf('b')]
  a.succeeded(START)
  a.observeLive(live('a', { healthy: false, observedAt: START + 8_000 }), START + 8_000)
  assert.equal(asked([a, b], START + 9_999), 'a,b')
  assert.equal(asked([a, b], START + 10_000), 'b')
  a.succeeded(START + 10_000)
  a.failed('timeout', START + 10_001)
  assert.equal(asked([a, b], START + 10_001), 'b')
  a.observeTtft(50, START + 10_002)
  assert.equal(asked([a, b], START + 10_002), 'a,b')
  a.observeLive(live('a', { observedAt: START + 11_000 }), START + 11_000)
  asked([a, b], START + 11_000)
  assert.equal(a.warmth, 1, 'one that was never left out is not warmed up')
})

test("a node is full by all proxies' requests, not by our own alone", () => {
  const a = targetOf('a', { maxConcurrency: 3 })
  a.enter()
  assert.equal(asked([a], START), 'a')
  assert.equal(a.observeOthers(2), false)
  assert.equal(asked([a], START), 'overloaded')
  assert.equal(a.observeOthers(1), true)
  assert.equal(asked([a], START), 'a')
})

test('a node that joins, or is active again, is warmed up for half a minute; the first ones are warm', () => {
  const [old, joined] = [targetOf('old'), targetOf('joined', { weight: 2 }, true)]
  asked([old, joined], START)
  assert.deepEqual([old.warmth, joined.warmth, joined.weight], [1, 0.1, 0.2])
  asked([old, joined], START + 15_000)
  assert.equal(joined.warmth, 0.55)
  asked([old, joined], START + 30_000)
  assert.deepEqual([joined.warmth, joined.weight], [1, 2])
  old.update(nodeOf('old', { status: 'draining' }), MODEL, route)
  old.update(nodeOf('old'), MODEL, route)
  asked([old, joined], START + 40_000)
  assert.equal(old.warmth, 0.1)
  joined.observeLive(live('joined', { healthy: false, observedAt: START + 80_000 }), START + 80_000)
  joined.observeLive(live('joined', { observedAt: START + 81_000 }), START + 81_000)
  asked([old, joined], START + 81_000)
  assert.equal(joined.warmth, 0.1)
})

test('nodes that are all new are spared by nobody, and share alike', () => {
  const [first, second] = [targetOf('first', {}, true), targetOf('second', { weight: 2 }, true)]
  asked([first], START)
  asked([first, second], START + 1_000)
  assert.deepEqual([first.warmth, second.warmth, second.weight], [1, 1, 2])
  // Once the first is warm, it can take what the second does not get.
  asked([first, second], START + 30_000)
  assert.equal(first.warmth, 1)
  assert.ok(second.warmth < 1 && second.warmth > 0.9)
})

test("a reply's word of the node's load counts until the leader's next", () => {
  const a = targetOf('a')
  a.observeLive(live('a', { running: 2 }), START)
  a.observeOrca(
    'TEXT named_metrics.kv_cache_usage_perc=0.4, named_metrics.num_requests_waiting=3',
    START + 100,
  )
  assert.equal(a.load, 5)
  assert.equal(a.kvCacheUsage(START + 100), 0.4)
  a.observeLive(live('a', { running: 1, observedAt: START + 1_000 }), START + 1_000)
  assert.equal(a.load, 1)
})

test('what proxies are told is there for as long as there is something to say', () => {
  const a = targetOf('a')
  assert.equal(a.report(START), null)
  a.enter()
  a.observeTtft(100, START)
  a.observeItl(10, START)
  const known = {
    nodeId: 'a',
    inFlight: 1,
    ttftMs: 100,
    itlMs: 10,
    breaker: 'admitting',
    ended: 0,
    failed: 0,
  }
  assert.deepEqual(a.report(START), known)
  a.succeeded(START)
  a.leave()
  assert.deepEqual(a.report(START), { ...known, inFlight: 0, ended: 1 })
  assert.equal(a.report(START + 11_000), null)
})

/** Ten first tokens of each node, and four looks a tenth of a second apart. */
function serve(targets: readonly Target[], ttftMs: readonly number[], nowMs: number): void {
  targets.forEach((target, index) => {
    for (let i = 0; i < 10; i++) target.observeTtft(ttftMs[index] ?? 0, nowMs)
  })
  for (let look = 0; look < 4; look++) ejectSlow(targets, nowMs + look * 100)
}

test('a node far slower than its peers is left out, and longer when it is still slow when tried', () => {
  const all = ['a', 'b', 'c'].map((id) => targetOf(id))
  const [a] = all
  assert.ok(a !== undefined)
  serve(all, [1_000, 100, 90], START)
  assert.equal(asked(all, START + 1_299), 'b,c')
  assert.equal(a.ejections('slow'), 1)
  assert.equal(asked(all, START + 1_300), 'a,b,c')
  a.enter()
  a.observeTtft(900, START + 2_100)
  assert.equal(asked(all, START + 4_099), 'b,c')
  assert.equal(asked(all, START + 4_100), 'a,b,c')
  a.enter()
  a.observeTtft(90, START + 4_200)
  assert.equal(asked(all, START + 4_200), 'a,b,c')
})

test('a node whose first tokens are being waited for is left out before any of them has come', () => {
  const all = ['a', 'b', 'c'].map((id) => targetOf(id))
  const [a, b] = all
  assert.ok(a !== undefined && b !== undefined)
  serve(all, [50, 50, 50], START)
  const looks = (nowMs: number, steadyMs: number) => {
    for (const target of all) target.lookAtWaits(nowMs, steadyMs)
    ejectSlow(all, nowMs)
  }
  const waits = [0, 20, 40].map((sentAt) => ({ place: -1, sentAt }))
  for (const wait of waits) a.awaiting.add(wait)
  // One alone has a long prompt, perhaps.
  b.awaiting.add({ place: -1, sentAt: 0 })
  const before = a.predictedTtftMs ?? 0
  looks(START + 500, 40)
  assert.equal(a.predictedTtftMs, before)
  looks(START + 600, 220)
  assert.ok((a.predictedTtftMs ?? 0) >= 200, 'what is waited for is foretold')
  assert.equal(asked(all, START + 600), 'a,b,c')
  for (let look = 0; look < 4; look++) looks(START + 700 + look * 100, 320 + look * 100)
  assert.equal(asked(all, START + 1_000), 'b,c')
  for (const wait of waits) a.awaiting.delete(wait)
  looks(START + 1_100, 720)
  assert.equal(a.predictedTtftMs, before)
})

test('what only a moment or a few requests say makes no node slow', () => {
  const all = ['a', 'b', 'c'].map((id) => targetOf(id))
  const [a, b, c] = all
  assert.ok(a !== undefined && b !== undefined && c !== undefined)
  for (const target of [b, c]) for (let i = 0; i < 10; i++) target.observeTtft(10, START)
  for (let i = 0; i < 4; i++) a.observeTtft(5_000, START)
  for (let look = 0; look < 10; look++) ejectSlow(all, START + look)
  assert.equal(asked(all, START), 'a,b,c')
})

test('slowness never takes more than half of the nodes, and never the only one', () => {
  const ttft = fc.integer({ min: 1, max: 10_000 })
  fc.assert(
    fc.property(fc.array(fc.tuple(ttft, fc.boolean()), { minLength: 1, maxLength: 12 }), (nodes) => {
      const all = nodes.map((_, index) => targetOf(String(index)))
      all.forEach((target, index) => {
        if (nodes[index]?.[1] === true) fail(target, START)
      })
      const before = countTrusted(all, START)
      for (let round = 0; round < 3; round++) {
        serve(
          all,
          nodes.map(([ms]) => ms),
          START,
        )
      }
      const after = countTrusted(all, START)
      const ejected = all.reduce((sum, target) => sum + target.ejections('slow'), 0)
      if (ejected > 0) assert.ok(after.trusted * 2 >= after.serving && after.serving > 1)
      else assert.ok(after.trusted >= before.trusted)
    }),
  )
})
