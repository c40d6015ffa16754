import { exponential } from '../simulate/bursts.js'

/** Seconds of a day. */
export const DAY_S = 86_400
const HOUR_S = 3_600
/** Of an answer, in seconds. */
const MEAN_STREAM_S = 12
const LONGEST_STREAM_S = 180

/** From which second to which, the latter excluded. */
export interface Span {
  readonly fromS: number
  readonly toS: number
}

/** Everything that happens to a deployment from outside. */
export interface Day {
  readonly seconds: number
  /** Requests that come in each second. */
  readonly arrivals: Uint16Array
  /** How long each one streams once it has a place, in whole seconds, in the order in which they come. */
  readonly streamS: Uint8Array
  /** No gauge is read. */
  readonly frozen: readonly Span[]
  /** No spot machine is to be had. */
  readonly spotShort: readonly Span[]
}

interface Surge extends Span {
  /** So many times the requests, reached within `rampS`. */
  readonly times: number
  readonly rampS: number
}

/** Share of the busiest hours' rate by hour: nothing to speak of at night, two humps by day. */
const BY_HOUR = [
  0.06, 0.03, 0, 0, 0, 0.02, 0.08, 0.2, 0.45, 0.7, 0.85, 0.9, 0.75, 0.8, 0.9, 0.95, 1, 0.95, 0.8, 0.65, 0.55,
  0.4, 0.25, 0.12,
]
/** At night a request comes now and then. */
const STRAYS_PER_S = 1 / 5_400
const SPIKES = 8

/**
 * A day with a quiet night, short spikes at any time, a flash crowd in the afternoon, an hour and a half without spot
 * machines in the evening, and twenty minutes in the morning, with the load rising, in which the gauges are frozen.
 * @param perSecond requests in the busiest hour
 */
export function drawDay(perSecond: number, random: () => number): Day {
  const surges: Surge[] = Array.from({ length: SPIKES }, () => {
    const fromS = (7 + 14 * random()) * HOUR_S
    return { fromS, toS: fromS + 40 + 200 * random(), times: 1.2 + 0.5 * random(), rampS: 10 }
  })
  const crowdS = 13.2 * HOUR_S + random() * HOUR_S
  surges.push({ fromS: crowdS, toS: crowdS + 1_500, times: 2.2, rampS: 90 })
  const rate = (second: number) =>
    perSecond * hourly(second) * Math.max(1, ...surges.map((surge) => surgeAt(surge, second))) + STRAYS_PER_S
  return drawArrivals(DAY_S, rate, random, {
    frozen: [{ fromS: 8.5 * HOUR_S, toS: 8.5 * HOUR_S + 1_200 }],
    spotShort: [{ fromS: 18.5 * HOUR_S, toS: 20 * HOUR_S }],
  })
}

/** Requests at a given rate for each second. */
export function drawArrivals(
  seconds: number,
  rate: (second: number) => number,
  random: () => number,
  { frozen, spotShort }: Pick<Day, 'frozen' | 'spotShort'> = { frozen: [], spotShort: [] },
): Day {
  const arrivals = new Uint16Array(seconds)
  const streams: number[] = []
  // Gaps of the process with rate 1, walked along the sum of the rates.
  let nextAt = exponential(1, random)
  let passed = 0
  for (let second = 0; second < seconds; second++) {
    passed += rate(second)
    for (; nextAt < passed; nextAt += exponential(1, random)) {
      arrivals[second] = (arrivals[second] ?? 0) + 1
      const streamS = Math.ceil(exponential(MEAN_STREAM_S, random))
      streams.push(Math.min(LONGEST_STREAM_S, Math.max(1, streamS)))
    }
  }
  return { seconds, arrivals, streamS: Uint8Array.from(streams), frozen, spotShort }
}

export function isWithin(spans: readonly Span[], second: number): boolean {
  return spans.some(({ fromS, toS }) => second >= fromS && second < toS)
}

/** The share at a time, each hour's value in its middle. */
function hourly(second: number): number {
  const at = second / HOUR_S - 0.5
  const hour = Math.floor(at)
  const [one, next] = [BY_HOUR[(hour + 24) % 24] ?? 0, BY_HOUR[(hour + 25) % 24] ?? 0]
  return one + (next - one) * (at - hour)
}

function surgeAt({ fromS, toS, times, rampS }: Surge, second: number): number {
  if (second < fromS || second >= toS + rampS) return 1
  const part = Math.min(1, (second - fromS) / rampS, (toS + rampS - second) / rampS)
  return 1 + (times - 1) * part
}
