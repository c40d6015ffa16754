import { seededRandom } from '../../nodes/random.js'
import type { UsageIdentity, UsageOutcome } from '../../../src/core/usage-record.js'
import { sampleId } from './text.js'

const STARTED_AT_MICROS = 1_760_000_000_123_456

/** What is known of a request when it is admitted. Tenants, models and nodes are few, requests are many. */
export function sampleIdentity(seed: number): UsageIdentity {
  const group = seed % 8
  return {
    requestId: sampleId(1_000_000 + seed),
    tenantId: sampleId(100 + group),
    environmentId: sampleId(200 + group),
    apiKeyId: sampleId(300 + group),
    modelId: sampleId(400 + group),
    model: 'llama-3.1-8b-instruct',
    nodeId: sampleId(500 + group),
    node: `gpu-a100-${group}`,
    endpoint: 'chat.completions',
    stream: seed % 2 === 0,
    startedAtMicros: STARTED_AT_MICROS + seed * 1_013,
    prices: { inputMicros: 150_000, cachedInputMicros: 75_000, outputMicros: 600_000 },
    promptEstimate: 40 + (seed % 4_000),
  }
}

/** How it ended. */
export function sampleOutcome(seed: number): UsageOutcome {
  const random = seededRandom(seed)
  const e2eMicros = 100_000 + random() * 2_000_000
  return {
    nodeId: sampleId(500 + (seed % 8)),
    node: `gpu-a100-${seed % 8}`,
    status: 200,
    errorCode: '',
    clientAbort: false,
    counted: 'reported',
    promptTokens: Math.floor(random() * 4_000),
    cachedTokens: 0,
    completionTokens: Math.floor(random() * 1_000),
    endedAtMicros: STARTED_AT_MICROS + seed * 1_013 + e2eMicros,
    ttftMicros: e2eMicros * 0.1,
    itlMicros: 20_000 * random(),
    e2eMicros,
    overheadMicros: 300 * random(),
    attempts: 1,
    resumed: 0,
  }
}
