import type { BreakerState } from './breaker.js'
import type { LoadReport, NodeReport } from './load-report.js'

/** A report counts for this long: what a process that died had said is gone by then. */
export const REPORT_FOR_MS = 2_000
/** Sequence numbers of processes that fell silent are kept for longer: a report that was held up is known for old. */
const PROCESS_FOR_MS = 60_000

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

interface Kept {
  readonly report: NodeReport
  readonly at: number
}

/** Keeps what processes report of their load, each for two seconds. Milliseconds of any steady clock are arguments. */
export class LoadBook {
  readonly #self: string | null
  /** By node, then by process. */
  readonly #nodes = new Map<string, Map<string, Kept>>()
  readonly #processes = new Map<string, { readonly sequence: number; readonly at: number }>()

  /** @param self whose own reports are left out; null: nobody's */
  constructor(self: string | null) {
    this.#self = self
  }

  /** @returns whether it was news: not our own, and not older than what the process had said already */
  take({ process, sequence, nodes }: LoadReport, nowMs: number): boolean {
    if (process === this.#self || sequence < (this.#processes.get(process)?.sequence ?? 0)) return false
    this.#processes.set(process, { sequence, at: nowMs })
    for (const report of nodes) {
      let byProcess = this.#nodes.get(report.nodeId)
      if (byProcess === undefined) this.#nodes.set(report.nodeId, (byProcess = new Map()))
      byProcess.set(process, { report, at: nowMs })
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

  /** Null: none has said anything of it lately. */
  view(nodeId: string, nowMs: number): ProxiesView | null {
    const reports = [...(this.#nodes.get(nodeId)?.values() ?? [])]
      .filter(({ at }) => holds(at, nowMs, REPORT_FOR_MS))
      .map(({ report }) => report)
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
    for (const [nodeId, byProcess] of this.#nodes) {
      for (const [process, { at }] of byProcess) {
        if (!holds(at, nowMs, REPORT_FOR_MS)) byProcess.delete(process)
      }
      if (byProcess.size === 0) this.#nodes.delete(nodeId)
    }
    for (const [process, { at }] of this.#processes) {
      if (!holds(at, nowMs, PROCESS_FOR_MS)) this.#processes.delete(process)
    }
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
