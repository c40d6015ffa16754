import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { orcaLoad } from '../../src/core/orca.js'

test("reads vLLM's header in both of its forms", () => {
  const text = 'TEXT named_metrics.kv_cache_usage_perc=0.4, named_metrics.num_requests_waiting=2'
  assert.deepEqual(orcaLoad(text), { running: null, waiting: 2, kvCacheUsage: 0.4 })
  const json = 'JSON {"named_metrics": {"kv_cache_usage_perc": 0.25, "num_requests_running": 3.0}}'
  assert.deepEqual(orcaLoad(json), { running: 3, waiting: null, kvCacheUsage: 0.25 })
})

test('any text gives whole numbers, a share of 0 to 1, or null', () => {
  const names = fc.constantFrom('kv_cache_usage_perc', 'num_requests_waiting', 'x')
  const metric = fc
    .tuple(names, fc.oneof(fc.double(), fc.string()))
    .map(([name, value]) => `${name}=${value}`)
  fc.assert(
    fc.property(fc.array(fc.oneof(metric, fc.string())), (parts) => {
      const { running, waiting, kvCacheUsage } = orcaLoad(parts.join(', '))
      for (const count of [running, waiting]) {
        assert.ok(count === null || (Number.isInteger(count) && count >= 0 && count < 2 ** 31))
      }
      assert.ok(kvCacheUsage === null || (kvCacheUsage >= 0 && kvCacheUsage <= 1))
    }),
  )
})
