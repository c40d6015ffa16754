import { LoadBook } from '../core/load-book.js'
import { decodeLoadReport, encodeLoadReport, LOAD_TOPIC, type NodeReport } from '../core/load-report.js'
import { type Bus, MAX_PAYLOAD_BYTES } from '../io/bus-topics.js'
import type { Target } from './target.js'

export interface LoadLeases {
  /** Says that nothing is left, as far as it is so, and ends. */
  stop(): Promise<void>
}

export interface LoadLeasesOptions {
  readonly bus: Pick<Bus, 'publish' | 'subscribe'>
  readonly targets: () => ReadonlyMap<string, Target>
  /** Of this process, another one after each start. */
  readonly process: string
  /** Unix milliseconds. */
  readonly now: () => number
  /** Another proxy has fewer requests at some node than before: who waits for room there may look again. */
  readonly onRelief?: () => void
}

const REPORT_MS = 300
/** What has become nothing is said this often, since a message may get lost; it would expire in any case. */
const REPEAT_NOTHING = 2

/**
 * Tells the other processes a few times a second what this one has at each node, and takes over what they tell. A count
 * is a lease of two seconds: that of a process that died runs out by itself.
 */
export function startLoadLeases(options: LoadLeasesOptions): LoadLeases {
  const { bus, targets, process, now, onRelief } = options
  const book = new LoadBook(process)
  /** Nodes of which something was said, with how often nothing has been since. */
  const said = new Map<string, number>()
  let sequence = 0

  function apply(): void {
    const at = now()
    let relief = false
    for (const target of targets().values()) {
      relief = target.observeOthers(book.inFlight(target.id, at)) || relief
    }
    if (relief) onRelief?.()
  }

  function toSay(): NodeReport[] {
    const at = now()
    const reports: NodeReport[] = []
    for (const target of targets().values()) {
      const report = target.report(at)
      if (report !== null) {
        said.set(target.id, 0)
        reports.push(report)
        continue
      }
      const times = said.get(target.id)
      if (times === undefined) continue
      if (times + 1 < REPEAT_NOTHING) said.set(target.id, times + 1)
      else said.delete(target.id)
      reports.push({ ...NOTHING, nodeId: target.id })
    }
    // A node that is gone needs no word: nobody counts for it any more.
    for (const nodeId of said.keys()) if (!targets().has(nodeId)) said.delete(nodeId)
    return reports
  }

  async function tell(): Promise<void> {
    const nodes = toSay()
    if (nodes.length === 0) return
    sequence++
    const messages = encodeLoadReport({ process, sequence, nodes }, MAX_PAYLOAD_BYTES)
    await Promise.all(messages.map((message) => bus.publish(LOAD_TOPIC, message)))
  }

  const unsubscribe = bus.subscribe(LOAD_TOPIC, (message) => {
    const report = decodeLoadReport(message)
    if (report !== null && book.take(report, now())) apply()
  })
  const timer = setInterval(() => {
    book.sweep(now())
    apply()
    void tell()
  }, REPORT_MS)
  return {
    async stop() {
      clearInterval(timer)
      unsubscribe()
      await tell()
    },
  }
}

const NOTHING = {
  inFlight: 0,
  ttftMs: null,
  itlMs: null,
  breaker: 'admitting',
  ended: 0,
  failed: 0,
} as const
