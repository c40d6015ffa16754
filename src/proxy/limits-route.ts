import type { LimitLeft } from '../core/contract/limits.js'
import { getLimits } from '../core/contract/limits.js'
import { dollarsOfNanos } from '../core/money.js'
import type { HttpApp } from '../io/uws.js'
import type { KeyAuth } from './key-auth.js'
import type { KeyLimits } from './key-limits.js'
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
  const rates = [...limits.requests, ...limits.tokens]
  return limits.left(times.now).map(({ limit, scope, max, remaining }, at) => {
    if (limit === 'concurrency') return { limit, scope, max, remaining, resets_at: null }
    if (limit === 'spend') {
      const resets_at = new Date(times.nextMonthAt).toISOString()
      return { limit, scope, max: dollars(max), remaining: dollars(remaining), resets_at }
    }
    const cell = rates[at]?.cell
    const wholeAt = times.unixMs + (cell?.waitFor(cell.limit, times.now) ?? 0)
    return { limit, scope, max, remaining, resets_at: new Date(wholeAt).toISOString() }
  })
}

function dollars(nanos: number): number {
  return dollarsOfNanos(BigInt(nanos))
}
