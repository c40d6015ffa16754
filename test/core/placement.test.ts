import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { GatewayError } from '../../src/core/errors.js'
import type { InstanceOffer, OfferedRegion } from '../../src/core/machine-prices.js'
import {
  ANY_CLOUD,
  type MachineWish,
  type ModelNeeds,
  type Offers,
  settlePlace,
} from '../../src/core/placement.js'

const CLOUDS = ['aws', 'gcp', 'lambda']
const CODES = ['r1', 'r2', 'r3']
const GPUS = ['A10G', 'A100', 'A100-80GB', 'H100']
const NAMES = ['t1', 't2', 't3', 't4', 't5', 't6']

const price = fc.option(fc.integer({ min: 0, max: 50_000_000 }))
const gpus = fc.record({
  gpuModel: fc.constantFrom(...GPUS),
  gpuCount: fc.constantFrom(1, 2, 4, 8),
  gpuMemoryGb: fc.constantFrom(24, 40, 80),
})
const offer = fc
  .record({
    provider: fc.constantFrom(...CLOUDS),
    name: fc.constantFrom(...NAMES),
    memoryGb: fc.constantFrom(16, 64, 512),
    regions: fc.option(fc.subarray(CODES)),
    onDemandMicros: price,
    spotMicros: price,
    gpus: fc.option(gpus),
  })
  .map(({ gpus: its, ...rest }): InstanceOffer => {
    const gpu = its ?? { gpuModel: null, gpuCount: 0, gpuMemoryGb: null }
    return { ...rest, ...gpu, id: `${rest.provider} ${rest.name}` }
  })
const region = fc
  .record({
    provider: fc.constantFrom(...CLOUDS),
    code: fc.constantFrom(...CODES),
    multiplier: fc.constantFrom(1, 1.11, 1.25),
  })
  .map((one): OfferedRegion => ({ ...one, id: `${one.provider}/${one.code}` }))
const catalogue = fc.record({
  regions: fc.uniqueArray(region, { minLength: 1, maxLength: 9, selector: ({ id }) => id }),
  types: fc.uniqueArray(offer, { minLength: 1, maxLength: 15, selector: ({ id }) => id }),
})
const wish = fc.record({
  provider: fc.constantFrom(...CLOUDS, ANY_CLOUD),
  region: fc.option(fc.constantFrom(...CODES), { freq: 2 }),
  instanceType: fc.option(fc.constantFrom(...NAMES), { freq: 2 }),
  gpuType: fc.option(fc.constantFrom(...GPUS), { freq: 2 }),
  engine: fc.constantFrom('vllm', 'sglang', 'llama-cpp', 'simulated', 'of-ones-own'),
  market: fc.constantFrom('spot', 'on_demand'),
}) satisfies fc.Arbitrary<MachineWish>
const model: fc.Arbitrary<ModelNeeds> = fc.record({
  vramGb: fc.oneof(fc.integer({ min: 0, max: 700 }), fc.double({ min: 0, max: 100, noNaN: true })),
  size: fc.option(fc.constantFrom('8B', '34B', '70B', '405B', 'large')),
})

/** What the queries give of a catalogue for a provider. */
function offersTo({ regions, types }: Offers, provider: string): Offers {
  const its = (row: { provider: string }) => provider === ANY_CLOUD || row.provider === provider
  return { regions: regions.filter(its), types: types.filter(its) }
}

const holds = ({ gpuCount, gpuMemoryGb, memoryGb }: InstanceOffer) =>
  gpuCount > 0 ? gpuCount * (gpuMemoryGb ?? 0) : memoryGb

/** The place, or the error by status and field. */
function outcome(offers: Offers, wanted: MachineWish, needs: ModelNeeds) {
  try {
    return settlePlace(offers, wanted, needs)
  } catch (thrown) {
    assert.ok(thrown instanceof GatewayError, String(thrown))
    assert.ok(thrown.code === 'not_found' || thrown.code === 'invalid_parameter', thrown.code)
    return { refused: [thrown.code, thrown.param, thrown.message] }
  }
}

test('a machine holds its model, is what was asked for, and is offered in each of its regions', () => {
  let settled = 0
  fc.assert(
    fc.property(catalogue, wish, model, (all, wanted, needs) => {
      const offers = offersTo(all, wanted.provider)
      const place = outcome(offers, wanted, needs)
      if ('refused' in place) return
      settled += 1
      const { type, gpuType, gpuCount } = place
      // Any cloud may give any of its machines with these GPUs.
      const possible =
        type === null
          ? offers.types.filter(
              (one) =>
                one.gpuModel === gpuType &&
                one.gpuCount === gpuCount &&
                offers.regions.some(
                  ({ provider, code }) =>
                    provider === one.provider && (one.regions === null || one.regions.includes(code)),
                ),
            )
          : [type]
      assert.ok(possible.length > 0)
      for (const one of possible) {
        if (wanted.engine !== 'simulated') assert.ok(needs.vramGb <= holds(one))
        if (wanted.engine === 'vllm' || wanted.engine === 'sglang') assert.ok(one.gpuCount > 0)
        assert.deepEqual([one.gpuModel, one.gpuCount], [gpuType, gpuCount])
      }
      if (wanted.gpuType !== null) assert.equal(gpuType, wanted.gpuType)
      if (wanted.instanceType !== null) assert.equal(type?.name, wanted.instanceType)
      if (type === null) {
        assert.deepEqual(
          [place.provider, place.regions, wanted.region, wanted.instanceType],
          [ANY_CLOUD, [], null, null],
        )
        return
      }
      assert.ok(place.regions.length > 0)
      assert.equal(place.provider, type.provider)
      for (const [i, { provider, code, multiplier }] of place.regions.entries()) {
        assert.equal(provider, type.provider)
        assert.ok(type.regions === null || type.regions.includes(code))
        if (wanted.region !== null) assert.equal(code, wanted.region)
        assert.ok(multiplier >= (place.regions[i - 1]?.multiplier ?? 0), 'the cheapest first')
      }
      const micros = wanted.market === 'spot' ? type.spotMicros : type.onDemandMicros
      const multiplier = place.regions[0]?.multiplier ?? NaN
      assert.equal(place.priceMicros, micros === null ? null : Math.round(micros * multiplier))
    }),
    { numRuns: 2000 },
  )
  assert.ok(settled > 200, `${settled} of the cases could be placed`)
})

test('the order of the catalogue’s rows decides nothing', () => {
  fc.assert(
    fc.property(catalogue, wish, model, (all, wanted, needs) => {
      const { regions, types } = offersTo(all, wanted.provider)
      const reversed = { regions: regions.toReversed(), types: types.toReversed() }
      assert.deepEqual(outcome(reversed, wanted, needs), outcome({ regions, types }, wanted, needs))
    }),
    { numRuns: 1000 },
  )
})

test('of the types with a named GPU that hold the model, none is cheaper; unpriced ones come last', () => {
  fc.assert(
    fc.property(catalogue, fc.constantFrom(...CLOUDS), fc.constantFrom(...GPUS), (all, provider, gpuType) => {
      const offers = offersTo(all, provider)
      const wanted = {
        provider,
        region: null,
        instanceType: null,
        gpuType,
        engine: 'vllm',
        market: 'on_demand',
      } as const
      const place = outcome(offers, wanted, { vramGb: 80, size: null })
      if ('refused' in place) return
      const prices = offers.types
        .filter((type) => type.gpuModel === gpuType && holds(type) >= 80 && type.onDemandMicros !== null)
        .flatMap((type) =>
          offers.regions
            .filter(({ code }) => type.regions === null || type.regions.includes(code))
            .map(({ multiplier }) => Math.round((type.onDemandMicros ?? 0) * multiplier)),
        )
      if (prices.length === 0) assert.equal(place.priceMicros, null)
      else assert.equal(place.priceMicros, Math.min(...prices))
    }),
    { numRuns: 1000 },
  )
})

const OFFERS: Offers = {
  regions: [
    { id: 'a', provider: 'aws', code: 'us', multiplier: 1 },
    { id: 'b', provider: 'aws', code: 'eu', multiplier: 1.2 },
    { id: 'c', provider: 'lambda', code: 'us', multiplier: 1 },
  ],
  types: [
    type('aws', 'a10g', 'A10G', 1, 24, 1),
    type('aws', 'a10g-big', 'A10G', 4, 24, 5),
    { ...type('aws', 'h100', 'H100', 8, 80, 55), regions: ['eu'] },
    type('aws', 'cpu', null, 0, null, 0.1),
    type('lambda', 'a100', 'A100', 1, 40, 1.29),
    type('lambda', 'h100', 'H100', 1, 80, 2.49),
  ],
}

function type(
  provider: string,
  name: string,
  gpuModel: string | null,
  gpuCount: number,
  gpuMemoryGb: number | null,
  dollars: number,
): InstanceOffer {
  return {
    id: `${provider} ${name}`,
    provider,
    name,
    memoryGb: 16,
    gpuModel,
    gpuCount,
    gpuMemoryGb,
    regions: null,
    onDemandMicros: dollars * 1e6,
    spotMicros: null,
  }
}

const WISH: MachineWish = {
  provider: 'aws',
  region: null,
  instanceType: null,
  gpuType: null,
  engine: 'vllm',
  market: 'on_demand',
}
const SMALL: ModelNeeds = { vramGb: 16, size: '8B' }

function shown(changes: Partial<MachineWish>, needs: ModelNeeds = SMALL) {
  const wanted = { ...WISH, ...changes }
  const place = outcome(offersTo(OFFERS, wanted.provider), wanted, needs)
  if ('refused' in place) return place.refused.slice(0, 2).join(' ')
  const regions = place.regions.map(({ code }) => code).join()
  return `${place.provider} ${place.type?.name ?? 'any'} ${place.gpuType}:${place.gpuCount} in ${regions}`
}

test('nothing named: the GPUs for the model’s size, or the cheapest that holds it', () => {
  assert.equal(shown({}), 'aws a10g A10G:1 in us,eu')
  assert.equal(shown({}, { vramGb: 30, size: '13B' }), 'aws a10g-big A10G:4 in us,eu')
  assert.equal(shown({}, { vramGb: 80, size: '34B' }), 'aws a10g-big A10G:4 in us,eu')
  assert.equal(shown({}, { vramGb: 600, size: '300B' }), 'aws h100 H100:8 in eu')
  assert.equal(shown({ provider: 'lambda' }), 'lambda a100 A100:1 in us')
  assert.equal(shown({ engine: 'simulated' }, { vramGb: 10_000, size: null }), 'aws cpu null:0 in us,eu')
  assert.equal(shown({ engine: 'llama-cpp' }, { vramGb: 8, size: '8B' }), 'aws a10g A10G:1 in us,eu')
})

test('a spot machine whose price nobody knows is chosen by its price on demand, and has none', () => {
  const place = settlePlace(offersTo(OFFERS, 'aws'), { ...WISH, market: 'spot' }, SMALL)
  assert.deepEqual([place.type?.name, place.priceMicros], ['a10g', null])
})

test('any cloud: no place is settled unless one is named, and a name settles the cloud', () => {
  const any = { provider: ANY_CLOUD }
  assert.equal(shown(any), 'skypilot any A10G:1 in ')
  assert.equal(shown({ ...any, gpuType: 'H100' }), 'skypilot any H100:1 in ')
  assert.equal(shown({ ...any, region: 'us' }), 'aws a10g A10G:1 in us')
  assert.equal(shown({ ...any, region: 'us', gpuType: 'H100' }), 'lambda h100 H100:1 in us')
  assert.equal(shown({ ...any, instanceType: 'a100' }), 'lambda a100 A100:1 in us')
  assert.equal(shown({ ...any, instanceType: 'a100', region: 'eu' }), 'invalid_parameter region')
  assert.equal(shown({ ...any, region: 'mars' }), 'not_found region')
})

test('what does not go together is refused by the field at fault', () => {
  assert.equal(shown({ provider: 'acme' }), 'not_found provider')
  assert.equal(shown({ region: 'mars' }), 'not_found region')
  assert.equal(shown({ instanceType: 'huge' }), 'not_found instance_type')
  assert.equal(shown({ gpuType: 'Z9' }), 'not_found gpu_type')
  assert.equal(shown({ instanceType: 'a10g', gpuType: 'H100' }), 'invalid_parameter gpu_type')
  assert.equal(shown({ instanceType: 'h100', region: 'us' }), 'invalid_parameter region')
  assert.equal(shown({ gpuType: 'H100', region: 'us' }), 'invalid_parameter region')
  assert.equal(shown({ instanceType: 'cpu' }), 'invalid_parameter instance_type')
  assert.equal(shown({ instanceType: 'cpu', engine: 'llama-cpp' }), 'aws cpu null:0 in us,eu')
  assert.equal(
    shown({ instanceType: 'cpu', engine: 'llama-cpp' }, { vramGb: 17, size: null }),
    'invalid_parameter instance_type',
  )
})

test('a model that does not fit is refused with both figures', () => {
  const large = { vramGb: 1000, size: '405B' }
  const refused = (changes: Partial<MachineWish>) => {
    const place = outcome(offersTo(OFFERS, 'aws'), { ...WISH, ...changes }, large)
    assert.ok('refused' in place)
    return place.refused
  }
  assert.deepEqual(refused({ instanceType: 'a10g' }), [
    'invalid_parameter',
    'instance_type',
    "The model needs 1000 GB of memory, the instance type 'a10g' has 24 GB.",
  ])
  assert.deepEqual(refused({ gpuType: 'A10G' }), [
    'invalid_parameter',
    'gpu_type',
    "The model needs 1000 GB of memory, the largest machine with the GPU 'A10G' has 96 GB.",
  ])
  assert.deepEqual(refused({}), [
    'invalid_parameter',
    'model_name',
    "The model needs 1000 GB of memory, the largest machine of 'aws' there has 640 GB.",
  ])
})

test('this machine takes what its operator says, whatever the model needs', () => {
  const here = { id: 'l', provider: 'local', code: 'local', multiplier: 1 }
  const host = { ...type('local', 'host', null, 0, null, 0), id: 'host' }
  const big = type('local', 'big', 'H100', 2, 80, 4)
  const large = { vramGb: 1000, size: '405B' }
  const at = (changes: Partial<MachineWish>, types: InstanceOffer[] = [host, big]) =>
    outcome({ regions: [here], types }, { ...WISH, provider: 'local', ...changes }, large)
  const settled = (
    name: InstanceOffer | null,
    gpuType: string | null,
    gpuCount: number,
    priceMicros: number | null,
  ) => ({
    provider: 'local',
    regions: [here],
    type: name,
    gpuType,
    gpuCount,
    priceMicros,
  })
  assert.deepEqual(at({}), settled(host, null, 0, 0))
  assert.deepEqual(at({ gpuType: 'H100', region: 'local' }), settled(big, 'H100', 2, 4e6))
  assert.deepEqual(at({ instanceType: 'big' }), settled(big, 'H100', 2, 4e6))
  assert.deepEqual(at({}, []), settled(null, null, 0, null))
  assert.deepEqual(at({ market: 'spot' }), {
    refused: ['invalid_parameter', 'use_spot', 'Nobody takes this machine away: it is no spot machine.'],
  })
})
