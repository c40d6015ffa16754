import { z } from 'zod'

/** What one process knows of a node out of its own requests. */
export interface NodeReport {
  readonly nodeId: string
  readonly inFlight: number
  /** Decayed averages in milliseconds; null when not known. */
  readonly ttftMs: number | null
  readonly itlMs: number | null
  readonly breaker: 'admitting' | 'rejecting' | 'probing'
  /** Requests that ended in the last ten seconds, and how many of them failed by the node's fault. */
  readonly ended: number
  readonly failed: number
}

/**
 * What a process says on the bus of its load, a few times a second. Each message stands for itself, so that a lost one
 * costs no more than the time to the next.
 */
export interface LoadReport {
  /** Of the process, another one after each start. */
  readonly process: string
  /** Grows from report to report of a process; the messages of one report share it. */
  readonly sequence: number
  readonly nodes: readonly NodeReport[]
}

/** The bus topic. */
export const LOAD_TOPIC = 'load'

const Count = z.number().int().min(0).max(1_000_000_000)
const Millis = z.number().min(0).max(1e9).nullable()
const Name = z.string().min(1).max(64)
const Row = z.tuple([
  Name,
  Count,
  Millis,
  Millis,
  z.enum(['admitting', 'rejecting', 'probing']),
  Count,
  Count,
])
const Message = z.strictObject({
  process: Name,
  sequence: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
  nodes: z.array(Row),
})

const tenths = (ms: number | null) => (ms === null ? null : Math.round(ms * 10) / 10)

/** A report as messages of at most `maxBytes`; at least one. */
export function encodeLoadReport({ process, sequence, nodes }: LoadReport, maxBytes: number): string[] {
  const head = `{"process":${JSON.stringify(process)},"sequence":${sequence},"nodes":[`
  const room = maxBytes - Buffer.byteLength(head) - 2
  const messages: string[] = []
  let rows: string[] = []
  let used = 0
  const flush = () => {
    messages.push(`${head}${rows.join()}]}`)
    rows = []
    used = 0
  }
  for (const node of nodes) {
    const { nodeId, inFlight, ttftMs, itlMs, breaker, ended, failed } = node
    const row = JSON.stringify([nodeId, inFlight, tenths(ttftMs), tenths(itlMs), breaker, ended, failed])
    const bytes = Buffer.byteLength(row) + 1
    if (used + bytes > room && rows.length > 0) flush()
    rows.push(row)
    used += bytes
  }
  if (rows.length > 0 || messages.length === 0) flush()
  return messages
}

/** A message of the bus, which anybody may have sent; null when it is none of ours. Never throws. */
export function decodeLoadReport(text: string): LoadReport | null {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return null
  }
  const message = Message.safeParse(json)
  if (!message.success) return null
  const { process, sequence, nodes } = message.data
  return {
    process,
    sequence,
    nodes: nodes.map(([nodeId, inFlight, ttftMs, itlMs, breaker, ended, failed]) => ({
      nodeId,
      inFlight,
      ttftMs,
      itlMs,
      breaker,
      ended,
      failed,
    })),
  }
}
