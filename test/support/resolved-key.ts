import type { ResolvedKey } from '../../src/core/resolved-key.js'
import { UNLIMITED } from '../../src/core/tiers.js'

/** An API key as the data plane knows it, without limits and of an active tenant. */
export function resolvedKey(changes: Partial<ResolvedKey> = {}): ResolvedKey {
  return {
    keyId: 'key',
    keyName: 'Key',
    environmentId: 'environment',
    tenantId: 'tenant',
    tenantStatus: 'active',
    tier: 'enterprise',
    role: 'developer',
    allowedModels: null,
    tenantAllowedModels: null,
    limits: { key: UNLIMITED, environment: UNLIMITED, tenant: UNLIMITED },
    monthlyBudgetNanos: null,
    expiresAt: null,
    version: 1,
    ...changes,
  }
}
