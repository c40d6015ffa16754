import type { LoadReport, LoadStep } from '../load-report.js'
import type { Answer, Range, Verdict } from './search.js'

/** One run of a sweep. */
export interface SweepProbe extends Pick<LoadStep, 'load' | 'totals' | 'ttft' | 'itl' | 'e2e'> {
  readonly verdict: Verdict
  readonly reason: string
  readonly seed: number
  readonly measuredSeconds: number
  readonly errors: LoadReport['errors']
}

/** What `bench sweep --out` writes. Durations are microseconds. */
export interface SweepReport {
  readonly format: 'crosslogic-sweep/1'
  /** RFC 3339. */
  readonly startedAt: string
  readonly settings: LoadReport['settings']
  readonly environment: LoadReport['environment']
  readonly slo: LoadReport['slo']
  /** Of the requests that have to meet it: 0 to 1. */
  readonly share: number
  readonly kind: LoadStep['load']['kind']
  readonly range: Range
  /** In the order in which they were run. */
  readonly probes: readonly SweepProbe[]
  readonly answer: Answer
}
