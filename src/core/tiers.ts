import { z } from 'zod'

/** What a tenant, an environment or an API key may use; null is unlimited. Named as the API names them. */
export interface Limits {
  readonly rate_limit_per_minute: number | null
  readonly tokens_per_minute: number | null
  readonly max_concurrency: number | null
}

export const limitsSchema: z.ZodType<Limits> = z.object({
  rate_limit_per_minute: z.number().nullable(),
  tokens_per_minute: z.number().nullable(),
  max_concurrency: z.number().nullable(),
})

/** A tenant's share of turns where requests have to wait for a node. */
export const TIER_SHARES: Readonly<Record<Tier, number>> = { free: 1, starter: 2, pro: 4, enterprise: 8 }

/** Limits as a request sends them: what it leaves out is undefined. */
export type SentLimits = { readonly [Name in keyof Limits]?: Limits[Name] | undefined }

export const TIERS = ['free', 'starter', 'pro', 'enterprise'] as const
export type Tier = (typeof TIERS)[number]

export const UNLIMITED: Limits = {
  rate_limit_per_minute: null,
  tokens_per_minute: null,
  max_concurrency: null,
}

/** The limits that a tenant of a tier is created with. */
export const TIER_LIMITS: Readonly<Record<Tier, Limits>> = {
  free: { rate_limit_per_minute: 20, tokens_per_minute: 40_000, max_concurrency: 2 },
  starter: { rate_limit_per_minute: 300, tokens_per_minute: 500_000, max_concurrency: 20 },
  pro: { rate_limit_per_minute: 3_000, tokens_per_minute: 5_000_000, max_concurrency: 200 },
  enterprise: UNLIMITED,
}

/** The limits that were sent, over those that were there. */
export function limitsOver(before: Limits, sent: SentLimits): Limits {
  const over = (name: keyof Limits) => (sent[name] === undefined ? before[name] : sent[name])
  return each(over)
}

/** A tenant's limits after it went from one tier to another: those that are the old tier's defaults become the new one's. */
export function limitsMoved(before: Limits, from: Tier, to: Tier): Limits {
  return each((name) => (before[name] === TIER_LIMITS[from][name] ? TIER_LIMITS[to][name] : before[name]))
}

function each(limit: (name: keyof Limits) => number | null): Limits {
  return {
    rate_limit_per_minute: limit('rate_limit_per_minute'),
    tokens_per_minute: limit('tokens_per_minute'),
    max_concurrency: limit('max_concurrency'),
  }
}
