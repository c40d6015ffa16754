import { z } from 'zod'
import { LineWriter } from './line-writer.js'
import { costNanos } from './pricing.js'
import type { Prices } from './snapshot.js'
import type { UsageEndpoint, UsageIdentity, UsageOutcome } from './usage-record.js'

/**
 * JSON lines of the usage pipeline, as bytes. Hot path (bench: micro usage-line): what is the same for all requests of
 * a key, model or node is written once and then copied.
 */
const writer = new LineWriter()

/** So many parts of a kind are kept; more begin anew. */
const MOST_PARTS = 10_000

/**
 * Parts of lines by an id. They hold what `pick` takes, and are written again when `isSame` finds that it has changed.
 */
function createParts<T>(pick: (value: T) => T, write: (value: T) => Buffer, isSame: (a: T, b: T) => boolean) {
  const parts = new Map<string, { of: T; bytes: Buffer }>()
  return (id: string, value: T): Buffer => {
    const known = parts.get(id)
    if (known !== undefined && isSame(known.of, value)) return known.bytes
    if (parts.size >= MOST_PARTS) parts.clear()
    const part = { of: pick(value), bytes: write(value) }
    parts.set(id, part)
    return part.bytes
  }
}

const json = (members: Readonly<Record<string, unknown>>): Buffer =>
  Buffer.from(`,${JSON.stringify(members).slice(1, -1)}`)

type KeyIds = Pick<UsageIdentity, 'tenantId' | 'environmentId' | 'apiKeyId'>
const keyPart = createParts<KeyIds>(
  ({ tenantId, environmentId, apiKeyId }) => ({ tenantId, environmentId, apiKeyId }),
  ({ tenantId, environmentId, apiKeyId }) =>
    json({ tenant_id: tenantId, environment_id: environmentId, api_key_id: apiKeyId }),
  (a, b) => a.tenantId === b.tenantId && a.environmentId === b.environmentId,
)

type Priced = Pick<UsageIdentity, 'modelId' | 'model' | 'prices'>
const modelPart = createParts<Priced>(
  ({ modelId, model, prices }) => ({ modelId, model, prices }),
  ({ modelId, model, prices }) =>
    json({
      model_id: modelId,
      model,
      price_input_micros: prices.inputMicros,
      price_cached_input_micros: prices.cachedInputMicros,
      price_output_micros: prices.outputMicros,
    }),
  (a, b) => a.model === b.model && samePrices(a.prices, b.prices),
)

function samePrices(a: Prices, b: Prices): boolean {
  return (
    a === b ||
    (a.inputMicros === b.inputMicros &&
      a.cachedInputMicros === b.cachedInputMicros &&
      a.outputMicros === b.outputMicros)
  )
}

type Served = Pick<UsageIdentity, 'nodeId' | 'node'>
const nodePart = createParts<Served>(
  ({ nodeId, node }) => ({ nodeId, node }),
  ({ nodeId, node }) => json({ node_id: nodeId, node }),
  (a, b) => a.node === b.node,
)

const endpointParts = (endpoint: UsageEndpoint) => ({
  stream: json({ endpoint, stream: true }),
  plain: json({ endpoint, stream: false }),
})
const ENDPOINTS: Readonly<Record<UsageEndpoint, { stream: Buffer; plain: Buffer }>> = {
  'chat.completions': endpointParts('chat.completions'),
  completions: endpointParts('completions'),
  embeddings: endpointParts('embeddings'),
}

const REQUEST_ID = Buffer.from('{"request_id":"')
const QUOTE = Buffer.from('"')

/** What both lines begin with. @param served the node that is named */
function writeCommon(identity: UsageIdentity, served: Served): LineWriter {
  const endpoint = ENDPOINTS[identity.endpoint]
  return writer
    .raw(REQUEST_ID)
    .ascii(identity.requestId)
    .raw(QUOTE)
    .raw(keyPart(identity.apiKeyId, identity))
    .raw(modelPart(identity.modelId, identity))
    .raw(nodePart(served.nodeId, served))
    .raw(identity.stream ? endpoint.stream : endpoint.plain)
}

/** The identity as one JSON line, for the spool's `begin`; read back by {@link parseIdentityLine}. */
export function identityLine(identity: UsageIdentity): Buffer {
  return writeCommon(identity, identity)
    .ascii(`,"started_at_micros":${identity.startedAtMicros},"prompt_estimate":${identity.promptEstimate}}`)
    .take()
}

/** The ClickHouse row (JSONEachRow, without the newline) of a request that ended. */
export function recordLine(identity: UsageIdentity, outcome: UsageOutcome): Buffer {
  return writeCommon(identity, outcome)
    .ascii(
      `,"status":${outcome.status},"error_code":"${outcome.errorCode}","client_abort":${outcome.clientAbort}` +
        `,"attempts":${outcome.attempts},"resumed":${outcome.resumed},"prompt_tokens":${outcome.promptTokens}` +
        `,"cached_tokens":${outcome.cachedTokens},"completion_tokens":${outcome.completionTokens}` +
        `,"counted":"${outcome.counted}","cost_nanos":${costNanos(outcome, identity.prices)}` +
        `,"ttft_micros":${wholeOrNull(outcome.ttftMicros)},"itl_micros":${wholeOrNull(outcome.itlMicros)}` +
        `,"e2e_micros":${whole(outcome.e2eMicros)},"overhead_micros":${whole(outcome.overheadMicros)}` +
        `,"started_at":"${timestamp(identity.startedAtMicros)}","ended_at":"${timestamp(outcome.endedAtMicros)}"}`,
    )
    .take()
}

/** Clocks may step back: a duration is never negative. */
function whole(micros: number): number {
  return micros > 0 ? Math.round(micros) : 0
}

function wholeOrNull(micros: number | null): number | null {
  return micros === null ? null : whole(micros)
}

/** Unix microseconds as ClickHouse's `seconds.fraction`. */
export function timestamp(micros: number): string {
  const seconds = Math.floor(micros / 1e6)
  return `${seconds}.${String(Math.floor(micros - seconds * 1e6)).padStart(6, '0')}`
}

const Count = z.number().int().nonnegative()

const IdentityLine = z
  .object({
    request_id: z.uuid(),
    tenant_id: z.uuid(),
    environment_id: z.uuid(),
    api_key_id: z.uuid(),
    model_id: z.uuid(),
    model: z.string(),
    price_input_micros: Count,
    price_cached_input_micros: Count.nullable(),
    price_output_micros: Count,
    node_id: z.uuid(),
    node: z.string(),
    endpoint: z.enum(['chat.completions', 'completions', 'embeddings']),
    stream: z.boolean(),
    started_at_micros: z.number().nonnegative(),
    prompt_estimate: z.number().nonnegative(),
  })
  .transform((line): UsageIdentity => ({
    requestId: line.request_id,
    tenantId: line.tenant_id,
    environmentId: line.environment_id,
    apiKeyId: line.api_key_id,
    modelId: line.model_id,
    model: line.model,
    nodeId: line.node_id,
    node: line.node,
    endpoint: line.endpoint,
    stream: line.stream,
    startedAtMicros: line.started_at_micros,
    prices: {
      inputMicros: line.price_input_micros,
      cachedInputMicros: line.price_cached_input_micros,
      outputMicros: line.price_output_micros,
    },
    promptEstimate: line.prompt_estimate,
  }))

/** @throws SyntaxError or ZodError when the line is not one that {@link identityLine} made. */
export function parseIdentityLine(line: string): UsageIdentity {
  return IdentityLine.parse(JSON.parse(line))
}
