import assert from 'node:assert/strict'
import { test } from 'node:test'
import { brings, nextNode } from '../../src/core/cold-start.js'
import { DEPLOYMENT_STATUSES } from '../../src/core/deployment-state.js'
import { GUESSED_LAUNCH_MS } from '../../src/core/scaling/launch-estimate.js'
import { DEFAULT_ROUTE } from '../../src/core/snapshot.js'
import { deploymentOf } from '../support/routed-model.js'

const NOW = 1_800_000_000_000
const took = (tookMs: number) => Array.from({ length: 4 }, () => ({ atMs: NOW, tookMs }))

test('a deployment that sleeps, lacks nodes or launches one brings a node; one that is paused or over does not', () => {
  const bringing = DEPLOYMENT_STATUSES.filter((status) => brings(deploymentOf({ status, asleep: true })))
  assert.deepEqual(bringing, ['launching', 'active', 'scaling'])
  assert.equal(brings(deploymentOf({ wanted: 2, serving: 1 })), true)
  assert.equal(brings(deploymentOf({ wanted: 1, serving: 1, launchingSinceMs: NOW })), true)
  assert.equal(brings(deploymentOf({ wanted: 1, serving: 1 })), false)
  assert.equal(brings(deploymentOf({ wanted: 0, status: 'paused' })), false)
})

test('a node is expected as late as launches took before, less what has passed, at the soonest deployment', () => {
  const slow = deploymentOf({ id: 'slow', asleep: true, launches: took(400_000) })
  assert.deepEqual(nextNode([slow], NOW), { kind: 'coming', ms: 400_000 })
  const fast = deploymentOf({ id: 'fast', wanted: 1, launches: took(90_000), launchingSinceMs: NOW - 30_000 })
  assert.deepEqual(nextNode([slow, fast], NOW), { kind: 'coming', ms: 60_000 })
  // A clock that was set back.
  assert.deepEqual(nextNode([{ ...fast, launchingSinceMs: NOW + 5_000 }], NOW), {
    kind: 'coming',
    ms: 90_000,
  })
})

test('while launches fail in a row the wait grows with the time in which none went through', () => {
  const failing = { sinceMs: NOW - 40_000, retryAtMs: NOW + 20_000 }
  const paused = deploymentOf({ wanted: 1, launches: took(90_000), failing })
  // What is left of the pause, and a launch.
  assert.deepEqual(nextNode([paused], NOW), { kind: 'coming', ms: 110_000 })
  const again = { ...paused, launchingSinceMs: NOW - 30_000 }
  assert.deepEqual(nextNode([again], NOW), { kind: 'coming', ms: 60_000 })
  // A guess has room for a pause, so that the first ones are not turned away.
  const guessed = nextNode([{ ...paused, launches: [] }], NOW)
  assert.deepEqual(guessed, { kind: 'coming', ms: GUESSED_LAUNCH_MS })
  // None in an hour: as good as nothing is known.
  const long = { ...again, failing: { sinceMs: NOW - 3_600_000, retryAtMs: NOW - 30_000 } }
  assert.deepEqual(nextNode([long], NOW), { kind: 'coming', ms: 1_800_000 })
})

test('the first launch of all is guessed, and waited for by default', () => {
  const next = nextNode([deploymentOf({ asleep: true })], NOW)
  assert.deepEqual(next, { kind: 'coming', ms: GUESSED_LAUNCH_MS })
  assert.ok(GUESSED_LAUNCH_MS <= DEFAULT_ROUTE.queue.coldStartMaxWaitMs)
})

test('where nothing comes it is said why: given up, paused, or nothing there', () => {
  const failed = deploymentOf({ status: 'failed', wanted: 1 })
  const paused = deploymentOf({ status: 'paused' })
  assert.deepEqual(nextNode([paused, failed], NOW), { kind: 'failed' })
  assert.deepEqual(nextNode([paused], NOW), { kind: 'paused' })
  assert.deepEqual(nextNode([deploymentOf({ status: 'draining', wanted: 0 })], NOW), { kind: 'none' })
  assert.deepEqual(nextNode([], NOW), { kind: 'none' })
  assert.deepEqual(nextNode([failed, deploymentOf({ wanted: 1, launches: took(1_000) })], NOW), {
    kind: 'coming',
    ms: 1_000,
  })
})
