import { getOwnUsageRecords } from '../../core/contract/usage-records.js'
import { handle, type Handler, tenantOf } from './handler.js'
import { requireOwnKey } from './usage-keys.js'
import { usageRecords, withoutNode } from './usage-records.js'

export const ownUsageRecordsHandlers: readonly Handler[] = [
  handle(getOwnUsageRecords, async ({ query }, context) => {
    const tenantId = tenantOf(context.actor)
    await requireOwnKey(context, tenantId, query.api_key_id)
    const { data, next_cursor } = await usageRecords(context, tenantId, query)
    return { data: data.map(withoutNode), next_cursor }
  }),
]
