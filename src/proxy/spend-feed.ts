import type { Logger } from '../io/logger.js'
import { type Polling, startPolling } from '../io/polling.js'
import type { TenantSpend } from '../io/tenant-spend.js'

export interface SpendFeedOptions {
  /** What was spent, of tenants whose amount changed since a reading; null: of all. */
  readonly read: (since: Date | null) => Promise<TenantSpend>
  /** A tenant has spent so many nano-dollars in a month (`YYYY-MM`, UTC). It may be told again, and late. */
  readonly apply: (tenantId: string, month: string, nanos: number) => void
  readonly logger: Logger
}

const READ_MS = 2_000
/** Every minute all is read: a commit that took longer than readings overlap is missed for no longer. */
const READ_ALL_EVERY = 30

/**
 * Reads every two seconds what tenants have spent by their bills. While it cannot be read, what is known holds.
 * Readings never overlap in time.
 */
export function startSpendFeed({ read, apply, logger }: SpendFeedOptions): Polling {
  let since: Date | null = null
  let readings = 0
  return startPolling({
    everyMs: READ_MS,
    look: async () => {
      const { at, spent } = await read(readings % READ_ALL_EVERY === 0 ? null : since)
      for (const [tenantId, { month, nanos }] of spent) apply(tenantId, month, nanos)
      since = at
      readings++
    },
    event: 'tenant_spend_unreadable',
    logger,
  })
}
