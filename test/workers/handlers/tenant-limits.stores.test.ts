import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TIER_LIMITS, TIERS } from '../../../src/core/tiers.js'
import { startContractPort, tenantBody } from '../../support/contract-port.js'
import { numberedId } from '../../support/spool.js'
import { freshUsageStore, recordUsage } from '../../support/usage-store.js'

const limitsOf = (row: object | undefined) => {
  const { rate_limit_per_minute, tokens_per_minute, max_concurrency } = row as Record<string, unknown>
  return { rate_limit_per_minute, tokens_per_minute, max_concurrency }
}

test('a tenant is created with the limits of its tier, and with those that are sent instead', async () => {
  await using port = await startContractPort()
  for (const tier of TIERS) {
    const { body } = await port.send('POST', '/admin/tenants', tenantBody({ tier }))
    assert.deepEqual(limitsOf(body['tenant']), TIER_LIMITS[tier])
    assert.equal(body['tenant']?.['max_monthly_spend_usd'], null)
  }
  const sent = { rate_limit_per_minute: 7, tokens_per_minute: null, max_monthly_spend_usd: 12.345678 }
  const { body } = await port.send('POST', '/admin/tenants', tenantBody({ tier: 'free', ...sent }))
  const { body: shown } = await port.send('GET', `/admin/tenants/${body['tenant']?.['id']}`)
  assert.deepEqual(limitsOf(shown), { rate_limit_per_minute: 7, tokens_per_minute: null, max_concurrency: 2 })
  assert.equal(shown['max_monthly_spend_usd'], 12.345678)
})

test('a change of the tier moves the limits that are its defaults and no other, what is sent counts', async () => {
  await using port = await startContractPort()
  const { body } = await port.send('POST', '/admin/tenants', tenantBody({ tier: 'free', max_concurrency: 9 }))
  const path = `/admin/tenants/${body['tenant']?.['id']}`
  const moved = await port.send('PATCH', path, { tier: 'pro', tokens_per_minute: 77 })
  const pro = { rate_limit_per_minute: 3000, tokens_per_minute: 77, max_concurrency: 9 }
  assert.deepEqual(limitsOf(moved.body), pro)
  assert.deepEqual(limitsOf((await port.send('PATCH', path, { name: 'Other' })).body), pro)
  const back = await port.send('PUT', path, { tier: 'enterprise', max_monthly_spend_usd: 5 })
  assert.deepEqual(limitsOf(back.body), { ...pro, rate_limit_per_minute: null })
  assert.equal(back.body['max_monthly_spend_usd'], 5)
  assert.equal((await port.send('POST', `${path}/suspend`)).body['max_monthly_spend_usd'], 5)
  const { rows } = await port.database.postgres.query<{ after: Record<string, unknown> }>(
    "SELECT after FROM audit_log WHERE action = 'tenant.update' ORDER BY at DESC, id DESC LIMIT 1",
  )
  assert.equal(rows[0]?.after['max_monthly_spend_usd'], 5)
})

test("a tenant's detail has what it used in all and spent this month, and nulls while ClickHouse is away", async () => {
  await using store = await freshUsageStore()
  await using port = await startContractPort({ clickhouseUrl: store.url })
  const { body } = await port.send('POST', '/admin/tenants', tenantBody())
  const tenantId = body['tenant']?.['id'] ?? ''
  const totals = async (at = port) => {
    const reply = await at.send('GET', `/admin/tenants/${tenantId}`)
    assert.equal(reply.status, 200)
    const fields = reply.body as object as Record<string, unknown>
    return [
      fields['total_spend_usd'],
      fields['month_spend_usd'],
      fields['total_tokens'],
      fields['total_requests'],
      fields['last_request_at'],
    ]
  }
  assert.deepEqual(await totals(), [0, 0, 0, 0, null])
  const at = (time: string) => ({ endedAtMicros: Date.parse(time) * 1000 })
  await recordUsage(store, [
    [{ tenantId }, at('2025-01-01T00:00:00Z')],
    [{ tenantId }, at('2026-05-02T12:34:56.789Z')],
    [{ tenantId }, at('2026-05-02T12:01:00Z')],
    [{ tenantId: numberedId(99) }, at('2026-05-03T00:00:00Z')],
  ])
  // (80 × 0.15 + 20 × 0.075 + 50 × 0.6) dollars ÷ 1,000,000 each
  assert.deepEqual(await totals(), [3 * 0.0000435, 0, 450, 3, '2026-05-02T12:34:56.789Z'])
  await recordUsage(store, [[{ tenantId, requestId: numberedId(50) }, {}]])
  assert.deepEqual((await totals()).slice(0, 4), [4 * 0.0000435, 0.0000435, 600, 4])

  await using away = await startContractPort()
  const other = await away.send('POST', '/admin/tenants', tenantBody())
  const { body: detail } = await away.send('GET', `/admin/tenants/${other.body['tenant']?.['id']}`)
  assert.equal(detail['name'], 'Acme')
  assert.deepEqual([detail['total_spend_usd'], detail['month_spend_usd']], [null, null])
  assert.deepEqual(away.failures, [])
})
