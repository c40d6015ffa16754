import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { engineLoad } from '../../src/core/engine-metrics.js'

test("reads vLLM's gauges, of several engines together", () => {
  const text = `# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:num_requests_running{engine="1",model_name="m"} 4.0
vllm:num_requests_waiting{engine="0",model_name="m"} 0.0
vllm:num_requests_waiting{engine="1",model_name="m"} 2.0 1700000000000
vllm:kv_cache_usage_perc{engine="0"} 0.25
vllm:kv_cache_usage_perc{engine="1"} 0.75
vllm:num_requests_running_total 99
`
  assert.deepEqual(engineLoad(text), { running: 7, waiting: 2, kvCacheUsage: 0.75 })
})

test('reads the older name of the KV cache, SGLang and llama.cpp', () => {
  assert.equal(engineLoad('vllm:gpu_cache_usage_perc 0.5').kvCacheUsage, 0.5)
  const sglang = 'sglang:num_running_reqs{a="b c"} 1\r\nsglang:num_queue_reqs 2\nsglang:token_usage 0.1\n'
  assert.deepEqual(engineLoad(sglang), { running: 1, waiting: 2, kvCacheUsage: 0.1 })
  const llama = 'llamacpp:requests_processing 1\nllamacpp:requests_deferred 0'
  assert.deepEqual(engineLoad(llama), { running: 1, waiting: 0, kvCacheUsage: null })
})

test('what is not a number, or not there, is not known', () => {
  const nothing = { running: null, waiting: null, kvCacheUsage: null }
  assert.deepEqual(engineLoad(''), nothing)
  assert.deepEqual(engineLoad('<html>vllm:num_requests_running 3</html>'), nothing)
  assert.deepEqual(engineLoad('vllm:num_requests_running NaN\nvllm:num_requests_waiting -1'), nothing)
})

test('a number of requests that no server can have is a bound, not infinity', () => {
  const lines = ['vllm:num_requests_running 1e300', 'vllm:num_requests_running 1.7976931348623157e308']
  assert.equal(engineLoad(lines.join('\n')).running, 1_000_000_000)
})

test('any text gives whole numbers, a share of 0 to 1, or null', () => {
  const name = fc.constantFrom('vllm:num_requests_running', 'vllm:kv_cache_usage_perc', 'other')
  const line = fc
    .tuple(name, fc.oneof(fc.double(), fc.string()))
    .map(([metric, value]) => `${metric} ${value}`)
  fc.assert(
    fc.property(fc.array(fc.oneof(line, fc.string())), (lines) => {
      const { running, waiting, kvCacheUsage } = engineLoad(lines.join('\n'))
      assert.ok(running === null || (Number.isInteger(running) && running >= 0 && running < 2 ** 31))
      assert.equal(waiting, null)
      assert.ok(kvCacheUsage === null || (kvCacheUsage >= 0 && kvCacheUsage <= 1))
    }),
  )
})
