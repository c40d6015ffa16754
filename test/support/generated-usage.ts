import type { UsageIdentity, UsageOutcome } from '../../src/core/usage-record.js'
import { costNanos } from '../../src/core/pricing.js'
import { numberedId, testIdentity, testOutcome } from './spool.js'
import type { UsageRow } from './usage-store.js'

/** A generated request with all its fields, for tests that compute what the product reports of it. */
export interface GeneratedRequest {
  readonly row: UsageRow
  readonly identity: UsageIdentity
  readonly outcome: UsageOutcome
  readonly endedAtMs: number
  readonly failed: boolean
  readonly costNanos: bigint
}

/** Numbers from 0 to 1, the same for the same seed. */
export function seededRandom(seed: number): () => number {
  let state = seed
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647
}

/** Requests of some tenants and models that ended in [startMs, endMs): successes, failures and aborts. */
export function generatedRequests(options: {
  readonly count: number
  readonly startMs: number
  readonly endMs: number
  readonly tenantIds: readonly string[]
  readonly models: readonly string[]
  readonly random: () => number
}): GeneratedRequest[] {
  const { count, startMs, endMs, tenantIds, models, random } = options
  const below = (limit: number) => Math.floor(random() * limit)
  return Array.from({ length: count }, (_, i) => {
    const [status, errorCode, clientAbort] = (
      [
        [200, '', false],
        [200, '', false],
        [200, '', false],
        [502, 'upstream_error', false],
        [200, 'idle_timeout', false],
        [499, 'client_closed', true],
      ] as const
    )[below(6)] ?? [200, '', false]
    const tenant = below(tenantIds.length)
    const model = below(models.length)
    const promptTokens = 1 + below(5_000)
    const endedAtMs = startMs + below(endMs - startMs)
    const over: Partial<UsageIdentity> = {
      startedAtMicros: (endedAtMs - 10_000) * 1000,
      requestId: numberedId(1_000_000 + i),
      tenantId: tenantIds[tenant] ?? '',
      apiKeyId: numberedId(500 + tenant * 10 + below(2)),
      model: models[model] ?? '',
      modelId: numberedId(600 + model),
    }
    const outcome: Partial<UsageOutcome> = {
      status,
      errorCode,
      clientAbort,
      promptTokens,
      cachedTokens: below(promptTokens),
      completionTokens: below(2_000),
      endedAtMicros: endedAtMs * 1000,
      e2eMicros: 1 + below(5_000_000),
      ttftMicros: below(4) === 0 ? null : 1 + below(500_000),
    }
    const full = { identity: testIdentity(i, over), outcome: testOutcome(outcome) }
    return {
      ...full,
      row: [full.identity, full.outcome],
      endedAtMs,
      failed: !clientAbort && (status >= 500 || errorCode !== ''),
      costNanos: costNanos(full.outcome, full.identity.prices),
    }
  })
}

/** What replies say of some requests, but for their cost's name and latencies. */
export function expectedSums(requests: readonly GeneratedRequest[]) {
  const sum = (of: (request: GeneratedRequest) => number) =>
    requests.reduce((total, request) => total + of(request), 0)
  const prompt_tokens = sum(({ outcome }) => outcome.promptTokens)
  const completion_tokens = sum(({ outcome }) => outcome.completionTokens)
  return {
    requests: requests.length,
    failed_requests: sum(({ failed }) => (failed ? 1 : 0)),
    prompt_tokens,
    completion_tokens,
    cached_tokens: sum(({ outcome }) => outcome.cachedTokens),
    total_tokens: prompt_tokens + completion_tokens,
  }
}

/** Dollars of some requests, exactly. */
export function expectedDollars(requests: readonly GeneratedRequest[]): number {
  return Number(`${requests.reduce((total, request) => total + request.costNanos, 0n)}e-9`)
}

export function groupedBy<K>(
  requests: readonly GeneratedRequest[],
  keyOf: (request: GeneratedRequest) => K,
): Map<K, GeneratedRequest[]> {
  const groups = new Map<K, GeneratedRequest[]>()
  for (const request of requests) {
    const key = keyOf(request)
    groups.set(key, [...(groups.get(key) ?? []), request])
  }
  return groups
}
