import { z } from 'zod'
import { toGatewayError } from '../../core/errors.js'
import { dollarsOfNanos } from '../../core/money.js'
import { fromStoreError } from '../store-errors.js'
import { clickHouseRows } from './clickhouse-rows.js'
import type { HandlerContext } from './handler.js'
import { Count } from './usage-rows.js'

const Nanos = z.string().transform((text) => BigInt(text))

const TotalsRow = z.object({
  requests: Count,
  tokens: Count,
  cost_nanos: Nanos,
  month_cost_nanos: Nanos,
  last_ended_micros: Count.nullable(),
})

const UNKNOWN = {
  total_spend_usd: null,
  month_spend_usd: null,
  total_tokens: null,
  total_requests: null,
  last_request_at: null,
}

/** What a tenant has used in all and spent this month; nulls while ClickHouse is away, since the tenant's row can be read all the same. */
export async function tenantTotals(context: HandlerContext, tenantId: string) {
  try {
    const [row] = await clickHouseRows(context, 'tenant-totals', TotalsRow, { tenant_id: tenantId })
    if (row === undefined) return UNKNOWN
    return {
      total_spend_usd: dollarsOfNanos(row.cost_nanos),
      month_spend_usd: dollarsOfNanos(row.month_cost_nanos),
      total_tokens: row.tokens,
      total_requests: row.requests,
      last_request_at:
        row.last_ended_micros === null ? null : new Date(row.last_ended_micros / 1000).toISOString(),
    }
  } catch (thrown) {
    if (toGatewayError(fromStoreError(thrown)).code === 'overloaded') return UNKNOWN
    throw thrown
  }
}
