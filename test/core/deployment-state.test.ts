import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  changed,
  DEPLOYMENT_STATUSES,
  type DeploymentChange,
  type DeploymentStatus,
} from '../../src/core/deployment-state.js'

const status = fc.constantFrom(...DEPLOYMENT_STATUSES)
const scale = fc
  .record({ wanted: fc.nat(5), present: fc.nat(5), leaving: fc.nat(3) })
  .map(({ wanted, present, leaving }): DeploymentChange => ({
    kind: 'scale',
    wanted,
    staying: Math.min(wanted, present),
    leaving: leaving + Math.max(0, present - wanted),
  }))
const change = fc.oneof(
  fc.constant<DeploymentChange>({ kind: 'configure' }),
  scale,
  fc.nat(3).map((left): DeploymentChange => ({ kind: 'delete', left })),
)

test('a deployment that ends can only be deleted, and what has ended stays ended', () => {
  fc.assert(
    fc.property(fc.constantFrom<DeploymentStatus>('draining', 'terminated'), change, (from, wanted) => {
      const to = changed(from, wanted)
      if (wanted.kind !== 'delete') assert.equal(to, null)
      else assert.equal(to, from === 'terminated' || wanted.left === 0 ? 'terminated' : 'draining')
    }),
  )
})

test('every other deployment can be configured, scaled and deleted', () => {
  fc.assert(
    fc.property(status, change, (from, wanted) => {
      if (from === 'draining' || from === 'terminated') return
      const to = changed(from, wanted)
      assert.ok(to !== null)
      if (wanted.kind === 'configure') assert.equal(to, from)
      if (wanted.kind === 'delete') assert.equal(to, wanted.left === 0 ? 'terminated' : 'draining')
    }),
  )
})

test('a scaled deployment is paused exactly when no node is wanted or left, and works towards any other number', () => {
  fc.assert(
    fc.property(status, scale, (from, wanted) => {
      const to = changed(from, wanted)
      if (to === null || wanted.kind !== 'scale') return
      assert.equal(to === 'paused', wanted.wanted === 0 && wanted.leaving === 0)
      const arrived = wanted.staying === wanted.wanted && wanted.leaving === 0
      if (to === 'active') assert.ok(arrived && from === 'active')
      if (!arrived) assert.ok(to === 'scaling' || to === 'launching')
    }),
  )
})

test('states lead where the table says', () => {
  const scaled = (wanted: number, staying: number, leaving: number) =>
    ({ kind: 'scale', wanted, staying, leaving }) as const
  assert.equal(changed('paused', scaled(2, 0, 0)), 'launching')
  assert.equal(changed('active', scaled(2, 2, 0)), 'active')
  assert.equal(changed('active', scaled(2, 2, 1)), 'scaling')
  assert.equal(changed('active', scaled(3, 2, 0)), 'scaling')
  assert.equal(changed('launching', scaled(1, 1, 0)), 'launching')
  assert.equal(changed('failed', scaled(0, 0, 0)), 'paused')
})
