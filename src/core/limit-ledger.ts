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
  /** Used by grants of the process's own ledger, which the shared one has to hear of. */
  readonly debt: number
  /** Granted whole or not at all. */
  readonly need: number
  /** Granted as far as it is there, at least {@link need}. */
  readonly want: number
  /** What is left by all that the process knows; what a ledger that knows nothing of the bucket begins with. */
  readonly seed: number
  /** The process's own ledger was not asked since the shared one was: what it has is of a time before. */
  readonly anew: boolean
}

/** Of requests at a time, or of money: each process holds a share until it says otherwise or is silent for too long. */
export interface HeldRequest {
  readonly kind: 'held'
  readonly id: string
  readonly limit: number
  /** Spent for good since the last time. */
  readonly add: number
  /** Spent while the process went by itself, which the shared ledger has to hear of. */
  readonly debt: number
  /** At least so much is known to be spent for good. */
  readonly floor: number
  /** What this process holds, before what it is granted now. */
  readonly held: number
  readonly need: number
  readonly want: number
  /** Spent for good by all, as far as the process knows; what a ledger that knows nothing begins with. */
  readonly seed: number
  readonly anew: boolean
  /** What the shared ledger last had of it; null: it was not asked. */
  readonly seen: HeldSeen | null
}

export interface HeldSeen {
  /** By this process. */
  readonly held: number
  /** For all. */
  readonly left: number
}

export type LimitRequest = RateRequest | HeldRequest

export interface LimitGrant {
  readonly granted: number
  /** What is left for others and for later; negative where more was used than was there. */
  readonly left: number
  /** Spent for good, by all; 0 for rates. */
  readonly spent: number
}

/** With which ledger an exchange was. */
export interface LedgerKind {
  /** Whether all processes share it. */
  readonly shared: boolean
  /** What part of each limit it gives out: 1 where it is shared. */
  readonly share: number
  /** The shared one was asked first and did not answer: whether it did what it was asked for is not known. */
  readonly uncertain: boolean
}

interface Bucket {
  level: number
  readonly filledAtMs: number
  /** The most that was needed at once. */
  readonly most: number
  /** Per millisecond. */
  readonly rate: number
  readonly capacity: number
}

interface Spent {
  readonly total: number
  /** What was known to be spent when this ledger was first asked. */
  readonly begun: number
  /** What else was known to be spent, the last time. */
  readonly floor: number
  /** What this ledger was told of, as far as that may not be in the floor yet. */
  readonly unbilled: number
  readonly atMs: number
}

export interface LimitLedger {
  /**
   * Grants nothing of anything unless everything that is needed is there. Debts are not its business.
   * @param instead says that it stands in for the shared ledger; `passing`: that one may answer again at any moment, and
   * still knows what each process held
   */
  exchange(requests: readonly LimitRequest[], instead?: { readonly passing: boolean }): readonly LimitGrant[]
  /** Forgets what is as if it had never been used. */
  prune(): void
}

const MINUTE_MS = 60_000
/** Longer than a month, after which nobody asks for what was spent in it. */
const FORGET_SPENT_MS = 40 * 24 * 60 * MINUTE_MS

/**
 * A ledger in memory that one process alone uses.
 * @param nowMs a clock that never goes back
 * @param shareNow what part of each limit is this process's by now: 1 when it is alone
 */
export function createLimitLedger(nowMs: () => number, shareNow: () => number = () => 1): LimitLedger {
  const buckets = new Map<string, Bucket>()
  const spent = new Map<string, Spent>()

  const filled = ({ level, filledAtMs, rate, capacity }: Bucket, now: number) =>
    Math.min(capacity, level + (now - filledAtMs) * rate)

  /** The bucket as it is now, with what is given back. */
  function bucketOf({ id, limit, give, need, seed, anew }: RateRequest, instead: boolean): Bucket {
    const now = nowMs()
    const share = shareNow()
    const known = instead && anew ? undefined : buckets.get(id)
    // A request that needs more than the share is let through when that much has gathered.
    const most = share === 1 ? 0 : Math.max(known?.most ?? 0, Math.min(need, limit))
    const capacity = Math.max(limit * share, most)
    const rate = (limit * share) / MINUTE_MS
    const begun = { level: Math.min(limit, seed) * share, filledAtMs: now, most, rate, capacity }
    const level = Math.min(capacity, filled({ ...(known ?? begun), rate, capacity }, now) + give)
    const bucket = { level, filledAtMs: now, most, rate, capacity }
    buckets.set(id, bucket)
    return bucket
  }

  function spentOf({ id, add, floor, seed, anew }: HeldRequest, instead: boolean): Spent {
    const known = instead && anew ? undefined : spent.get(id)
    const before = known ?? { begun: Math.max(seed, floor), floor, unbilled: 0 }
    const unbilled = Math.max(0, before.unbilled - Math.max(0, floor - before.floor)) + add
    const total = Math.max((known?.total ?? seed) + add, floor)
    const now = { total, begun: before.begun, floor: Math.max(floor, before.floor), unbilled, atMs: nowMs() }
    if (total > 0) spent.set(id, now)
    return now
  }

  function leftOf(request: LimitRequest, instead?: { readonly passing: boolean }): number {
    if (request.kind === 'rate') return bucketOf(request, instead !== undefined).level
    const { limit, held, seed, seen } = request
    const { total, begun, floor, unbilled } = spentOf(request, instead !== undefined)
    const share = shareNow()
    if (share === 1) return limit - total - held
    // What this process held is its own to use again; of what was free it has its share.
    if (instead?.passing === true && seen !== null)
      return seen.held + Math.floor(seen.left * share) - held - (total - seed)
    // Of what was left, by what is known of all, this process has its share, and has spent of it what the bill does not tell
    // yet; of slots it has one at least.
    const least = total === 0 && instead?.passing !== true ? 1 : 0
    const part = Math.floor((limit - Math.max(begun, floor)) * share)
    return Math.max(part - unbilled, least) - held
  }

  return {
    exchange(requests, instead) {
      const left = requests.map((request) => leftOf(request, instead))
      const enough = requests.every(({ need }, at) => need <= 0 || need <= (left[at] ?? 0))
      return requests.map((request, at) => {
        const there = left[at] ?? 0
        const granted = enough ? Math.max(0, Math.floor(Math.min(request.want, there))) : 0
        if (request.kind === 'rate') {
          const bucket = buckets.get(request.id)
          if (bucket !== undefined) bucket.level -= granted
        }
        const base = request.kind === 'rate' ? 0 : (spent.get(request.id)?.total ?? 0)
        return { granted, left: there - granted, spent: base }
      })
    },
    prune() {
      const now = nowMs()
      for (const [id, bucket] of buckets) if (filled(bucket, now) >= bucket.capacity) buckets.delete(id)
      for (const [id, { atMs }] of spent) if (now - atMs > FORGET_SPENT_MS) spent.delete(id)
    },
  }
}
