import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LAUNCH_STAGES } from '../../../src/core/machine.js'
import { SKYPILOT_ERROR_KINDS } from '../../../src/core/skypilot-error.js'
import type { SkyPilotClusterStatus } from '../../../src/core/skypilot-payload.js'
import type { EngineStage } from '../../../src/workers/launchers/skypilot-jobs.js'
import {
  launchFailureKind,
  machineState,
  placeOf,
  type LaunchSight,
  type Sight,
} from '../../../src/workers/launchers/skypilot-state.js'

const STATUSES: readonly SkyPilotClusterStatus[] = [
  'INIT',
  'UP',
  'STOPPED',
  'AUTOSTOPPING',
  'PENDING',
  'UNKNOWN',
]
const launchSights: readonly LaunchSight[] = [
  { launch: 'unknown' },
  { launch: 'in_doubt' },
  { launch: 'waiting' },
  { launch: 'running' },
  { launch: 'succeeded' },
  { launch: 'failed', kind: 'no_capacity', reason: 'nobody has one' },
]

const sights: fc.Arbitrary<Sight> = fc.record({
  market: fc.constantFrom('spot', 'on_demand'),
  cluster: fc.option(
    fc.record({
      name: fc.constant('cic'),
      status: fc.constantFrom(...STATUSES),
      launchedAt: fc.constant(null),
      everUp: fc.boolean(),
      cloud: fc.constant('aws'),
      region: fc.constant(null),
    }),
  ),
  launch: fc.constantFrom(...launchSights),
  goingDown: fc.boolean(),
  elapsedMs: fc.integer({ min: -10_000, max: 10_000 }),
  launchTimeoutMs: fc.integer({ min: 1_000, max: 8_000 }),
  serves: fc.constantFrom(true, false, null),
  job: fc.constantFrom<EngineStage>(
    { engine: 'setting_up' },
    { engine: 'running' },
    { engine: 'unknown' },
    { engine: 'ended', reason: 'no memory' },
  ),
  endpointUrl: fc.constantFrom(null, 'http://10.0.0.1:8000'),
})

test('only a cluster that is not there, and about which nothing is known or under way, is absent', () => {
  fc.assert(
    fc.property(sights, (sight) => {
      const isAbsent = sight.cluster === null && sight.launch.launch === 'unknown' && !sight.goingDown
      assert.equal(machineState(sight).state === 'absent', isAbsent)
    }),
  )
})

test('progress is 0 to 99, and grows with the time and with the stage', () => {
  fc.assert(
    fc.property(sights, sights, (one, other) => {
      const [earlier, later] = [one, other]
        .map((sight) => ({ ...sight, launchTimeoutMs: one.launchTimeoutMs }))
        .sort((a, b) => a.elapsedMs - b.elapsedMs)
        .map(machineState)
      for (const state of [earlier, later]) {
        if (state?.state === 'coming') assert.ok(state.progress >= 0 && state.progress <= 99)
      }
      if (earlier?.state !== 'coming' || later?.state !== 'coming') return
      if (LAUNCH_STAGES.indexOf(later.stage) < LAUNCH_STAGES.indexOf(earlier.stage)) return
      assert.ok(later.progress >= earlier.progress)
    }),
  )
})

test('a machine that is gone before its engine served is want of capacity where it was a spot machine', () => {
  fc.assert(
    fc.property(sights, (sight) => {
      const state = machineState({
        ...sight,
        cluster: null,
        goingDown: false,
        launch: { launch: 'succeeded' },
      })
      const kind = sight.market === 'spot' ? 'no_capacity' : 'failed'
      assert.equal(state.state === 'failed' && state.kind, kind)
    }),
  )
})

test('where a machine is, is settled when it is up', () => {
  const cluster = { name: 'cic', launchedAt: null, everUp: true, cloud: 'aws', region: 'eu-west-1' }
  for (const status of STATUSES) {
    const place = status === 'UP' ? { provider: 'aws', region: 'eu-west-1' } : undefined
    assert.deepEqual(placeOf({ ...cluster, status }), place)
  }
  assert.equal(placeOf({ ...cluster, status: 'UP', region: null }), undefined)
  assert.equal(placeOf({ ...cluster, status: 'UP', cloud: null }), undefined)
  assert.equal(placeOf(null), undefined)
})

test('a machine that is up and was not launched by this process is up', () => {
  fc.assert(
    fc.property(sights, (sight) => {
      if (sight.cluster === null || sight.goingDown || sight.serves === false) return
      const cluster = { ...sight.cluster, status: 'UP' as const }
      assert.equal(machineState({ ...sight, cluster, launch: { launch: 'unknown' } }).state, 'up')
    }),
  )
})

test('errors are what a controller decides by', () => {
  const kinds = Object.fromEntries(SKYPILOT_ERROR_KINDS.map((kind) => [kind, launchFailureKind(kind)]))
  const { no_capacity, bad_task, unauthorized, ...others } = kinds
  assert.deepEqual([no_capacity, bad_task, unauthorized], ['no_capacity', 'refused', 'unauthorized'])
  assert.ok(Object.values(others).every((kind) => kind === 'failed'))
})
