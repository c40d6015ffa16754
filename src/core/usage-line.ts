import { z } from 'zod'
import { LineWriter } from './line-writer.js'
import { costNanos } from './pricing.js'
import type { UsageIdentity, UsageOutcome } from './usage-record.js'

/**
 * JSON lines of the usage pipeline, as bytes. Hot path (bench: micro usage-line): ids are UUIDs that we made, so only
 * names need escaping.
 */
const writer = new LineWriter()

/** The pieces between the values, made once. */
function pieces<Names extends string>(texts: Record<Names, string>): Record<Names, Buffer> {
  const entries = Object.entries<string>(texts).map(([name, text]) => [name, Buffer.from(text)])
  return Object.fromEntries(entries) as Record<Names, Buffer>
}

const IDENTITY = pieces({
  requestId: '{"requestId":"',
  tenantId: '","tenantId":"',
  environmentId: '","environmentId":"',
  apiKeyId: '","apiKeyId":"',
  modelId: '","modelId":"',
  model: '","model":',
  nodeId: ',"nodeId":"',
  node: '","node":',
  endpoint: ',"endpoint":"',
  stream: '","stream":',
  startedAt: ',"startedAtMicros":',
  input: ',"prices":{"inputMicros":',
  cachedInput: ',"cachedInputMicros":',
  output: ',"outputMicros":',
  promptEstimate: '},"promptEstimate":',
  end: '}',
})

/** The identity as one JSON line, for the spool's `begin`; read back by {@link parseIdentityLine}. */
export function identityLine(identity: UsageIdentity): Buffer {
  const { prices } = identity
  return writer
    .raw(IDENTITY.requestId)
    .ascii(identity.requestId)
    .raw(IDENTITY.tenantId)
    .ascii(identity.tenantId)
    .raw(IDENTITY.environmentId)
    .ascii(identity.environmentId)
    .raw(IDENTITY.apiKeyId)
    .ascii(identity.apiKeyId)
    .raw(IDENTITY.modelId)
    .ascii(identity.modelId)
    .raw(IDENTITY.model)
    .string(identity.model)
    .raw(IDENTITY.nodeId)
    .ascii(identity.nodeId)
    .raw(IDENTITY.node)
    .string(identity.node)
    .raw(IDENTITY.endpoint)
    .ascii(identity.endpoint)
    .raw(IDENTITY.stream)
    .boolean(identity.stream)
    .raw(IDENTITY.startedAt)
    .integer(identity.startedAtMicros)
    .raw(IDENTITY.input)
    .integer(prices.inputMicros)
    .raw(IDENTITY.cachedInput)
    .integerOrNull(prices.cachedInputMicros)
    .raw(IDENTITY.output)
    .integer(prices.outputMicros)
    .raw(IDENTITY.promptEstimate)
    .integer(identity.promptEstimate)
    .raw(IDENTITY.end)
    .take()
}

const RECORD = pieces({
  requestId: '{"request_id":"',
  tenantId: '","tenant_id":"',
  environmentId: '","environment_id":"',
  apiKeyId: '","api_key_id":"',
  modelId: '","model_id":"',
  model: '","model":',
  nodeId: ',"node_id":"',
  node: '","node":',
  endpoint: ',"endpoint":"',
  stream: '","stream":',
  status: ',"status":',
  errorCode: ',"error_code":"',
  clientAbort: '","client_abort":',
  attempts: ',"attempts":',
  promptTokens: ',"prompt_tokens":',
  cachedTokens: ',"cached_tokens":',
  completionTokens: ',"completion_tokens":',
  counted: ',"counted":"',
  input: '","price_input_micros":',
  cachedInput: ',"price_cached_input_micros":',
  output: ',"price_output_micros":',
  cost: ',"cost_nanos":',
  ttft: ',"ttft_micros":',
  itl: ',"itl_micros":',
  e2e: ',"e2e_micros":',
  overhead: ',"overhead_micros":',
  startedAt: ',"started_at":"',
  endedAt: '","ended_at":"',
  end: '"}',
})

/** The ClickHouse row (JSONEachRow, without the newline) of a request that ended. */
export function recordLine(identity: UsageIdentity, outcome: UsageOutcome): Buffer {
  const { prices } = identity
  return writer
    .raw(RECORD.requestId)
    .ascii(identity.requestId)
    .raw(RECORD.tenantId)
    .ascii(identity.tenantId)
    .raw(RECORD.environmentId)
    .ascii(identity.environmentId)
    .raw(RECORD.apiKeyId)
    .ascii(identity.apiKeyId)
    .raw(RECORD.modelId)
    .ascii(identity.modelId)
    .raw(RECORD.model)
    .string(identity.model)
    .raw(RECORD.nodeId)
    .ascii(outcome.nodeId)
    .raw(RECORD.node)
    .string(outcome.node)
    .raw(RECORD.endpoint)
    .ascii(identity.endpoint)
    .raw(RECORD.stream)
    .boolean(identity.stream)
    .raw(RECORD.status)
    .integer(outcome.status)
    .raw(RECORD.errorCode)
    .ascii(outcome.errorCode)
    .raw(RECORD.clientAbort)
    .boolean(outcome.clientAbort)
    .raw(RECORD.attempts)
    .integer(outcome.attempts)
    .raw(RECORD.promptTokens)
    .integer(outcome.promptTokens)
    .raw(RECORD.cachedTokens)
    .integer(outcome.cachedTokens)
    .raw(RECORD.completionTokens)
    .integer(outcome.completionTokens)
    .raw(RECORD.counted)
    .ascii(outcome.counted)
    .raw(RECORD.input)
    .integer(prices.inputMicros)
    .raw(RECORD.cachedInput)
    .integerOrNull(prices.cachedInputMicros)
    .raw(RECORD.output)
    .integer(prices.outputMicros)
    .raw(RECORD.cost)
    .ascii(costNanos(outcome, prices).toString())
    .raw(RECORD.ttft)
    .integerOrNull(outcome.ttftMicros === null ? null : whole(outcome.ttftMicros))
    .raw(RECORD.itl)
    .integerOrNull(outcome.itlMicros === null ? null : whole(outcome.itlMicros))
    .raw(RECORD.e2e)
    .integer(whole(outcome.e2eMicros))
    .raw(RECORD.overhead)
    .integer(whole(outcome.overheadMicros))
    .raw(RECORD.startedAt)
    .seconds(identity.startedAtMicros)
    .raw(RECORD.endedAt)
    .seconds(outcome.endedAtMicros)
    .raw(RECORD.end)
    .take()
}

/** Clocks may step back: a duration is never negative. */
function whole(micros: number): number {
  return micros > 0 ? Math.round(micros) : 0
}

const Count = z.number().int().nonnegative()

const Identity: z.ZodType<UsageIdentity> = z.object({
  requestId: z.uuid(),
  tenantId: z.uuid(),
  environmentId: z.uuid(),
  apiKeyId: z.uuid(),
  modelId: z.uuid(),
  model: z.string(),
  nodeId: z.uuid(),
  node: z.string(),
  endpoint: z.enum(['chat.completions', 'completions', 'embeddings']),
  stream: z.boolean(),
  startedAtMicros: z.number().nonnegative(),
  prices: z.object({
    inputMicros: Count,
    cachedInputMicros: Count.nullable(),
    outputMicros: Count,
  }),
  promptEstimate: z.number().nonnegative(),
})

/** @throws SyntaxError or ZodError when the line is not one that {@link identityLine} made. */
export function parseIdentityLine(line: string): UsageIdentity {
  return Identity.parse(JSON.parse(line))
}
