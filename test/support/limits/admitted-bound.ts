/** What a limit per minute lets through, as the product promises it, and whether what was admitted is that. */

export interface Admitted {
  /** Requests or tokens per minute; the bucket holds as many and starts full. */
  readonly perMinute: number
  /** Requests, or tokens that were billed. */
  readonly admitted: number
  /** From the first request sent to the last one sent. */
  readonly seconds: number
  /** More that may be missing or too much: what was in flight, whose real size nobody knew. */
  readonly inFlight?: number
}

export interface Verdict {
  /** burst + rate × time. */
  readonly expected: number
  /** What it may be off by. */
  readonly tolerance: number
  readonly ok: boolean
  /** A line that says all of it. */
  readonly text: string
}

const SHARE = 0.01
/** Below so many one more or less is all that a share of a hundredth could mean. */
const FEW = 100

/** Holds what was admitted against burst + rate × time: ±1%, ±1 where that is less than a hundred. */
export function judgeAdmitted({ perMinute, admitted, seconds, inFlight = 0 }: Admitted): Verdict {
  const expected = perMinute + (perMinute / 60) * seconds
  const tolerance = (expected < FEW ? 1 : expected * SHARE) + inFlight
  const off = admitted - expected
  const ok = Math.abs(off) <= tolerance
  const text =
    `${perMinute}/min: ${admitted} admitted in ${seconds.toFixed(2)} s, expected ${expected.toFixed(1)} ` +
    `± ${tolerance.toFixed(1)} (${off < 0 ? '' : '+'}${((off / expected) * 100).toFixed(2)}%)${ok ? '' : ' WRONG'}`
  return { expected, tolerance, ok, text }
}
