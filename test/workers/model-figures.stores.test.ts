import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PLATFORM_TENANT_ID, type UsageIdentity } from '../../src/core/usage-record.js'
import { createClickHouse } from '../../src/io/clickhouse.js'
import { readModelFigures } from '../../src/workers/model-figures.js'
import { numberedId } from '../support/spool.js'
import { freshUsageStore, recordUsage } from '../support/usage-store.js'

test('figures are those of all tenants together over the last minutes, without what the platform asked itself', async () => {
  await using store = await freshUsageStore()
  const small: Partial<UsageIdentity> = { modelId: numberedId(40), model: 'small' }
  const ago = (minutes: number) => ({ endedAtMicros: (Date.now() - minutes * 60_000) * 1000 })
  const timed = (e2eMs: number, ttftMs: number | null) => ({
    e2eMicros: e2eMs * 1000,
    ttftMicros: ttftMs === null ? null : ttftMs * 1000,
  })
  await recordUsage(store, [
    [{}, { ...timed(1_000, 100), ...ago(0) }],
    [{ tenantId: numberedId(98) }, { ...timed(3_000, 200), ...ago(4) }],
    [{}, { ...timed(90_000, 9_000), ...ago(10) }],
    [{ tenantId: PLATFORM_TENANT_ID }, { ...timed(90_000, 9_000), ...ago(0) }],
    [small, { ...timed(50, null), ...ago(1) }],
  ])
  const found = new Map((await readModelFigures(store.clickhouse)).map((row) => [row.modelId, row]))
  assert.equal(found.size, 2)
  const big = found.get(numberedId(4))
  assert.equal(big?.avgLatencyMs, 2_000)
  assert.ok(big.p95TtftMs !== null && Math.abs(big.p95TtftMs - 200) <= 4, `${big.p95TtftMs}`)
  assert.deepEqual(found.get(numberedId(40)), {
    modelId: numberedId(40),
    avgLatencyMs: 50,
    p95TtftMs: null,
  })
})

test('a ClickHouse that is not there is an error of its own', async () => {
  const clickhouse = createClickHouse({ url: 'http://127.0.0.1:9' })
  await assert.rejects(readModelFigures(clickhouse))
  await clickhouse.close()
})
