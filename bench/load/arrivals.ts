import type { Profile } from './profile.js'

export const ARRIVALS = ['constant', 'poisson'] as const
export type Arrivals = (typeof ARRIVALS)[number]

/**
 * The intended send times of an open loop, in milliseconds since the measured part, in order, until the profile
 * ends. A process whose rate changes is one of rate 1 on a stretched time: each gap (1, or drawn from an exponential
 * distribution) is laid along the area under the rate.
 */
export function* arrivalTimes(
  { segments }: Profile,
  arrivals: Arrivals,
  random: () => number,
): Generator<number, void> {
  const gap = arrivals === 'constant' ? () => 1 : () => -Math.log(1 - random())
  /** Of the area under the rate, until the next arrival. */
  let left = arrivals === 'constant' ? 0 : gap()
  for (const { fromMs, toMs, from, to } of segments) {
    const seconds = (toMs - fromMs) / 1000
    const slope = from === to ? 0 : (to - from) / seconds
    const area = ((from + to) / 2) * seconds
    let used = 0
    while (used + left < area) {
      used += left
      // Solves from·t + slope·t²/2 = used in the form that does not cancel.
      const root = Math.sqrt(Math.max(0, from * from + 2 * slope * used))
      yield fromMs + (used === 0 ? 0 : ((2 * used) / (from + root)) * 1000)
      left = gap()
    }
    left -= area - used
  }
}
