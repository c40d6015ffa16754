import { costNanos } from '../../src/core/pricing.js'
import type { UsageIdentity, UsageOutcome } from '../../src/core/usage-record.js'
import { seededRandom } from '../nodes/random.js'

/** One request as a proxy meters it. */
export interface MeteredRequest {
  readonly identity: UsageIdentity
  readonly outcome: UsageOutcome
}

/** What requests come to; what ClickHouse has to hold of them in the end. */
export interface Totals {
  readonly requests: number
  readonly failed: number
  readonly aborted: number
  readonly promptTokens: number
  readonly cachedTokens: number
  readonly completionTokens: number
  readonly costNanos: bigint
}

export const NO_TOTALS: Totals = {
  requests: 0,
  failed: 0,
  aborted: 0,
  promptTokens: 0,
  cachedTokens: 0,
  completionTokens: 0,
  costNanos: 0n,
}

const TENANTS = 20
const KEYS_PER_TENANT = 3
const MODELS = 8
const NODES_PER_MODEL = 3

/** A UUID for the n-th of a kind. */
function id(kind: number, n: number): string {
  return `0190a5a0-000${kind}-7000-8000-${n.toString(16).padStart(12, '0')}`
}

/**
 * Requests of several tenants, keys, models and nodes with log-normal latencies; 3 of 100 fail and 2 are aborted. The
 * same seed gives the same requests, but for the times at which they end.
 * @returns gives the next one. @param nowMicros when it ends, in Unix microseconds
 */
export function createRequests(seed: number): (nowMicros: number) => MeteredRequest {
  const random = seededRandom(seed)
  const below = (n: number): number => Math.floor(random() * n)
  const logNormal = (median: number, sigma: number): number =>
    median * Math.exp(sigma * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()))
  let count = 0

  return (nowMicros) => {
    const tenant = below(TENANTS)
    const model = below(MODELS)
    const nodeNumber = model * NODES_PER_MODEL + below(NODES_PER_MODEL)
    const node = { nodeId: id(5, nodeNumber), node: `gpu-${nodeNumber}` }
    const stream = random() < 0.8
    const fate = random()
    const answered = fate >= 0.03
    const aborted = answered && fate < 0.05
    const promptTokens = Math.ceil(logNormal(400, 1))
    const completionTokens = answered ? Math.ceil(logNormal(150, 0.8)) : 0
    const ttftMicros = answered ? logNormal(120_000, 0.5) : null
    const itlMicros = answered && completionTokens > 1 ? logNormal(20_000, 0.3) : null
    const e2eMicros = (ttftMicros ?? 2_000) + (itlMicros ?? 0) * completionTokens
    const identity: UsageIdentity = {
      requestId: id(1, ++count),
      tenantId: id(2, tenant),
      environmentId: id(3, tenant),
      apiKeyId: id(4, tenant * KEYS_PER_TENANT + below(KEYS_PER_TENANT)),
      modelId: id(6, model),
      model: `bench-${model}b-instruct`,
      ...node,
      endpoint: 'chat.completions',
      stream,
      startedAtMicros: Math.floor(nowMicros - e2eMicros),
      prices: { inputMicros: 150_000, cachedInputMicros: 75_000, outputMicros: 600_000 },
      promptEstimate: promptTokens,
    }
    const outcome: UsageOutcome = {
      ...node,
      status: answered ? (aborted ? 499 : 200) : 502,
      errorCode: answered ? (aborted ? 'client_closed' : '') : 'upstream_error',
      clientAbort: aborted,
      counted: aborted ? 'estimated' : 'reported',
      promptTokens,
      cachedTokens: random() < 0.3 ? below(promptTokens + 1) : 0,
      completionTokens,
      endedAtMicros: nowMicros,
      ttftMicros,
      itlMicros,
      e2eMicros,
      overheadMicros: below(400),
      attempts: 1,
      resumed: 0,
    }
    return { identity, outcome }
  }
}

/** The totals with one more request. */
export function addRequest(totals: Totals, { identity, outcome }: MeteredRequest): Totals {
  return {
    requests: totals.requests + 1,
    failed: totals.failed + (outcome.status >= 500 ? 1 : 0),
    aborted: totals.aborted + (outcome.clientAbort ? 1 : 0),
    promptTokens: totals.promptTokens + outcome.promptTokens,
    cachedTokens: totals.cachedTokens + outcome.cachedTokens,
    completionTokens: totals.completionTokens + outcome.completionTokens,
    costNanos: totals.costNanos + costNanos(outcome, identity.prices),
  }
}
