import type { LoadReport } from '../load-report.js'
import type { LoadPlan } from '../plan.js'
import { judge } from './judge.js'
import { searchHighest, type Range } from './search.js'
import type { SweepProbe, SweepReport } from './sweep-report.js'

export interface SweepOptions {
  /** Of each probe but for its load and seed: one stage, whose seconds count. */
  readonly plan: LoadPlan
  readonly range: Range
  /** Of the requests that have to meet the plan's SLO: 0 to 1. */
  readonly share: number
  /** Carries out one probe. */
  readonly run: (plan: LoadPlan) => Promise<LoadReport>
  readonly onProbe?: (probe: SweepProbe) => void
}

/**
 * Searches the highest load that meets an SLO, each probe a run of its own with its own warm-up. Each has its own
 * seed, so that no server answers a probe out of what it cached of the one before.
 * @throws what `run` throws
 */
export async function sweep({ plan, range, share, run, onProbe }: SweepOptions): Promise<SweepReport> {
  const kind = plan.loop.kind === 'open' ? 'rate' : 'concurrency'
  const seconds = plan.stages[0]?.seconds ?? null
  const probes: SweepProbe[] = []
  let first: LoadReport | null = null
  const answer = await searchHighest(async (load) => {
    const seed = plan.seed + probes.length
    const report = await run({ ...plan, seed, stages: [{ seconds, from: load, to: load }] })
    first ??= report
    const { totals, ttft, itl, e2e, measuredSeconds, errors } = report
    const probe: SweepProbe = {
      load: kind === 'rate' ? { kind, requestsPerSecond: load } : { kind, requests: load },
      ...judge(report, share),
      seed,
      measuredSeconds,
      totals,
      ttft,
      itl,
      e2e,
      errors,
    }
    probes.push(probe)
    onProbe?.(probe)
    return probe.verdict
  }, range)
  return { ...headOf(first), format: 'crosslogic-sweep/1', share, kind, range, probes, answer }
}

/** What all probes share, out of the first one's report. */
function headOf(
  report: LoadReport | null,
): Pick<SweepReport, 'startedAt' | 'settings' | 'environment' | 'slo'> {
  if (report === null) throw new Error('a sweep without a probe')
  const { startedAt, settings, environment, slo } = report
  return { startedAt, settings, environment, slo }
}
