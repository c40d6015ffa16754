import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Machine } from '../../../src/core/machine.js'
import { clusterNameFor, installationCode, isOurs } from '../../../src/core/orchestration/cluster-name.js'

type Named = Pick<Machine, 'provider' | 'regions' | 'gpuType' | 'market'>

const OURS = '0192d4c0-0000-7000-8000-000000000001'
const machines: fc.Arbitrary<Named> = fc.record({
  provider: fc.string({ minLength: 1, maxLength: 80 }),
  regions: fc.array(fc.string({ maxLength: 40 }), { maxLength: 3 }),
  gpuType: fc.option(fc.string({ maxLength: 40 })),
  market: fc.constantFrom('spot', 'on_demand'),
})
const randoms = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

test('a name says provider, region, GPU and market, and ends in letters of the installation and random ones', () => {
  const name = (changes: Partial<Named> = {}) =>
    clusterNameFor(
      { provider: 'aws', regions: ['us-east-1'], gpuType: 'H100', market: 'spot', ...changes },
      OURS,
      () => 0,
    )
  const code = installationCode(OURS)
  assert.equal(name(), `cic-aws-us-east-1-h100-spot-${code}aaa`)
  assert.equal(name({ regions: ['a', 'b'], market: 'on_demand' }), `cic-aws-any-h100-od-${code}aaa`)
  assert.equal(name({ regions: [], gpuType: null }), `cic-aws-any-cpu-spot-${code}aaa`)
})

test('every name can be a label of a host and is known by its installation', () => {
  fc.assert(
    fc.property(machines, fc.uuid(), randoms, (machine, installation, random) => {
      const name = clusterNameFor(machine, installation, () => random)
      assert.match(name, /^cic-[a-z0-9]([a-z0-9-]*[a-z0-9])?$/)
      assert.ok(name.length <= 63)
      assert.ok(!name.includes('--'))
      assert.ok(isOurs(name, installation))
    }),
  )
})

test('machines of others, and what only looks alike, are not ours', () => {
  fc.assert(
    fc.property(machines, fc.uuid(), randoms, (machine, other, random) => {
      fc.pre(installationCode(other) !== installationCode(OURS))
      assert.equal(
        isOurs(
          clusterNameFor(machine, other, () => random),
          OURS,
        ),
        false,
      )
    }),
  )
  const code = installationCode(OURS)
  for (const name of [
    `cic-aws-${code}aaa`,
    `sky-aws-any-cpu-spot-${code}aaa`,
    `cic-aws-any-cpu-spot-${code}aaaa`,
    code,
  ])
    assert.equal(isOurs(name, OURS), false, name)
})
