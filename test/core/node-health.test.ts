import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { NEW_NODE, type NodeHealth, probed } from '../../src/core/node-health.js'
import type { HealthCheck } from '../../src/core/snapshot.js'

const check: HealthCheck = {
  intervalSeconds: 1,
  timeoutSeconds: 1,
  unhealthyThreshold: 3,
  healthyThreshold: 2,
}
const after = (probes: boolean[], from: NodeHealth = NEW_NODE) =>
  probes.reduce((health, ok) => probed(health, ok, check), from).healthy

test('a node turns unhealthy after as many failures in a row as the threshold, not before', () => {
  assert.equal(after([]), true)
  assert.equal(after([false, false]), true)
  assert.equal(after([false, false, true, false, false]), true)
  assert.equal(after([false, false, false]), false)
})

test('it turns healthy again after as many successes in a row', () => {
  const down = { healthy: false, against: 0 }
  assert.equal(after([true], down), false)
  assert.equal(after([true, false, true], down), false)
  assert.equal(after([true, true], down), true)
})

test('health turns exactly where a run against it reaches the threshold', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean()), (probes) => {
      let health = NEW_NODE
      let run = 0
      for (const ok of probes) {
        run = ok === health.healthy ? 0 : run + 1
        const turns = run >= (health.healthy ? check.unhealthyThreshold : check.healthyThreshold)
        const next = probed(health, ok, check)
        assert.equal(next.healthy, turns ? !health.healthy : health.healthy)
        if (turns) run = 0
        health = next
      }
    }),
  )
})
