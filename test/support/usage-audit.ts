import { z } from 'zod'
import type { LedgerEntry, SimulatedNode } from '../../bench/nodes.js'
import { costNanos } from '../../src/core/pricing.js'
import type { TestGateway } from './gateway.js'

const Row = z.object({
  request_id: z.string(),
  node: z.string(),
  endpoint: z.string(),
  stream: z.boolean(),
  status: z.number(),
  error_code: z.string(),
  client_abort: z.boolean(),
  attempts: z.number(),
  prompt_tokens: z.number(),
  cached_tokens: z.number(),
  completion_tokens: z.number(),
  counted: z.enum(['reported', 'estimated']),
  price_input_micros: z.number(),
  price_cached_input_micros: z.number().nullable(),
  price_output_micros: z.number(),
  cost_nanos: z.number(),
  ended_ms: z.number(),
})
export type AuditedRow = z.infer<typeof Row>

/** Every usage record, oldest first. */
export async function allRows(gateway: Pick<TestGateway, 'query'>): Promise<AuditedRow[]> {
  const query = 'SELECT *, toUnixTimestamp64Milli(ended_at) AS ended_ms FROM usage_records ORDER BY ended_at'
  return z.array(Row).parse(await gateway.query(query))
}

/** What nodes did for one request, all its attempts taken together. */
export interface Attempt {
  /** Of the last attempt. */
  readonly node: string
  /** Whether everything that was written was written by nodes that count in every frame. */
  readonly continuous: boolean
  /** Its prompt is that of the first attempt, its tokens those of all, its end that of the last. */
  readonly entry: LedgerEntry
}

interface NodeAttempt {
  readonly node: string
  readonly continuous: boolean
  readonly entry: LedgerEntry
}

/**
 * What the nodes saw, by request id. A request may be sent once more as long as nothing of an answer has come, and a
 * stream that breaks off at a node which counts in every frame is continued with what it had said in its prompt.
 * @throws when something was sent again after an answer that is billed
 */
export function ledgersOf(nodes: Readonly<Record<string, SimulatedNode>>): Map<string, Attempt> {
  const all = new Map<string, NodeAttempt[]>()
  for (const [node, { ledger, options }] of Object.entries(nodes)) {
    for (const [requestId, entries] of ledger) {
      const attempts = all.get(requestId) ?? []
      for (const entry of entries) attempts.push({ node, continuous: options.flavour !== 'plain', entry })
      all.set(requestId, attempts)
    }
  }
  return new Map([...all].map(([requestId, attempts]) => [requestId, together(requestId, attempts)]))
}

function together(requestId: string, attempts: NodeAttempt[]): Attempt {
  attempts.sort((one, other) => one.entry.startedAt - other.entry.startedAt)
  const [first] = attempts
  const last = attempts.at(-1)
  if (first === undefined || last === undefined) throw new Error(`no attempt at ${requestId}`)
  if (attempts.length === 1) return last
  for (const [at, { continuous, entry }] of attempts.slice(0, -1).entries()) {
    const goesOn = continuous && (attempts[at + 1]?.entry.promptTokens ?? 0) >= entry.promptTokens
    const answered = entry.writtenTokens > 0 && !(entry.stream && goesOn && !entry.finished)
    if (answered) throw new Error(`two answers to ${requestId}: ${JSON.stringify(attempts)}`)
  }
  const sum = (count: (entry: LedgerEntry) => number) =>
    attempts.reduce((total, { entry }) => total + count(entry), 0)
  return {
    node: last.node,
    // Of the others only those wrote anything that are.
    continuous: last.continuous || last.entry.writtenTokens === 0,
    entry: {
      ...last.entry,
      promptTokens: first.entry.promptTokens,
      completionTokens: sum(({ completionTokens }) => completionTokens),
      writtenTokens: sum(({ writtenTokens }) => writtenTokens),
      startedAt: first.entry.startedAt,
    },
  }
}

/** A row's cost is its tokens at its prices, rounded once. */
export function costOf(row: AuditedRow): number {
  const tokens = {
    promptTokens: row.prompt_tokens,
    cachedTokens: row.cached_tokens,
    completionTokens: row.completion_tokens,
  }
  const prices = {
    inputMicros: row.price_input_micros,
    cachedInputMicros: row.price_cached_input_micros,
    outputMicros: row.price_output_micros,
  }
  return Number(costNanos(tokens, prices))
}

/** Within a tenth, or two tokens where there are few. */
export function isNear(billed: number, actual: number): boolean {
  return Math.abs(billed - actual) <= Math.max(2, actual / 10)
}

/**
 * What is wrong with a row, given what the nodes saw of its request; null when nothing is. The ledger's
 * `writtenTokens` are those that were sent to the gateway.
 *
 * - A stream with continuous usage is billed to the token as soon as one frame with usage was sent, and so is
 *   every answer that came whole with its usage.
 * - An answer that failed before anything of it reached the gateway costs nothing.
 * - All else is estimated, within a tenth or two tokens in prompt and completion together; and the completion of
 *   a stream by its deltas, which only lack the last token of a choice that ended by itself, since it has no text.
 */
export function faultOf(row: AuditedRow, { continuous, entry }: Attempt): string | null {
  const billed = row.prompt_tokens + row.completion_tokens
  const usageSent =
    entry.fault !== 'no_usage' &&
    entry.fault !== 'short_content_length' &&
    (entry.finished || (entry.stream && continuous && entry.writtenTokens > 0))
  const failed = row.status !== 200 && !row.client_abort
  if (row.cost_nanos !== costOf(row)) return 'its cost is not its tokens at its prices'
  if (row.counted === 'reported') {
    if (billed === 0) {
      // A client may leave between a node that refused, or died before it had said anything, and the next one.
      const refused = (entry.status ?? 0) >= 400
      const died = entry.endedAt !== null && !entry.aborted && !entry.finished && entry.writtenTokens === 0
      if (!failed && !refused && !died) return 'nothing was billed for a request that did not fail'
      return entry.writtenTokens > 0 && entry.stream
        ? 'tokens that reached the gateway were not billed'
        : null
    }
    if (row.prompt_tokens !== entry.promptTokens) return 'the prompt is not the ledger’s'
    if (row.completion_tokens !== entry.writtenTokens) return 'the completion is not the ledger’s'
    // Embeddings say nothing of their cached tokens, and a stream says it at its end.
    const told = row.endpoint !== 'embeddings' && (entry.finished || !entry.stream)
    const cached = told ? entry.cachedTokens : 0
    // Of a prompt that was sent again with what had been said, the part that is billed cannot be told from the rest.
    if (row.attempts > 1 && row.cached_tokens <= row.prompt_tokens) return null
    if (row.cached_tokens === cached) return null
    // The frame with the usage may have come, and its client left, before the bytes that close the stream were sent.
    const ending =
      entry.fault === 'split_writes' && row.client_abort && row.cached_tokens === entry.cachedTokens
    return ending ? null : 'the cached tokens are not the ledger’s'
  }
  if (usageSent) return 'estimated although the node had sent its usage'
  if (entry.stream && Math.abs(row.completion_tokens - entry.writtenTokens) > 3) {
    return 'the deltas were miscounted'
  }
  // Of a reply that its client did not wait for, nothing may have come.
  if (row.client_abort && !entry.stream && row.completion_tokens === 0) {
    return isNear(row.prompt_tokens, entry.promptTokens) ? null : 'the estimate is too far off'
  }
  if (entry.writtenTokens > 0 && row.completion_tokens === 0) return 'an answer for nothing'
  if (!isNear(billed, entry.promptTokens + entry.writtenTokens)) return 'the estimate is too far off'
  return null
}

/**
 * Whether the node went on writing after the gateway had given up listening, 200 ms after the client had left: a node
 * that is so short of processor time does not notice sooner. What it wrote then never reached the gateway, so the
 * bill may be below the ledger.
 */
export function noticedLate(row: AuditedRow, { entry }: Attempt): boolean {
  const late = entry.endedAt === null || entry.endedAt >= row.ended_ms
  return (
    row.client_abort && late && row.completion_tokens <= entry.writtenTokens && row.cost_nanos === costOf(row)
  )
}

const Metric = /^(\w+)(?:\{([^}]*)\})? (\S+)$/gm

/** The sum of a metric's samples whose labels hold the text. */
export async function metricOf(
  gateway: Pick<TestGateway, 'adminUrl'>,
  name: string,
  labels = '',
): Promise<number> {
  const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text()
  let sum = 0
  for (const [, found, labelText = '', value] of text.matchAll(Metric)) {
    if (found === name && labelText.includes(labels)) sum += Number(value)
  }
  return sum
}
