import { LoadBook } from '../core/load-book.js'
import {
  decodeLoadReport,
  encodeLoadReport,
  LOAD_TOPIC,
  type ModelReport,
  type NodeReport,
} from '../core/load-report.js'
import { type Bus, MAX_PAYLOAD_BYTES } from '../io/bus-topics.js'
import type { Target } from './target.js'

export interface LoadLeases {
  /** Says that nothing is left, as far as it is so, and ends. */
  stop(): Promise<void>
}

export interface LoadLeasesOptions {
  readonly bus: Pick<Bus, 'publish' | 'subscribe'>
  readonly targets: () => ReadonlyMap<string, Target>
  /**
   * What is wanted of models, for the leader.
   * @param isRepeated whether that is to be told which has been before
   */
  readonly demand: (nowMs: number, isRepeated: boolean) => readonly ModelReport[]
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
/** Who has nothing to say says so at each second turn: below what a report counts for, though one gets lost. */
const EMPTY_EVERY = 2
/** A leader that is new hears of models that nobody asks for at the moment at each tenth turn. */
const REPEAT_EVERY = 10

/**
 * Tells the other processes a few times a second what this one has at each node, and takes over what they tell. A count
 * is a lease of two seconds: that of a process that died runs out by itself. The leader is told as well what is wanted of
 * models, and that this process lives.
 */
export function startLoadLeases(options: LoadLeasesOptions): LoadLeases {
  const { bus, targets, demand, process, now, onRelief } = options
  const book = new LoadBook(process)
  /** Nodes of which something was said, with how often nothing has been since. */
  const said = new Map<string, number>()
  let sequence = 0
  let turn = 0

  /** Takes over what the book says of these nodes. */
  function apply(nodeIds: Iterable<string>): void {
    const at = now()
    let relief = false
    for (const nodeId of nodeIds) {
      relief = targets().get(nodeId)?.observeOthers(book.inFlight(nodeId, at)) === true || relief
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

  async function tell(isLast: boolean): Promise<void> {
    turn++
    const nodes = toSay()
    const models = demand(now(), turn % REPEAT_EVERY === 1)
    if (nodes.length === 0 && models.length === 0 && turn % EMPTY_EVERY !== 0 && !isLast) return
    sequence++
    const messages = encodeLoadReport({ process, sequence, nodes, models, isLast }, MAX_PAYLOAD_BYTES)
    await Promise.all(messages.map((message) => bus.publish(LOAD_TOPIC, message)))
  }

  const unsubscribe = bus.subscribe(LOAD_TOPIC, (message) => {
    const report = decodeLoadReport(message)
    if (report !== null && book.take(report, now())) apply(report.nodes.map(({ nodeId }) => nodeId))
  })
  const timer = setInterval(() => {
    book.sweep(now())
    apply(targets().keys())
    void tell(false)
  }, REPORT_MS)
  return {
    async stop() {
      clearInterval(timer)
      unsubscribe()
      await tell(true)
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
