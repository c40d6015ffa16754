import { z } from 'zod'
import { TTFT_BUCKETS, type TtftCounts } from './recent-ttft.js'

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

/** What one process knows of the demand for a model. */
export interface ModelReport {
  readonly modelId: string
  /** Requests that wait for a node: for room at one, or for one to be launched. */
  readonly waiting: number
  /** Unix milliseconds of the last request, refused ones included; null: there has been none. */
  readonly lastRequestAtMs: number | null
  /** Times to the first token of the last half minute, as clients had them. */
  readonly ttft: TtftCounts
}

/**
 * What a process says on the bus of its load, a few times a second. Each message stands for itself, so that a lost one
 * costs no more than the time to the next. One that says nothing of any node or model still says that the process lives.
 */
export interface LoadReport {
  /** Of the process, another one after each start. */
  readonly process: string
  /** Grows from report to report of a process; the messages of one report share it. */
  readonly sequence: number
  readonly nodes: readonly NodeReport[]
  /** A model that is not named has nobody waiting. */
  readonly models: readonly ModelReport[]
  /** The process ends: it is not to be missed. */
  readonly isLast: boolean
}

/** The bus topic. */
export const LOAD_TOPIC = 'load'

const Count = z.number().int().min(0).max(1_000_000_000)
const Count53 = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
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
const ModelRow = z.tuple([
  Name,
  Count,
  Count53.nullable(),
  z
    .array(
      z.tuple([
        z
          .number()
          .int()
          .min(0)
          .max(TTFT_BUCKETS - 1),
        Count,
      ]),
    )
    .max(TTFT_BUCKETS),
])
/** Of a process of another version: what it does not tell is nothing, what it tells beside is passed over. */
const Message = z.object({
  process: Name,
  sequence: Count53,
  nodes: z.array(Row),
  models: z.array(ModelRow).default([]),
  isLast: z.boolean().default(false),
})

const tenths = (ms: number | null) => (ms === null ? null : Math.round(ms * 10) / 10)

/** A report as messages of at most `maxBytes`, a row's length at least; at least one message. */
export function encodeLoadReport(report: LoadReport, maxBytes: number): string[] {
  const { process, sequence, isLast } = report
  const head = `{"process":${JSON.stringify(process)},"sequence":${sequence},"isLast":${isLast},"nodes":[`
  const room = maxBytes - Buffer.byteLength(head) - Buffer.byteLength('],"models":[]}')
  const messages: string[] = []
  const rows: { nodes: string[]; models: string[] } = { nodes: [], models: [] }
  let used = 0
  const flush = () => {
    messages.push(`${head}${rows.nodes.join()}],"models":[${rows.models.join()}]}`)
    rows.nodes = []
    rows.models = []
    used = 0
  }
  const add = (kind: keyof typeof rows, row: string) => {
    const bytes = Buffer.byteLength(row) + 1
    if (used + bytes > room && used > 0) flush()
    rows[kind].push(row)
    used += bytes
  }
  for (const { nodeId, inFlight, ttftMs, itlMs, breaker, ended, failed } of report.nodes) {
    add('nodes', JSON.stringify([nodeId, inFlight, tenths(ttftMs), tenths(itlMs), breaker, ended, failed]))
  }
  for (const { modelId, waiting, lastRequestAtMs, ttft } of report.models) {
    add('models', JSON.stringify([modelId, waiting, lastRequestAtMs, ttft]))
  }
  if (used > 0 || messages.length === 0) flush()
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
  const { process, sequence, isLast, nodes, models } = message.data
  return {
    process,
    sequence,
    isLast,
    nodes: nodes.map(([nodeId, inFlight, ttftMs, itlMs, breaker, ended, failed]) => ({
      nodeId,
      inFlight,
      ttftMs,
      itlMs,
      breaker,
      ended,
      failed,
    })),
    models: models.map(([modelId, waiting, lastRequestAtMs, ttft]) => ({
      modelId,
      waiting,
      lastRequestAtMs,
      ttft,
    })),
  }
}
