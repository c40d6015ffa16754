import { build, encodeIntoCompressedBase64 } from 'hdr-histogram-js'
import { seededRandom } from '../../../bench/nodes/random.js'
import { quantile } from '../../../bench/statistics.js'
import type { Distribution, LoadReport, LoadStep } from '../../../bench/load/load-report.js'

export interface FixtureOptions {
  readonly seed?: number
  readonly seconds?: number
  readonly warmUpSeconds?: number
  readonly requestsPerSecond?: number
  /** Median, of a skewed distribution with a long tail. */
  readonly ttftMs?: number
  /** How far all requests of a second are slower or faster together: the logarithm's greatest deviation. */
  readonly secondScatter?: number
  /** Loads of the steps; one: a single step. */
  readonly loads?: readonly number[]
  readonly model?: string
}

/** A report as a run would have written it: drawn at random from the seed, its totals and histograms consistent. */
export function reportFixture(options: FixtureOptions = {}): LoadReport {
  const { seed = 1, seconds = 30, warmUpSeconds = 5, requestsPerSecond = 50, ttftMs = 40 } = options
  const { loads = [requestsPerSecond], model = 'sim-8b', secondScatter = 0 } = options
  const random = seededRandom(seed)
  const skewed = (median: number): number =>
    median * Math.exp(0.35 * (random() + random() + random() - 1.5) * 2)
  const tail = (): number => (random() < 0.02 ? 3 + 4 * random() : 1)
  const timeline: LoadReport['timeline'] = []
  const steps: LoadStep[] = []
  const everything = { ttft: [] as number[], itl: [] as number[], e2e: [] as number[] }
  const perStep = Math.ceil(seconds / loads.length)
  for (const [at, load] of loads.entries()) {
    const mine = { ttft: [] as number[], itl: [] as number[], e2e: [] as number[] }
    const from = at * perStep
    for (let second = at === 0 ? -warmUpSeconds : from; second < from + perStep; second++) {
      const here = { ttft: [] as number[], itl: [] as number[], e2e: [] as number[] }
      const pace = Math.exp(secondScatter * (2 * random() - 1))
      for (let request = 0; request < load; request++) {
        const ttft = Math.round(
          skewed(ttftMs * 1000) * tail() * (second < 0 ? 1.6 : 1) * (1 + load / 400) * pace,
        )
        const gaps = Array.from({ length: TOKENS - 1 }, () => Math.round(skewed(10_000) * pace))
        here.ttft.push(ttft)
        here.itl.push(...gaps)
        here.e2e.push(gaps.reduce((sum, gap) => sum + gap, ttft))
      }
      timeline.push({
        second,
        sent: load,
        completed: load,
        failed: 0,
        aborted: 0,
        completionTokens: load * TOKENS,
        open: Math.round(load * 0.35 + 4 * random()),
        ttftP50: at50(here.ttft),
        ttftP99: at99(here.ttft),
        itlP50: at50(here.itl),
        itlP99: at99(here.itl),
        e2eP50: at50(here.e2e),
        e2eP99: at99(here.e2e),
      })
      if (second < 0) continue
      for (const key of ['ttft', 'itl', 'e2e'] as const) mine[key].push(...here[key])
    }
    for (const key of ['ttft', 'itl', 'e2e'] as const) everything[key].push(...mine[key])
    steps.push({
      load: { kind: 'rate', requestsPerSecond: load },
      fromSecond: from,
      toSecond: from + perStep,
      totals: totalsOf(mine.ttft, perStep),
      ...distributionsOf(mine),
    })
  }
  return {
    format: 'crosslogic-load/1',
    startedAt: '2026-03-01T12:00:00.000Z',
    ended: 'complete',
    measuredSeconds: perStep * loads.length,
    settings: { url: 'http://127.0.0.1:8080', model, rate: loads.join(','), stream: true },
    seed,
    environment: {
      version: '0.1.0',
      commit: '0123456789abcdef0123456789abcdef01234567',
      node: 'v20.20.2',
      os: 'Linux 6.1',
      processor: 'Some processor',
      processors: 2,
      memoryBytes: 8 * 2 ** 30,
    },
    slo: { ttftMicros: SLO_MICROS },
    totals: totalsOf(everything.ttft, perStep * loads.length),
    errors: [],
    ...distributionsOf(everything),
    steps,
    timeline,
    generator: {
      loopLagP50: 60,
      loopLagP99: 900,
      loopLagMax: 2_400,
      sendDelay: distribution([10, 20, 30, 400]),
      cpu: 0.21,
      limited: null,
    },
  }
}

const TOKENS = 16
const SLO_MICROS = 100_000

const sort = (values: readonly number[]): number[] => values.toSorted((a, b) => a - b)
const at50 = (values: readonly number[]): number => quantile(sort(values), 0.5)
const at99 = (values: readonly number[]): number => quantile(sort(values), 0.99)

type Measured = Readonly<Record<'ttft' | 'itl' | 'e2e', readonly number[]>>

function distributionsOf({ ttft, itl, e2e }: Measured): Record<keyof Measured, Distribution> {
  return { ttft: distribution(ttft), itl: distribution(itl), e2e: distribution(e2e) }
}

/** The distribution of these microseconds, histogram included. */
export function distribution(values: readonly number[]): Distribution {
  if (values.length === 0) return NO_VALUES
  const histogram = build({
    useWebAssembly: false,
    bitBucketSize: 32,
    lowestDiscernibleValue: 1,
    highestTrackableValue: 3_600_000_000,
    numberOfSignificantValueDigits: 3,
  })
  for (const value of values) histogram.recordValue(value)
  const at = (percentile: number): number => histogram.getValueAtPercentile(percentile)
  return {
    count: values.length,
    mean: Math.round(histogram.mean),
    min: Math.min(...values),
    p50: at(50),
    p90: at(90),
    p95: at(95),
    p99: at(99),
    p999: at(99.9),
    max: Math.max(...values),
    hdr: encodeIntoCompressedBase64(histogram),
  }
}

/** What a distribution is when nothing was measured. */
export const NO_VALUES: Distribution = {
  count: 0,
  mean: null,
  min: null,
  p50: null,
  p90: null,
  p95: null,
  p99: null,
  p999: null,
  max: null,
  hdr: null,
}

function totalsOf(ttft: readonly number[], seconds: number): LoadReport['totals'] {
  const requests = ttft.length
  const good = ttft.filter((micros) => micros <= SLO_MICROS).length
  return {
    sent: requests,
    completed: requests,
    failed: 0,
    aborted: 0,
    promptTokens: requests * 100,
    completionTokens: requests * TOKENS,
    good,
    requestsPerSecond: requests / seconds,
    completionTokensPerSecond: (requests * TOKENS) / seconds,
    goodputPerSecond: good / seconds,
  }
}
