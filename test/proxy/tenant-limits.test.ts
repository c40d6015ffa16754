import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { UNLIMITED } from '../../src/core/tiers.js'
import { TenantLimits } from '../../src/proxy/tenant-limits.js'
import { resolvedKey } from '../support/resolved-key.js'

/** A tenant whose ledger has enough of everything, and answers in the next turn. */
function startTenant() {
  let exchanges = 0
  const tenant = new TenantLimits('tenant', {
    async exchange(_tenant, requests) {
      exchanges++
      await setImmediate()
      const grants = requests.map(({ want }) => ({ granted: want, left: 100, spent: 0 }))
      return { grants, ledger: { shared: true, share: 1, uncertain: false } }
    },
    now: () => performance.now(),
    untilNextMonth: () => 1_000,
    onRestless: () => {},
  })
  const limitsOf = () =>
    tenant.of(
      resolvedKey({
        keyId: randomUUID(),
        limits: { key: { ...UNLIMITED, max_concurrency: 3 }, environment: UNLIMITED, tenant: UNLIMITED },
      }),
      '2026-11',
    )
  return { tenant, limitsOf, exchanges: () => exchanges }
}

test('who looks at limits all the time does not keep requests waiting', async () => {
  const { tenant, limitsOf, exchanges } = startTenant()
  const looks = Array.from({ length: 200 }, () => tenant.refresh(limitsOf()))
  const before = exchanges()
  const reservation = await tenant.ask(limitsOf(), { tokens: 1, stated: 1, nanos: 0 })
  assert.ok(exchanges() - before <= 3, `${exchanges() - before} exchanges came before`)
  await Promise.all(looks)
  reservation.cancel()
})

test('looks at the same limits at the same time are one', async () => {
  const { tenant, limitsOf, exchanges } = startTenant()
  const limits = limitsOf()
  await Promise.all(Array.from({ length: 50 }, () => tenant.refresh(limits)))
  assert.equal(exchanges(), 1)
  await tenant.refresh(limits)
  assert.equal(exchanges(), 2)
})
