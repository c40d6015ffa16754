/** Times to the first token in log-spaced buckets: bucket b holds the milliseconds in [1.1^b, 1.1^(b+1)), the first all below. */
const GROWTH = 1.1
const LOG_GROWTH = Math.log(GROWTH)
/** Up to about 20 minutes; the last bucket holds all above. */
export const TTFT_BUCKETS = 148
const SLOT_MS = 5_000
/** Half a minute, and the slot that is being filled. */
const SLOTS = 7

/** How often each bucket was met; those that were not are left out. */
export type TtftCounts = readonly (readonly [bucket: number, count: number])[]

/** Counts of the times to the first token of the last half minute. Unix milliseconds are given. */
export class RecentTtft {
  readonly #slots = Array.from({ length: SLOTS }, () => ({ number: -1, counts: new Map<number, number>() }))

  observe(ttftMs: number, nowMs: number): void {
    const number = Math.floor(nowMs / SLOT_MS)
    const slot = this.#slots[number % SLOTS]
    if (slot === undefined) return
    if (slot.number !== number) {
      slot.number = number
      slot.counts.clear()
    }
    const bucket = bucketOf(ttftMs)
    slot.counts.set(bucket, (slot.counts.get(bucket) ?? 0) + 1)
  }

  counts(nowMs: number): TtftCounts {
    const newest = Math.floor(nowMs / SLOT_MS)
    const recent = this.#slots.filter(({ number }) => number > newest - SLOTS && number <= newest)
    return summed(recent.map(({ counts }) => [...counts]))
  }
}

/** Several counts as one, by bucket. */
export function summed(several: readonly TtftCounts[]): TtftCounts {
  const sums = new Map<number, number>()
  for (const counts of several) {
    for (const [bucket, count] of counts) sums.set(bucket, (sums.get(bucket) ?? 0) + count)
  }
  return [...sums].sort(([a], [b]) => a - b)
}

/** The time in milliseconds that a share `q` of what was counted is not above, at most 5% off; null: nothing was. */
export function ttftQuantile(counts: TtftCounts, q: number): number | null {
  const total = counts.reduce((sum, [, count]) => sum + count, 0)
  let before = 0
  for (const [bucket, count] of counts) {
    before += count
    if (before >= q * total && count > 0) return GROWTH ** (bucket + 0.5)
  }
  return null
}

function bucketOf(ttftMs: number): number {
  return ttftMs < 1 ? 0 : Math.min(TTFT_BUCKETS - 1, Math.floor(Math.log(ttftMs) / LOG_GROWTH))
}
