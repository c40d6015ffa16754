import { costNanos } from '../../src/core/pricing.js'
import type { Prices } from '../../src/core/snapshot.js'
import { recordLine } from '../../src/core/usage-line.js'
import type { UsageIdentity, UsageOutcome } from '../../src/core/usage-record.js'
import { insertUsage } from '../../src/workers/usage-insert.js'
import { createHash } from 'node:crypto'
import { numberedId, testIdentity, testOutcome } from './spool.js'
import type { UsageStore } from './usage-store.js'

/** A request of any kind that there is, with what it counts for. */
export interface VariedRequest {
  readonly identity: UsageIdentity
  readonly outcome: UsageOutcome
  readonly failed: boolean
  readonly costNanos: bigint
}

/** How requests end, and whether that is a failure. */
const ENDS: readonly (readonly [Partial<UsageOutcome>, boolean])[] = [
  [{ status: 200 }, false],
  [{ status: 200 }, false],
  [{ status: 200, resumed: 1, attempts: 2 }, false],
  [{ status: 200, attempts: 3 }, false],
  [{ status: 200, counted: 'estimated' }, false],
  [{ status: 499, errorCode: 'client_closed', clientAbort: true, counted: 'estimated' }, false],
  [{ status: 200, errorCode: 'client_closed', clientAbort: true }, false],
  [
    { status: 400, errorCode: 'invalid_parameter', completionTokens: 0, ttftMicros: null, itlMicros: null },
    false,
  ],
  [{ status: 502, errorCode: 'upstream_error', attempts: 2 }, true],
  [
    { status: 504, errorCode: 'first_token_timeout', completionTokens: 0, ttftMicros: null, itlMicros: null },
    true,
  ],
  [{ status: 504, errorCode: 'idle_timeout' }, true],
  // Its key came to its end before the first byte, and in mid-stream.
  [
    { status: 401, errorCode: 'invalid_api_key', completionTokens: 0, ttftMicros: null, itlMicros: null },
    false,
  ],
  [{ status: 200, errorCode: 'invalid_api_key' }, true],
  [{ status: 200, errorCode: 'tenant_suspended' }, true],
  [{ status: 502, errorCode: 'upstream_connection_lost' }, true],
  [{ status: 500, errorCode: 'gateway_lost', counted: 'estimated' }, true],
]

/** Prices of before and after a change, and of models that have none for cached tokens. */
const PRICES: readonly Prices[] = [
  { inputMicros: 150_000, cachedInputMicros: 75_000, outputMicros: 600_000 },
  { inputMicros: 149_999, cachedInputMicros: 1, outputMicros: 600_001 },
  { inputMicros: 3_000_001, cachedInputMicros: null, outputMicros: 15_000_000 },
  { inputMicros: 0, cachedInputMicros: null, outputMicros: 0 },
]

export interface VariedPlan {
  readonly count: number
  /** Unix microseconds; requests end from the first to before the second. */
  readonly startMicros: number
  readonly endMicros: number
  /** Moments in Unix microseconds at, just before and just after which requests end as well. */
  readonly borders: readonly number[]
  readonly tenants: readonly { readonly id: string; readonly keyIds: readonly string[] }[]
  readonly models: readonly string[]
  readonly random: () => number
}

export function variedRequests(plan: VariedPlan): VariedRequest[] {
  const below = (limit: number) => Math.floor(plan.random() * limit)
  const oneOf = <T>(values: readonly T[]): T => {
    const value = values[below(values.length)]
    if (value === undefined) throw new Error('there is none')
    return value
  }
  const tokens = () => oneOf([0, 1, below(100), below(5_000), below(5_000), below(200_000)])
  return Array.from({ length: plan.count }, (_, i) => {
    const [end, failed] = oneOf(ENDS)
    const tenant = oneOf(plan.tenants)
    const model = below(plan.models.length)
    const endpoint = oneOf(['chat.completions', 'completions', 'embeddings'] as const)
    // Now and then more than 32 bits hold.
    const promptTokens = below(2_000) === 0 ? 5_000_000_000 + below(1_000_000) : tokens()
    const near = plan.borders[i % 20]
    const endedAtMicros =
      i % 20 < plan.borders.length && near !== undefined && i < 2_000
        ? near + below(3) - 1
        : plan.startMicros + below(plan.endMicros - plan.startMicros)
    const e2eMicros = below(5_000_000)
    const identity = testIdentity(1_000_000 + i, {
      tenantId: tenant.id,
      apiKeyId: oneOf(tenant.keyIds),
      modelId: numberedId(600 + model),
      model: plan.models[model] ?? '',
      endpoint,
      stream: endpoint !== 'embeddings' && below(2) === 0,
      prices: oneOf(PRICES),
      startedAtMicros: endedAtMicros - e2eMicros,
    })
    const outcome = testOutcome({
      promptTokens,
      cachedTokens: below(3) === 0 ? below(promptTokens + 1) : 0,
      completionTokens: endpoint === 'embeddings' ? 0 : tokens(),
      endedAtMicros,
      e2eMicros,
      ...(endpoint === 'embeddings' && { ttftMicros: null, itlMicros: null }),
      ...end,
    })
    return { identity, outcome, failed, costNanos: costNanos(outcome, identity.prices) }
  })
}

const BATCH_ROWS = 20_000

/** Stores requests as the flusher does, batch by batch. */
export async function insertVaried(
  { clickhouse }: UsageStore,
  requests: readonly VariedRequest[],
): Promise<void> {
  for (let at = 0; at < requests.length; at += BATCH_ROWS) {
    const lines = requests
      .slice(at, at + BATCH_ROWS)
      .map(({ identity, outcome }) => `${recordLine(identity, outcome).toString()}\n`)
    const body = Buffer.from(lines.join(''))
    const token = createHash('sha256').update(body).digest('hex')
    await insertUsage(clickhouse, { body, token }, AbortSignal.timeout(60_000))
  }
}
