import type { Limits, Tier } from './tiers.js'

export type KeyRole = 'admin' | 'developer' | 'read-only'

/** Where a limit applies: to one key, to all keys of an environment, to all of a tenant's. */
export type LimitScope = 'key' | 'environment' | 'tenant'

/** An API key as the data plane knows it, with what it inherits from its environment and tenant. */
export interface ResolvedKey {
  readonly keyId: string
  readonly keyName: string
  readonly environmentId: string
  readonly tenantId: string
  readonly tenantStatus: 'active' | 'suspended'
  /** Weighs the tenant's requests where they wait for a node. */
  readonly tier: Tier
  readonly role: KeyRole
  /** Model names; null: every model. Both the key's and the tenant's list must permit a model. */
  readonly allowedModels: readonly string[] | null
  readonly tenantAllowedModels: readonly string[] | null
  /** Each applies by itself. */
  readonly limits: Readonly<Record<LimitScope, Limits>>
  /** What the tenant may spend in a calendar month (UTC), in nano-dollars; null: any amount. */
  readonly monthlyBudgetNanos: number | null
  /** Unix milliseconds; null: never. */
  readonly expiresAt: number | null
  /** Change counter when this was read: an entry older than the key's last change is void. */
  readonly version: number
}
