import { getUsage, getUsageByDate, getUsageByKey, getUsageByModel } from '../../core/contract/usage.js'
import { type DateQuery, type DateRange, dateRange } from '../../core/date-range.js'
import { handle, type Handler, type HandlerContext, tenantOf } from './handler.js'
import { usageByModelAndDate } from './usage-buckets.js'
import { keyNames, requireOwnKey } from './usage-keys.js'
import { groupUsage, modelUsage, usageBy, type UsageFilter, usageTotals } from './usage-rows.js'

interface Asked {
  readonly tenantId: string
  readonly range: DateRange
}

/** Whose usage is asked for and when. @throws GatewayError for a bad range, or a key of another tenant */
async function askedFor(context: HandlerContext, query: DateQuery & UsageFilter): Promise<Asked> {
  const tenantId = tenantOf(context.actor)
  const range = dateRange(query, context.now.getTime())
  await requireOwnKey(context, tenantId, query.api_key_id)
  return { tenantId, range }
}

export const usageHandlers: readonly Handler[] = [
  handle(getUsage, async ({ query }, context) => {
    const { tenantId, range } = await askedFor(context, query)
    return usageTotals(range, await usageBy(context, 'model', tenantId, range, query))
  }),

  handle(getUsageByModel, async ({ query }, context) => {
    const { tenantId, range } = await askedFor(context, query)
    const rows = await usageBy(context, 'model', tenantId, range, query)
    return { data: rows.map(modelUsage) }
  }),

  handle(getUsageByKey, async ({ query }, context) => {
    const { tenantId, range } = await askedFor(context, query)
    const rows = await usageBy(context, 'api_key_id', tenantId, range, query)
    const names = await keyNames(
      context,
      tenantId,
      rows.map(({ name }) => name),
    )
    return {
      data: rows.map((row) => ({
        api_key_id: row.name,
        api_key_name: names.get(row.name) ?? null,
        ...groupUsage(row),
      })),
    }
  }),

  handle(getUsageByDate, async ({ query }, context) => {
    const { tenantId, range } = await askedFor(context, query)
    return { data: (await usageByModelAndDate(context, tenantId, range, query)).byDate }
  }),
]
