import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { billionsOf, defaultGpusOf } from '../../src/core/default-gpus.js'

test('sizes as models have them are read', () => {
  const sizes: readonly (readonly [string, number | null])[] = [
    ['8B', 8],
    ['70b', 70],
    ['0.5B', 0.5],
    ['350M', 0.35],
    ['1.5T', 1500],
    ['8x7B', 56],
    ['8 × 22 B', 176],
    ['235B-A22B', 235],
    ['13B (chat)', 13],
    ['large', null],
    ['7', null],
    ['', null],
    ['8bit', null],
    ['v2-8B', null],
  ]
  for (const [size, billions] of sizes) assert.equal(billionsOf(size), billions, size)
})

test('by default a model under 14B has an A10G, under 70B an A100, under 200B four H100, else eight', () => {
  const gpus = (size: string | null, vramGb = 0) => {
    const { models, count } = defaultGpusOf({ size, vramGb })
    return `${models[0]}:${count}`
  }
  assert.deepEqual(
    ['8B', '13.9B', '14B', '69B', '70B', '199B', '200B', '671B'].map((size) => gpus(size, 1000)),
    ['A10G:1', 'A10G:1', 'A100:1', 'A100:1', 'H100:4', 'H100:4', 'H100:8', 'H100:8'],
  )
  // Where the size says nothing, two bytes for each parameter.
  assert.deepEqual(
    [16, 28, 139, 140, 399, 400].map((vram) => gpus(vram % 2 === 0 ? null : 'medium', vram)),
    ['A10G:1', 'A100:1', 'A100:1', 'H100:4', 'H100:4', 'H100:8'],
  )
})

test('any text is read without an error, as a number or as none', () => {
  fc.assert(
    fc.property(fc.string(), fc.nat(), (size, vramGb) => {
      const billions = billionsOf(size)
      assert.ok(billions === null || (Number.isFinite(billions) && billions >= 0))
      assert.ok(defaultGpusOf({ size, vramGb }).count > 0)
    }),
  )
})
