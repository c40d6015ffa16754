import { z } from 'zod'
import { bucketAt, type DateBucket, dateBuckets, type Granularity } from '../../core/date-buckets.js'
import type { DateRange } from '../../core/date-range.js'
import { clickHouseRows } from './clickhouse-rows.js'
import type { HandlerContext } from './handler.js'
import { boundsOf, filterOf, NO_USE, sumOf, sumsShown, type UsageFilter, UsageSums } from './usage-rows.js'

/** A tenant's usage by stretches of a calendar, whose borders need not be those of the rollup's hours. */

const HOUR_MS = 3_600_000

/** Of each row one of `model` and `at` (Unix microseconds) is null. */
const UsageRow = UsageSums.extend({
  model: z.string().nullable(),
  at: z.coerce.number().nullable(),
  avg_e2e_micros: z.number(),
})
type UsageRow = z.infer<typeof UsageRow>

export interface DateUsageQuery extends UsageFilter {
  readonly granularity: Granularity
  /** IANA name. */
  readonly tz: string
}

/** A tenant's use in a range, once by model (the one with the most requests first) and once by date, as replies show it. */
export async function usageByModelAndDate(
  context: HandlerContext,
  tenantId: string,
  range: DateRange,
  query: DateUsageQuery,
) {
  const buckets = dateBuckets(range, query.granularity, query.tz)
  const bounds = boundsOf(range)
  const cut = cutHours(buckets, query.granularity)
  const rows = await clickHouseRows(context, 'usage-by-model-and-time', UsageRow, {
    tenant_id: tenantId,
    ...bounds,
    hours_end: cut === null ? bounds.hours_start : bounds.hours_end,
    cut_hours: cut ?? [],
    ...(await filterOf(context, query)),
  })
  const models = rows.flatMap((row) => (row.model === null ? [] : [{ ...row, name: row.model }]))
  return { models, byDate: byDate(rows, buckets, range) }
}

/** The rollup's hours that cannot be used, in Unix seconds, since a bucket begins within each; null: none can. */
function cutHours(buckets: readonly DateBucket[], granularity: Granularity): number[] | null {
  const starts = buckets.slice(1).map(({ startMs }) => startMs)
  const cut = starts.filter((at) => at % HOUR_MS !== 0).map((at) => Math.floor(at / HOUR_MS) * 3600)
  return granularity === 'hour' && cut.length > 0 ? null : cut
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
