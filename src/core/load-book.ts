import type { BreakerState } from './breaker.js'
import type { LoadReport, ModelReport, NodeReport } from './load-report.js'
import { summed, ttftQuantile } from './recent-ttft.js'

/** A report counts for this long: what a process that died had said is gone by then. */
export const REPORT_FOR_MS = 2_000
/** Sequence numbers of processes that fell silent are kept for longer: a report that was held up is known for old. */
const PROCESS_FOR_MS = 60_000
/** A process that fell silent may still have requests that wait, until it is this long silent: then it is gone. */
export const MISSED_FOR_MS = 15_000
/** The last request of a model is remembered for this long. */
const REQUEST_FOR_MS = 3_600_000

/** What all proxies together say of a node. */
export interface ProxiesView {
  /** Requests that they have at the node. */
  readonly inFlight: number
  /** Averages in milliseconds over the proxies, by their requests; null when not known. */
  readonly ttftMs: number | null
  readonly itlMs: number | null
  /** The worst. */
  readonly breaker: BreakerState
  /** Proxies that reject it. */
  readonly rejectedBy: number
  /** Share of the requests of the last ten seconds that failed by the node's fault; null when there were none. */
  readonly errorRate: number | null
}

/** What all proxies together say of the demand for a model. */
export interface ModelView {
  /** Requests that wait for a node; null: not known, since a proxy that told of its own has fallen silent. */
  readonly waiting: number | null
  /** Unix milliseconds of the last request, refused ones included; null: none is known of. */
  readonly lastRequestAtMs: number | null
  /** Of the last half minute, as clients had it, queueing included; null: there was none. */
  readonly p95TtftMs: number | null
}

interface Kept<Report> {
  readonly report: Report
  readonly at: number
}

interface KnownProcess {
  readonly sequence: number
  readonly at: number
  /** It said that it ends. */
  readonly isOver: boolean
}

type ByProcess<Report> = Map<string, Map<string, Kept<Report>>>

/** Keeps what processes report of their load, each for two seconds. Milliseconds of any steady clock are arguments. */
export class LoadBook {
  readonly #self: string | null
  /** By node, then by process. */
  readonly #nodes: ByProcess<NodeReport> = new Map()
  /** By model, then by process. */
  readonly #models: ByProcess<ModelReport> = new Map()
  readonly #requestedAt = new Map<string, number>()
  readonly #processes = new Map<string, KnownProcess>()

  /** @param self whose own reports are left out; null: nobody's */
  constructor(self: string | null) {
    this.#self = self
  }

  /** @returns whether it was news: not our own, and not older than what the process had said already */
  take({ process, sequence, nodes, models, isLast }: LoadReport, nowMs: number): boolean {
    if (process === this.#self || sequence < (this.#processes.get(process)?.sequence ?? 0)) return false
    this.#processes.set(process, { sequence, at: nowMs, isOver: isLast })
    for (const report of nodes) keep(this.#nodes, report.nodeId, process, { report, at: nowMs })
    for (const report of models) {
      const { modelId, lastRequestAtMs } = report
      keep(this.#models, modelId, process, { report, at: nowMs })
      if (lastRequestAtMs === null) continue
      // Of a clock that is ahead: to come is no request.
      const at = Math.min(lastRequestAtMs, nowMs)
      this.#requestedAt.set(modelId, Math.max(at, this.#requestedAt.get(modelId) ?? 0))
    }
    return true
  }

  /** Requests that the processes have at a node. */
  inFlight(nodeId: string, nowMs: number): number {
    let sum = 0
    for (const kept of this.#nodes.get(nodeId)?.values() ?? []) {
      if (holds(kept.at, nowMs, REPORT_FOR_MS)) sum += kept.report.inFlight
    }
    return sum
  }

  /** What is wanted of a model. Null: no process has said anything lately, so that nothing is known. */
  model(modelId: string, nowMs: number): ModelView | null {
    let isMissed = false
    let isTold = false
    for (const { at, isOver } of this.#processes.values()) {
      if (isOver) continue
      if (holds(at, nowMs, REPORT_FOR_MS)) isTold = true
      else if (holds(at, nowMs, MISSED_FOR_MS)) isMissed = true
    }
    if (!isTold && !isMissed) return null
    const reports = current(this.#models.get(modelId), nowMs)
    return {
      waiting: isMissed ? null : reports.reduce((sum, { waiting }) => sum + waiting, 0),
      lastRequestAtMs: this.#requestedAt.get(modelId) ?? null,
      p95TtftMs: ttftQuantile(summed(reports.map(({ ttft }) => ttft)), 0.95),
    }
  }

  /** Null: none has said anything of it lately. */
  view(nodeId: string, nowMs: number): ProxiesView | null {
    const reports = current(this.#nodes.get(nodeId), nowMs)
    if (reports.length === 0) return null
    const sum = (of: (report: NodeReport) => number) =>
      reports.reduce((total, report) => total + of(report), 0)
    const ended = sum((report) => report.ended)
    const rejectedBy = reports.filter((report) => report.breaker === 'rejecting').length
    const probing = reports.some((report) => report.breaker === 'probing')
    return {
      inFlight: sum((report) => report.inFlight),
      ttftMs: mean(reports, (report) => report.ttftMs),
      itlMs: mean(reports, (report) => report.itlMs),
      breaker: rejectedBy > 0 ? 'rejecting' : probing ? 'probing' : 'admitting',
      rejectedBy,
      errorRate: ended === 0 ? null : Math.min(1, sum((report) => report.failed) / ended),
    }
  }

  /** Lets go of what no longer counts. */
  sweep(nowMs: number): void {
    sweepReports(this.#nodes, nowMs)
    sweepReports(this.#models, nowMs)
    for (const [modelId, at] of this.#requestedAt) {
      if (nowMs - at > REQUEST_FOR_MS) this.#requestedAt.delete(modelId)
    }
    for (const [process, { at }] of this.#processes) {
      if (!holds(at, nowMs, PROCESS_FOR_MS)) this.#processes.delete(process)
    }
  }
}

function keep<Report>(reports: ByProcess<Report>, about: string, process: string, kept: Kept<Report>): void {
  const byProcess = reports.get(about) ?? new Map<string, Kept<Report>>()
  reports.set(about, byProcess.set(process, kept))
}

/** Those that still count. */
function current<Report>(byProcess: ReadonlyMap<string, Kept<Report>> | undefined, nowMs: number): Report[] {
  return [...(byProcess?.values() ?? [])]
    .filter(({ at }) => holds(at, nowMs, REPORT_FOR_MS))
    .map(({ report }) => report)
}

function sweepReports<Report>(reports: ByProcess<Report>, nowMs: number): void {
  for (const [about, byProcess] of reports) {
    for (const [process, { at }] of byProcess) {
      if (!holds(at, nowMs, REPORT_FOR_MS)) byProcess.delete(process)
    }
    if (byProcess.size === 0) reports.delete(about)
  }
}

/** A clock that was set back makes nothing last. */
function holds(at: number, nowMs: number, forMs: number): boolean {
  return Math.abs(nowMs - at) <= forMs
}

function mean(reports: readonly NodeReport[], of: (report: NodeReport) => number | null): number | null {
  let sum = 0
  let weight = 0
  for (const report of reports) {
    const value = of(report)
    if (value === null) continue
    const requests = report.ended + 1
    sum += value * requests
    weight += requests
  }
  return weight === 0 ? null : sum / weight
}
