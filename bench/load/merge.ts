import type { Histogram } from 'hdr-histogram-js'
import type { ErrorPart, ResultPart, SecondPart, StepPart } from './generator-messages.js'
import { addEncoded, createHistogram, distributionOf, percentile } from './latency-histogram.js'
import type { LoadReport, LoadSecond, LoadStep } from './load-report.js'
import type { LoadPlan } from './plan.js'
import { createProfile, type ProfileStep } from './profile.js'

/** Makes one second of all processes out of each one's part. Microseconds. */
export function mergeSeconds(parts: readonly SecondPart[]): LoadSecond {
  const [first] = parts
  if (first === undefined) throw new Error('a second without parts')
  const sum = (field: 'sent' | 'completed' | 'failed' | 'aborted' | 'completionTokens' | 'open'): number =>
    parts.reduce((total, part) => total + part[field], 0)
  const ttft = mergeHistograms(
    parts.map((part) => part.ttft),
    'coarse',
  )
  const itl = mergeHistograms(
    parts.map((part) => part.itl),
    'coarse',
  )
  const e2e = mergeHistograms(
    parts.map((part) => part.e2e),
    'coarse',
  )
  return {
    second: first.second,
    sent: sum('sent'),
    completed: sum('completed'),
    failed: sum('failed'),
    aborted: sum('aborted'),
    completionTokens: sum('completionTokens'),
    open: sum('open'),
    ttftP50: percentile(ttft, 50),
    ttftP99: percentile(ttft, 99),
    itlP50: percentile(itl, 50),
    itlP99: percentile(itl, 99),
    e2eP50: percentile(e2e, 50),
    e2eP99: percentile(e2e, 99),
  }
}

function mergeHistograms(parts: readonly string[], resolution: 'fine' | 'coarse'): Histogram {
  const merged = createHistogram(resolution)
  for (const part of parts) addEncoded(merged, part)
  return merged
}

type Counts = Omit<StepPart, 'ttft' | 'itl' | 'e2e'>

function sumCounts(parts: readonly Counts[]): Counts {
  const sum = (read: (part: Counts) => number): number => parts.reduce((total, part) => total + read(part), 0)
  return {
    sent: sum(({ sent }) => sent),
    completed: sum(({ completed }) => completed),
    failed: sum(({ failed }) => failed),
    aborted: sum(({ aborted }) => aborted),
    promptTokens: sum(({ promptTokens }) => promptTokens),
    completionTokens: sum(({ completionTokens }) => completionTokens),
    good: sum(({ good }) => good),
    within: {
      completed: sum(({ within }) => within.completed),
      completionTokens: sum(({ within }) => within.completionTokens),
      good: sum(({ within }) => within.good),
    },
  }
}

function totalsOf(
  { within, good, ...counts }: Counts,
  seconds: number,
  withSlo: boolean,
): LoadReport['totals'] {
  const perSecond = (count: number): number => (seconds > 0 ? count / seconds : 0)
  return {
    ...counts,
    good: withSlo ? good : null,
    requestsPerSecond: perSecond(within.completed),
    completionTokensPerSecond: perSecond(within.completionTokens),
    goodputPerSecond: withSlo ? perSecond(within.good) : null,
  }
}

function mergeErrors(parts: readonly ErrorPart[]): LoadReport['errors'] {
  const errors = new Map<string, ErrorPart>()
  for (const part of parts) {
    const key = `${part.kind} ${part.status ?? ''} ${part.code ?? ''}`
    const known = errors.get(key)
    if (known === undefined) errors.set(key, { ...part })
    else known.count += part.count
  }
  return [...errors.values()].sort((a, b) => b.count - a.count)
}

/** Everything of a report that was measured. */
export type Measured = Pick<
  LoadReport,
  'measuredSeconds' | 'totals' | 'errors' | 'ttft' | 'itl' | 'e2e' | 'steps' | 'counted' | 'generator'
>

/** Makes one result of all processes' parts. Steps that were not reached are left out. */
export function mergeResults(plan: LoadPlan, parts: readonly ResultPart[]): Measured {
  const profile = createProfile(plan.stages, plan.warmUpSeconds)
  const measuredSeconds = Math.max(...parts.map(({ endSecond }) => endSecond))
  const withSlo = plan.slo !== null
  const all = { ttft: createHistogram('fine'), itl: createHistogram('fine'), e2e: createHistogram('fine') }
  const allCounts: Counts[] = []
  const steps: LoadStep[] = []
  profile.steps.forEach((step, at) => {
    const fromSecond = step.fromMs / 1000
    const toSecond = Math.min(step.toMs / 1000, measuredSeconds)
    const own = parts.flatMap((part) => part.steps.slice(at, at + 1))
    const counts = sumCounts(own)
    if (toSecond <= fromSecond && counts.sent === 0) return
    allCounts.push(counts)
    const distribution = (name: 'ttft' | 'itl' | 'e2e') => {
      const merged = mergeHistograms(
        own.map((part) => part[name]),
        'fine',
      )
      all[name].add(merged)
      return distributionOf(merged)
    }
    steps.push({
      load: loadOf(plan, step),
      fromSecond,
      toSecond,
      totals: totalsOf(counts, toSecond - fromSecond, withSlo),
      ttft: distribution('ttft'),
      itl: distribution('itl'),
      e2e: distribution('e2e'),
    })
  })
  return {
    measuredSeconds,
    totals: totalsOf(sumCounts(allCounts), measuredSeconds, withSlo),
    errors: mergeErrors(parts.flatMap(({ errors }) => errors)),
    ttft: distributionOf(all.ttft),
    itl: distributionOf(all.itl),
    e2e: distributionOf(all.e2e),
    steps,
    counted: {
      byUsage: parts.reduce((sum, { counted }) => sum + counted.byUsage, 0),
      byFrames: parts.reduce((sum, { counted }) => sum + counted.byFrames, 0),
      not: parts.reduce((sum, { counted }) => sum + counted.not, 0),
    },
    generator: generatorOf(plan, parts),
  }
}

function loadOf({ loop }: LoadPlan, { load }: ProfileStep): LoadStep['load'] {
  return loop.kind === 'open'
    ? { kind: 'rate', requestsPerSecond: load }
    : { kind: 'concurrency', requests: load }
}

/** Above these the generator's own delays are part of what it measured. */
const MOST_CPU = 0.9
const MOST_LAG_MICROS = 10_000

function generatorOf(plan: LoadPlan, parts: readonly ResultPart[]): LoadReport['generator'] {
  const loopLag = mergeHistograms(
    parts.map((part) => part.loopLag),
    'fine',
  )
  const cpu = Math.max(...parts.map((part) => part.cpu))
  const loopLagP99 = percentile(loopLag, 99) ?? 0
  const waited = parts.reduce((sum, { waitedForBound }) => sum + waitedForBound, 0)
  const reasons: string[] = []
  if (cpu > MOST_CPU)
    reasons.push(
      `it used ${Math.round(cpu * 100)}% of a processor: give more --processes, or another machine`,
    )
  if (loopLagP99 > MOST_LAG_MICROS)
    reasons.push(
      `its event loop lagged ${(loopLagP99 / 1000).toFixed(0)} ms at p99: give it a processor that is not in use`,
    )
  if (waited > 0)
    reasons.push(
      `${waited} requests waited because ${plan.maxOpen} connections were in use: raise --max-open`,
    )
  return {
    loopLagP50: percentile(loopLag, 50) ?? 0,
    loopLagP99,
    loopLagMax: percentile(loopLag, 100) ?? 0,
    sendDelay: distributionOf(
      mergeHistograms(
        parts.map((part) => part.sendDelay),
        'fine',
      ),
    ),
    cpu,
    limited: reasons.length === 0 ? null : reasons.join('; '),
  }
}
