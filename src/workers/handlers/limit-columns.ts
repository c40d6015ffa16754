import { z } from 'zod'
import type { Limits } from '../../core/tiers.js'

/** The columns of limits, which tenants, environments and keys have alike. */
export const limitColumns = {
  rate_limit_per_minute: z.number().nullable(),
  tokens_per_minute: z.coerce.number().nullable(),
  max_concurrency: z.number().nullable(),
}

/** In the order of the statements that write them. */
export function limitValues(limits: Limits): (number | null)[] {
  return [limits.rate_limit_per_minute, limits.tokens_per_minute, limits.max_concurrency]
}

/** As replies show them. */
export function limitsShown({ rate_limit_per_minute, tokens_per_minute, max_concurrency }: Limits): Limits {
  return { rate_limit_per_minute, tokens_per_minute, max_concurrency }
}
