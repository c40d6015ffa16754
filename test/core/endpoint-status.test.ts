import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { endpointStatus } from '../../src/core/endpoint-status.js'

test('a model is available, degraded or unavailable by its nodes', () => {
  const of = (serving: number, healthy: number, withRoom: number) =>
    endpointStatus({ serving, healthy, withRoom })
  assert.equal(of(0, 0, 0), 'unavailable')
  assert.equal(of(3, 0, 0), 'unavailable')
  assert.equal(of(3, 2, 2), 'degraded')
  assert.equal(of(3, 1, 1), 'degraded')
  assert.equal(of(3, 3, 0), 'degraded')
  assert.equal(of(3, 3, 1), 'available')
  assert.equal(of(1, 1, 1), 'available')
})

test('a node that recovers, or gets room, never makes it worse', () => {
  const rank = ['unavailable', 'degraded', 'available']
  const tally = fc
    .tuple(fc.nat(9), fc.nat(9), fc.nat(9))
    .map(([withRoom, full, ill]) => ({ serving: withRoom + full + ill, healthy: withRoom + full, withRoom }))
  fc.assert(
    fc.property(tally, (before) => {
      const { serving, healthy, withRoom } = before
      const was = rank.indexOf(endpointStatus(before))
      if (healthy < serving) {
        const recovered = { serving, healthy: healthy + 1, withRoom: withRoom + 1 }
        assert.ok(rank.indexOf(endpointStatus(recovered)) >= was)
      }
      if (withRoom < healthy) {
        assert.ok(rank.indexOf(endpointStatus({ serving, healthy, withRoom: withRoom + 1 })) >= was)
      }
    }),
  )
})
