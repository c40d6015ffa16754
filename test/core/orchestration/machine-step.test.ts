import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LAUNCH_STAGES } from '../../../src/core/machine.js'
import { NODE_STATUSES } from '../../../src/core/node-status.js'
import {
  DOUBT_MS,
  type MachineFound,
  type MachineNode,
  machineStep,
} from '../../../src/core/orchestration/machine-step.js'

const NOW_MS = 1_800_000_000_000
const TIMEOUT_MS = 600_000
const PLANNED: MachineNode = {
  status: 'launching',
  plannedAtMs: NOW_MS - 60_000,
  askedAtMs: null,
  isDrained: false,
  endpointUrl: null,
  terminatesAtMs: null,
}
const URL = 'http://10.0.0.1:8000'

const times = fc.integer({ min: -2 * TIMEOUT_MS, max: 2 * TIMEOUT_MS }).map((ms) => NOW_MS + ms)
const nodes: fc.Arbitrary<MachineNode> = fc.record({
  status: fc.constantFrom(...NODE_STATUSES),
  plannedAtMs: times,
  askedAtMs: fc.option(times),
  isDrained: fc.boolean(),
  endpointUrl: fc.constantFrom(null, URL, 'http://10.0.0.1:8001'),
  terminatesAtMs: fc.option(times),
})
const sights: fc.Arbitrary<MachineFound> = fc.oneof(
  fc.record({ state: fc.constantFrom('absent' as const, 'going' as const) }),
  fc.record({
    state: fc.constant('coming' as const),
    stage: fc.constantFrom(...LAUNCH_STAGES),
    progress: fc.nat({ max: 99 }),
  }),
  fc.record({ state: fc.constant('up' as const), endpointUrl: fc.constantFrom(null, URL) }),
  fc.record({
    state: fc.constant('failed' as const),
    kind: fc.constantFrom('no_capacity', 'refused', 'unauthorized', 'failed'),
    reason: fc.string({ minLength: 1 }),
  }),
)

function isOver({ status, isDrained }: MachineNode): boolean {
  return status === 'failed' || isDrained
}

function inDoubt({ askedAtMs }: MachineNode): boolean {
  return askedAtMs !== null && Math.abs(NOW_MS - askedAtMs) < DOUBT_MS
}

function holds(claim: (node: MachineNode, found: MachineFound, does: string | undefined) => boolean): void {
  fc.assert(
    fc.property(nodes, sights, (node, found) => {
      return claim(node, found, machineStep(node, found, NOW_MS, TIMEOUT_MS)?.do)
    }),
    { numRuns: 5_000 },
  )
}

test('a machine is asked for only when it is wanted, absent, and no ask before is in doubt', () => {
  holds(
    (node, found, does) =>
      does !== 'launch' ||
      (node.status === 'launching' && !isOver(node) && found.state === 'absent' && !inDoubt(node)),
  )
})

test('a machine that is wanted is never removed, and one that is not is removed whatever was found', () => {
  holds((node, found, does) => {
    if (!isOver(node)) return does !== 'remove' && does !== 'gone'
    return does === 'remove' || does === 'gone' || (does === undefined && found.state === 'going')
  })
})

test('a machine passes for gone only when it was found absent and no ask is in doubt', () => {
  holds((node, found, does) => does !== 'gone' || (found.state === 'absent' && !inDoubt(node)))
})

test('only a node that is launching begins to serve or fails, only one that has served is lost', () => {
  holds((node, _found, does) => {
    if (does === 'serve' || does === 'fail' || does === 'note') return node.status === 'launching'
    return does !== 'lose' || node.status !== 'launching'
  })
})

test('a node that is launching is never waited for beyond its time', () => {
  holds((node, _found, does) => {
    const isLate = node.status === 'launching' && NOW_MS - node.plannedAtMs >= TIMEOUT_MS
    return !isLate || isOver(node) || does === 'fail' || does === 'serve'
  })
})

const cases: readonly [string, Partial<MachineNode>, MachineFound, ReturnType<typeof machineStep>][] = [
  ['a planned node is asked for', {}, { state: 'absent' }, { do: 'launch' }],
  [
    'an ask that may still be heard is waited for',
    { askedAtMs: NOW_MS - DOUBT_MS + 1 },
    { state: 'absent' },
    null,
  ],
  [
    'an ask that was not heard is repeated',
    { askedAtMs: NOW_MS - DOUBT_MS },
    { state: 'absent' },
    { do: 'launch' },
  ],
  [
    'an ask from the future, after a clock was set back, is in doubt no longer than another',
    { askedAtMs: NOW_MS + DOUBT_MS },
    { state: 'absent' },
    { do: 'launch' },
  ],
  [
    'a launch that gets on is noted',
    {},
    { state: 'coming', stage: 'installing', progress: 40 },
    { do: 'note', stage: 'installing', progress: 40 },
  ],
  ['an address is registered', {}, { state: 'up', endpointUrl: URL }, { do: 'serve', endpointUrl: URL }],
  [
    'a machine whose agent is to register it is waited for',
    {},
    { state: 'up', endpointUrl: null },
    { do: 'note', stage: 'model_loading', progress: 80 },
  ],
  [
    'a launch that takes too long fails',
    { plannedAtMs: NOW_MS - TIMEOUT_MS },
    { state: 'coming', stage: 'provisioning', progress: 9 },
    { do: 'fail', kind: 'failed', reason: 'it was not up within 600 s', isExplained: false },
  ],
  [
    'a machine that serves is left alone',
    { status: 'active', endpointUrl: URL },
    { state: 'up', endpointUrl: URL },
    null,
  ],
  [
    'an engine that was started again elsewhere is followed',
    { status: 'active', endpointUrl: 'http://10.0.0.1:8001' },
    { state: 'up', endpointUrl: URL },
    { do: 'move', endpointUrl: URL },
  ],
  [
    'an engine that is started again is left alone',
    { status: 'active' },
    { state: 'coming', stage: 'health_check', progress: 90 },
    null,
  ],
  [
    'a machine that went by itself is lost',
    { status: 'active' },
    { state: 'absent' },
    { do: 'lose', reason: 'its machine is gone' },
  ],
  [
    'requests are waited for',
    { status: 'terminating', endpointUrl: URL },
    { state: 'up', endpointUrl: URL },
    null,
  ],
  [
    'what has run dry is removed',
    { status: 'terminating', isDrained: true },
    { state: 'up', endpointUrl: URL },
    { do: 'remove' },
  ],
  ['what is going is waited for', { status: 'terminating', isDrained: true }, { state: 'going' }, null],
  ['what is gone is gone', { status: 'terminating', isDrained: true }, { state: 'absent' }, { do: 'gone' }],
  [
    'an ask in doubt for what is not wanted any more is cancelled again and again',
    { status: 'terminating', isDrained: true, askedAtMs: NOW_MS - 1 },
    { state: 'absent' },
    { do: 'remove' },
  ],
  [
    'a machine that should have been taken away is given up',
    { status: 'draining', terminatesAtMs: NOW_MS - 5_000 },
    { state: 'up', endpointUrl: null },
    { do: 'lose', reason: 'its machine was to be taken away by now' },
  ],
  [
    'until then it may serve',
    { status: 'draining', terminatesAtMs: NOW_MS - 4_999 },
    { state: 'up', endpointUrl: null },
    null,
  ],
]
for (const [name, node, found, step] of cases) {
  test(name, () => {
    assert.deepEqual(machineStep({ ...PLANNED, ...node }, found, NOW_MS, TIMEOUT_MS), step)
  })
}
