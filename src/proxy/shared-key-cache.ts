import { z } from 'zod'
import type { ResolvedKey } from '../core/resolved-key.js'
import { limitsSchema, TIERS } from '../core/tiers.js'
import type { Logger } from '../io/logger.js'
import type { RedisClient } from '../io/redis.js'

/** The key cache that all proxies share, in Redis. Keys are named by digest, so no secret is in it. */
export interface SharedKeyCache {
  /** Rejects when Redis does not answer in time. */
  get(id: string): Promise<ResolvedKey | null>
  /** Best effort, without waiting. */
  set(id: string, key: ResolvedKey): void
}

/**
 * Shorter than the change log is kept (an hour), so that a proxy which starts late still learns of every change
 * that voids an entry.
 */
export const SHARED_KEY_TTL_SECONDS = 300

const Cached: z.ZodType<ResolvedKey> = z.object({
  keyId: z.string(),
  keyName: z.string(),
  environmentId: z.string(),
  tenantId: z.string(),
  tenantStatus: z.enum(['active', 'suspended']),
  tier: z.enum(TIERS),
  role: z.enum(['admin', 'developer', 'read-only']),
  allowedModels: z.array(z.string()).nullable(),
  tenantAllowedModels: z.array(z.string()).nullable(),
  limits: z.object({ key: limitsSchema, environment: limitsSchema, tenant: limitsSchema }),
  monthlyBudgetNanos: z.number().nullable(),
  expiresAt: z.number().nullable(),
  version: z.number(),
})

export function createSharedKeyCache(redis: RedisClient, logger: Logger): SharedKeyCache {
  const name = (id: string) => `crosslogic:key:${id}`
  return {
    async get(id) {
      const text = await redis.get(name(id))
      if (text === null) return null
      const parsed = Cached.safeParse(JSON.parse(text))
      // An entry of another version of this program is no error, only not ours to read.
      return parsed.success ? parsed.data : null
    },
    set(id, key) {
      redis.set(name(id), JSON.stringify(key), 'EX', SHARED_KEY_TTL_SECONDS).catch((error: unknown) => {
        logger.debug({ event: 'key_cache_write_failed', error })
      })
    },
  }
}
