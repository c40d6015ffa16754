import type { LimitLeft } from '../core/contract/limits.js'
import { getLimits } from '../core/contract/limits.js'
import { dollarsOfNanos } from '../core/money.js'
import type { RateCell } from '../core/rate-cell.js'
import type { HttpApp } from '../io/uws.js'
import type { KeyAuth } from './key-auth.js'
import type { KeyLimits, Scoped } from './key-limits.js'
import type { Limits, LimitTimes } from './limits.js'
import { withKey } from './own-key.js'

const HEADERS = { 'content-type': 'application/json', 'cache-control': 'no-store' }

/** `/v1/limits`: what applies to the key that asks, as the ledger has it now. */
export function mountLimits(app: HttpApp, auth: KeyAuth, limits: Limits): void {
  app.route(getLimits.method, getLimits.path, (call) => {
    withKey(auth, call, async (key) => {
      call.refuseQuery()
      const data = shown(await limits.look(key), limits.times())
      call.reply(200, HEADERS, JSON.stringify({ data }))
    })
  })
}

function shown(limits: KeyLimits, times: LimitTimes): LimitLeft[] {
  const { requests, tokens, slots, spend } = limits
  return [
    ...requests.map((one) => rateShown('requests', one, times)),
    ...tokens.map((one) => rateShown('tokens', one, times)),
    ...slots.map(({ scope, cell }) => ({
      limit: 'concurrency' as const,
      scope,
      max: cell.limit,
      remaining: Math.max(0, cell.left()),
      resets_at: null,
    })),
    ...(spend === null
      ? []
      : [
          {
            limit: 'spend' as const,
            scope: 'tenant' as const,
            max: dollarsOfNanos(BigInt(spend.limit)),
            remaining: dollarsOfNanos(BigInt(Math.max(0, Math.floor(spend.left())))),
            resets_at: new Date(times.nextMonthAt).toISOString(),
          },
        ]),
  ]
}

function rateShown(
  limit: 'requests' | 'tokens',
  { scope, cell }: Scoped<RateCell>,
  { now, unixMs }: LimitTimes,
): LimitLeft {
  return {
    limit,
    scope,
    max: cell.limit,
    remaining: Math.max(0, Math.floor(cell.left(now))),
    resets_at: new Date(unixMs + cell.waitFor(cell.limit, now)).toISOString(),
  }
}
