import { getDetailedUsage, getTenantUsage, getUsageOfTenant } from '../../core/contract/tenant-usage.js'
import { type DateQuery, dateRange } from '../../core/date-range.js'
import { GatewayError } from '../../core/errors.js'
import { handle, type Handler, type HandlerContext } from './handler.js'
import { knownTenants } from './tenant-rows.js'
import { type DateUsageQuery, usageByModelAndDate } from './usage-buckets.js'
import { usageRecords } from './usage-records.js'
import { usageTotals } from './usage-rows.js'

/** The id as it is stored. @throws GatewayError not_found for one that no tenant ever had */
async function tenantId({ db }: HandlerContext, param: string, id: string): Promise<string> {
  const [known] = (await knownTenants(db, [id])).keys()
  if (known !== undefined) return known
  throw new GatewayError('not_found', { param, message: `There is no tenant '${id}'.` })
}

async function usage(context: HandlerContext, id: string, query: DateQuery & DateUsageQuery) {
  const range = dateRange(query, context.now.getTime())
  const { models, byDate } = await usageByModelAndDate(context, id, range, query)
  return { tenant_id: id, ...usageTotals(range, models), by_date: byDate }
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
