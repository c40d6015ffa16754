/**
 * What is left of each limit, where all who use it agree: a ledger. Proxies keep a lease of it and exchange with it what
 * they have used for more. Redis holds the one that all share (sql/redis/limits.lua says the same as this file, and a test
 * holds them against each other); this one, in memory, is for a single proxy, and for each while Redis is away.
 */

/** Of requests or tokens: a bucket that fills up to the limit at a sixtieth of it per second. */
export interface RateRequest {
  readonly kind: 'rate'
  /** Names the bucket among its tenant's. */
  readonly id: string
  /** Per minute, and what the bucket holds at most. */
  readonly limit: number
  /** Given back; negative: used beyond what was granted. */
  readonly give: number
  /** Granted whole or not at all. */
  readonly need: number
  /** Granted as far as it is there, at least {@link need}. */
  readonly want: number
  /** What is left by all that the process knows; what a ledger that knows nothing of the bucket begins with. */
  readonly seed: number
}

/** Of requests at a time, or of money: each process holds a share until it says otherwise or is silent for too long. */
export interface HeldRequest {
  readonly kind: 'held'
  readonly id: string
  readonly limit: number
  /** Spent for good since the last time. */
  readonly add: number
  /** At least so much is known to be spent for good. */
  readonly floor: number
  /** What this process holds, before what it is granted now. */
  readonly held: number
  readonly need: number
  readonly want: number
  /** Spent for good by all, as far as the process knows; what a ledger that knows nothing begins with. */
  readonly seed: number
}

export type LimitRequest = RateRequest | HeldRequest

export interface LimitGrant {
  readonly granted: number
  /** What is left for others and for later; negative where more was used than was there. */
  readonly left: number
  /** Spent for good, by all; 0 for rates. */
  readonly spent: number
}

/** Grants nothing of anything unless everything that is needed is there. */
export type LimitExchange = (requests: readonly LimitRequest[]) => readonly LimitGrant[]

interface Bucket {
  level: number
  readonly filledAtMs: number
  /** The most that was needed at once. */
  readonly most: number
}

export interface LimitLedger {
  readonly exchange: LimitExchange
  /** Forgets what is as if it had never been used. */
  prune(): void
  /** How many limits it knows. */
  readonly size: number
}

const MINUTE_MS = 60_000

/**
 * A ledger in memory that one process alone uses.
 * @param nowMs a clock that never goes back
 * @param share what part of each limit is this process's: 1 when it is alone; never less than one request at a time
 */
export function createLimitLedger(nowMs: () => number, share: number): LimitLedger {
  const buckets = new Map<string, Bucket>()
  /** By id: spent for good. */
  const spent = new Map<string, number>()

  /** The bucket as it is now, with what is given back. */
  function bucketOf({ id, limit, give, need, seed }: RateRequest): Bucket {
    const now = nowMs()
    const known = buckets.get(id) ?? { level: Math.min(limit, seed) * share, filledAtMs: now, most: 0 }
    // A request that needs more than the share is let through when that much has gathered.
    const most = Math.max(known.most, Math.min(need, limit))
    const capacity = Math.max(limit * share, share === 1 ? 0 : most)
    const refilled = known.level + ((now - known.filledAtMs) * limit * share) / MINUTE_MS
    const bucket = { level: Math.min(capacity, Math.min(capacity, refilled) + give), filledAtMs: now, most }
    buckets.set(id, bucket)
    return bucket
  }

  function spentOf({ id, add, floor, seed }: HeldRequest): number {
    const total = Math.max((spent.get(id) ?? seed) + add, floor)
    if (total > 0) spent.set(id, total)
    return total
  }

  function leftOf(request: LimitRequest): number {
    if (request.kind === 'rate') return bucketOf(request).level
    // What is spent for good is everybody's; of the rest this process has its share.
    const base = spentOf(request)
    const rest = request.limit - base
    if (share === 1) return rest - request.held
    return Math.max(Math.floor(rest * share), base === 0 ? 1 : 0) - request.held
  }

  return {
    exchange(requests) {
      const left = requests.map(leftOf)
      const enough = requests.every(({ need }, at) => need <= 0 || need <= (left[at] ?? 0))
      return requests.map((request, at) => {
        const there = left[at] ?? 0
        const granted = enough ? Math.max(0, Math.floor(Math.min(request.want, there))) : 0
        if (request.kind === 'rate') {
          const bucket = buckets.get(request.id)
          if (bucket !== undefined) bucket.level -= granted
        }
        const base = request.kind === 'rate' ? 0 : (spent.get(request.id) ?? 0)
        return { granted, left: there - granted, spent: base }
      })
    },
    prune() {
      const now = nowMs()
      for (const [id, { level, filledAtMs }] of buckets) {
        // An empty bucket is full after a minute; one in debt takes longer.
        if (level >= 0 && now - filledAtMs > MINUTE_MS) buckets.delete(id)
      }
    },
    get size() {
      return buckets.size + spent.size
    },
  }
}
