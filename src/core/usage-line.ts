import { z } from 'zod'
import { costNanos } from './pricing.js'
import type { UsageIdentity, UsageOutcome } from './usage-record.js'

/**
 * JSON lines of the usage pipeline. Hot path: built from template strings, since ids are UUIDs that we made and
 * only names need escaping (`JSON.stringify` of the whole record takes about three times as long).
 */

/** The identity as one JSON line, for the spool's `begin`; read back by {@link parseIdentityLine}. */
export function identityLine(identity: UsageIdentity): string {
  const prices = identity.prices
  return (
    `{"requestId":"${identity.requestId}","tenantId":"${identity.tenantId}"` +
    `,"environmentId":"${identity.environmentId}","apiKeyId":"${identity.apiKeyId}"` +
    `,"modelId":"${identity.modelId}","model":${JSON.stringify(identity.model)}` +
    `,"nodeId":"${identity.nodeId}","node":${JSON.stringify(identity.node)}` +
    `,"endpoint":"${identity.endpoint}","stream":${identity.stream},"startedAtMicros":${identity.startedAtMicros}` +
    `,"prices":{"inputMicros":${prices.inputMicros},"cachedInputMicros":${prices.cachedInputMicros}` +
    `,"outputMicros":${prices.outputMicros}},"promptEstimate":${identity.promptEstimate}}`
  )
}

/** The ClickHouse row (JSONEachRow, without the newline) of a request that ended. */
export function recordLine(identity: UsageIdentity, outcome: UsageOutcome): string {
  const prices = identity.prices
  return (
    `{"request_id":"${identity.requestId}","tenant_id":"${identity.tenantId}"` +
    `,"environment_id":"${identity.environmentId}","api_key_id":"${identity.apiKeyId}"` +
    `,"model_id":"${identity.modelId}","model":${JSON.stringify(identity.model)}` +
    `,"node_id":"${outcome.nodeId}","node":${JSON.stringify(outcome.node)}` +
    `,"endpoint":"${identity.endpoint}","stream":${identity.stream},"status":${outcome.status}` +
    `,"error_code":"${outcome.errorCode}","client_abort":${outcome.clientAbort},"attempts":${outcome.attempts}` +
    `,"prompt_tokens":${outcome.promptTokens},"cached_tokens":${outcome.cachedTokens}` +
    `,"completion_tokens":${outcome.completionTokens},"counted":"${outcome.counted}"` +
    `,"price_input_micros":${prices.inputMicros},"price_cached_input_micros":${prices.cachedInputMicros}` +
    `,"price_output_micros":${prices.outputMicros},"cost_nanos":${costNanos(outcome, prices)}` +
    `,"ttft_micros":${wholeOrNull(outcome.ttftMicros)},"itl_micros":${wholeOrNull(outcome.itlMicros)}` +
    `,"e2e_micros":${whole(outcome.e2eMicros)},"overhead_micros":${whole(outcome.overheadMicros)}` +
    `,"started_at":"${timestamp(identity.startedAtMicros)}","ended_at":"${timestamp(outcome.endedAtMicros)}"}`
  )
}

/** Clocks may step back: a duration is never negative. */
function whole(micros: number): number {
  return micros > 0 ? Math.round(micros) : 0
}

function wholeOrNull(micros: number | null): number | null {
  return micros === null ? null : whole(micros)
}

/** Unix microseconds as ClickHouse's `seconds.fraction`. */
function timestamp(micros: number): string {
  const seconds = Math.floor(micros / 1e6)
  return `${seconds}.${String(Math.floor(micros - seconds * 1e6)).padStart(6, '0')}`
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
