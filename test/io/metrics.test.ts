import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Histogram, Registry } from 'prom-client'
import { createRetiredMetrics, exposition } from '../../src/io/metrics-aggregate.js'
import { createMetricSet, metricsSchema } from '../../src/io/metric-cells.js'
import { createControlMetrics, createProxyMetrics, DURATION_BOUNDS } from '../../src/io/metrics.js'

test('every metric bears the prefix, a base unit and survives JSON', () => {
  const metrics = createProxyMetrics('proxy-0')
  metrics.requests.labels({ endpoint: 'chat.completions', status: '200', code: '' }).inc()
  const reading = metrics.toJson()
  assert.deepEqual(metricsSchema.parse(JSON.parse(JSON.stringify(reading))), reading)
  for (const { name, type, help } of reading) {
    assert.match(name, /^crosslogic_[a-z_]+$/)
    assert.ok(help.endsWith('.'))
    if (type === 'counter') assert.match(name, /_total$/)
    if (type === 'histogram') assert.match(name, /_seconds$/)
  }
})

test('adds up the processes, except where the oldest one counts', async () => {
  const [a, b] = [createProxyMetrics('proxy-0'), createProxyMetrics('proxy-1')]
  for (const [metrics, version] of [
    [a, 7],
    [b, 9],
  ] as const) {
    metrics.tokens.labels({ model: 'm', kind: 'prompt' }).inc(version)
    metrics.openRequests.inc()
    metrics.snapshotVersion.set(version)
    metrics.snapshotAge.set(version)
  }
  const text = await exposition([a.toJson(), b.toJson(), createControlMetrics('control').toJson()])
  assert.match(text, /^crosslogic_tokens_total\{model="m",kind="prompt"\} 16$/m)
  assert.match(text, /^crosslogic_open_requests 2$/m)
  assert.match(text, /^crosslogic_snapshot_version 7$/m)
  assert.match(text, /^crosslogic_snapshot_age_seconds 9$/m)
  for (const name of ['control', 'proxy-0', 'proxy-1']) {
    assert.match(
      text,
      new RegExp(`^crosslogic_process_resident_memory_bytes\\{process="${name}"\\} [1-9]`, 'm'),
    )
  }
})

test('prints histograms exactly as prom-client does', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.double({ min: 0, max: 200, noNaN: true }), { maxLength: 50 }),
      async (values) => {
        const set = createMetricSet('p_')
        const cell = set.histogram('d_seconds', 'h', ['model'], DURATION_BOUNDS).labels({ model: 'a"b\n' })
        const registry = new Registry()
        const reference = new Histogram({
          name: 'p_d_seconds',
          help: 'h',
          labelNames: ['model'],
          buckets: [...DURATION_BOUNDS],
          registers: [registry],
        }).labels('a"b\n')
        for (const value of [0.01, 81.92, ...values]) {
          cell.observe(value)
          reference.observe(value)
        }
        const lines = (text: string) => text.trim().split('\n').map(sortLabels).sort()
        assert.deepEqual(lines(await exposition([set.toJson()])), lines(await registry.metrics()))
      },
    ),
    { numRuns: 30 },
  )
})

function sortLabels(line: string): string {
  return line.replace(/\{(.*)\}/, (_all, labels: string) => `{${labels.split(',').sort().join(',')}}`)
}

test('what a dead process had counted stays counted, its gauges go', async () => {
  const retired = createRetiredMetrics()
  for (let death = 0; death < 3; death++) {
    const metrics = createProxyMetrics('proxy-0')
    metrics.usageRowsFlushed.inc(5)
    metrics.requestDuration.labels({ endpoint: 'embeddings' }).observe(0.5)
    metrics.openRequests.set(3)
    await retired.add(metrics.toJson())
  }
  const successor = createProxyMetrics('proxy-0')
  successor.usageRowsFlushed.inc()
  const text = await exposition([retired.reading(), successor.toJson()])
  assert.match(text, /^crosslogic_usage_rows_flushed_total 16$/m)
  assert.match(text, /^crosslogic_request_duration_seconds_count\{endpoint="embeddings"\} 3$/m)
  assert.match(text, /^crosslogic_open_requests 0$/m)
  assert.equal(text.match(/^crosslogic_process_cpu_seconds_total/gm)?.length, 1)
})

test('a metric declared twice is an error', () => {
  const set = createMetricSet('x_')
  set.counter('a_total', 'A.', [])
  assert.throws(() => set.gauge('a_total', 'A.', []), /declared twice/)
})
