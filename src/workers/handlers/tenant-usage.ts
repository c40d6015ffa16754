import { z } from 'zod'
import {
  getDetailedUsage,
  getTenantUsage,
  getUsageOfTenant,
  type TenantUsageQuery,
} from '../../core/contract/tenant-usage.js'
import { bucketAt, type DateBucket, dateBuckets } from '../../core/date-buckets.js'
import { dateRange, type DateRange } from '../../core/date-range.js'
import { GatewayError } from '../../core/errors.js'
import { clickHouseRows } from './clickhouse-rows.js'
import { handle, type Handler, type HandlerContext } from './handler.js'
import { knownTenants } from './tenant-rows.js'
import { usageRecords } from './usage-records.js'
import { boundsOf, filterOf, NO_USE, sumOf, sumsShown, UsageSums, usageTotals } from './usage-rows.js'

const HOUR_MS = 3_600_000

/** Of each row one of `model` and `at` (Unix microseconds) is null. */
const UsageRow = UsageSums.extend({
  model: z.string().nullable(),
  at: z.coerce.number().nullable(),
  avg_e2e_micros: z.number(),
})
type UsageRow = z.infer<typeof UsageRow>

/** The id as it is stored. @throws GatewayError not_found for one that no tenant ever had */
async function tenantId({ db }: HandlerContext, param: string, id: string): Promise<string> {
  const [known] = (await knownTenants(db, [id])).keys()
  if (known !== undefined) return known
  throw new GatewayError('not_found', { param, message: `There is no tenant '${id}'.` })
}

/** The rollup's hours that cannot be used, in Unix seconds, since a bucket begins within each; null: none can. */
function cutHours(buckets: readonly DateBucket[], query: TenantUsageQuery): number[] | null {
  const starts = buckets.slice(1).map(({ startMs }) => startMs)
  const cut = starts.filter((at) => at % HOUR_MS !== 0).map((at) => Math.floor(at / HOUR_MS) * 3600)
  return query.granularity === 'hour' && cut.length > 0 ? null : cut
}

function byDate(rows: readonly UsageRow[], buckets: readonly DateBucket[], range: DateRange) {
  const rowsOf = new Map<DateBucket, UsageRow[]>(buckets.map((bucket) => [bucket, []]))
  for (const row of rows) {
    if (row.at === null) continue
    // The quarter of an hour in which the range begins began before it.
    const bucket = bucketAt(buckets, Math.max(row.at / 1000, range.startMs))
    if (bucket !== undefined) rowsOf.get(bucket)?.push(row)
  }
  return [...rowsOf].map(([{ date }, used]) => {
    const sums = used.length === 0 ? NO_USE : sumOf(used)
    const latency = used.reduce((sum, row) => sum + row.avg_e2e_micros * row.requests, 0)
    const avg_latency_ms = sums.requests === 0 ? null : latency / sums.requests / 1000
    return { date, ...sumsShown(sums), avg_latency_ms }
  })
}

async function usage(context: HandlerContext, id: string, query: TenantUsageQuery) {
  const range = dateRange(query, context.now.getTime())
  const buckets = dateBuckets(range, query.granularity, query.tz)
  const bounds = boundsOf(range)
  const cut = cutHours(buckets, query)
  const rows = await clickHouseRows(context, 'usage-by-model-and-time', UsageRow, {
    tenant_id: id,
    ...bounds,
    hours_end: cut === null ? bounds.hours_start : bounds.hours_end,
    cut_hours: cut ?? [],
    ...(await filterOf(context, query)),
  })
  const models = rows.flatMap((row) => (row.model === null ? [] : [{ ...row, model: row.model }]))
  return { tenant_id: id, ...usageTotals(range, models), by_date: byDate(rows, buckets, range) }
}

export const tenantUsageHandlers: readonly Handler[] = [
  handle(getTenantUsage, async ({ params: { id }, query }, context) =>
    usage(context, await tenantId(context, 'id', id), query),
  ),
  handle(getUsageOfTenant, async ({ params: { tenant_id: id }, query }, context) =>
    usage(context, await tenantId(context, 'tenant_id', id), query),
  ),
  handle(getDetailedUsage, async ({ params: { id }, query }, context) =>
    usageRecords(context, await tenantId(context, 'id', id), query),
  ),
]
