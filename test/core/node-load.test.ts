import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { NodeLoad } from '../../src/core/node-load.js'

test('what the engine counts beyond all proxies is load as well, and nothing is counted twice', () => {
  const load = new NodeLoad()
  load.enter()
  load.setOthers(2)
  load.look(5)
  assert.equal(load.total, 5)
  assert.equal(load.gateway, 3)
  load.look(3)
  assert.equal(load.total, 3)
})

test('requests of others that have just ended are not taken for strangers', () => {
  const load = new NodeLoad()
  load.setOthers(7)
  load.setOthers(0)
  load.look(7)
  assert.equal(load.total, 0)
})

const step = fc.oneof(
  fc.constant({ kind: 'enter' as const }),
  fc.constant({ kind: 'leave' as const }),
  fc.record({ kind: fc.constant('others' as const), count: fc.integer({ min: 0, max: 20 }) }),
  fc.record({ kind: fc.constant('strangers' as const), count: fc.integer({ min: 0, max: 20 }) }),
  fc.constant({ kind: 'look' as const }),
)

test('whatever came and went, the load is right again two looks after it has stopped changing', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const load = new NodeLoad()
      let own = 0
      let others = 0
      let strangers = 0
      for (const step of steps) {
        if (step.kind === 'enter') {
          load.enter()
          own++
        } else if (step.kind === 'leave' && own > 0) {
          load.leave()
          own--
        } else if (step.kind === 'others') load.setOthers((others = step.count))
        else if (step.kind === 'strangers') strangers = step.count
        else if (step.kind === 'look') load.look(own + others + strangers)
        assert.ok(load.total >= own + others && load.own === own)
      }
      for (let i = 0; i < 3; i++) load.look(own + others + strangers)
      assert.equal(load.total, own + others + strangers)
    }),
  )
})
