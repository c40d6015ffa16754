import type { ErrorCode } from '../core/errors.js'
import { recordLine } from '../core/usage-line.js'
import type { UsageIdentity, UsageOutcome } from '../core/usage-record.js'
import type { Logger } from '../io/logger.js'
import type { ProxyMetrics } from '../io/metrics.js'
import type { Spool, SpoolEntry } from './spool.js'

export type AccessLog = 'all' | 'errors' | 'off'

/** A request whose first token took longer than this is logged as slow. */
const SLOW_TTFT_MICROS = 10_000_000

export interface SettlerDeps {
  readonly spool: Spool
  readonly metrics: ProxyMetrics
  readonly logger: Logger
  readonly accessLog: AccessLog
}

/** Records how an admitted request ended; the exchange guarantees that it is called exactly once for each. */
export type Settle = (
  entry: SpoolEntry,
  identity: UsageIdentity,
  outcome: UsageOutcome,
  cause?: unknown,
) => void

/** Metric cells of a label, bound once. */
function cached<K, T>(make: (key: K) => T): (key: K) => T {
  const cells = new Map<K, T>()
  return (key) => {
    let cell = cells.get(key)
    if (cell === undefined) {
      cell = make(key)
      cells.set(key, cell)
    }
    return cell
  }
}

export function createSettle({ spool, metrics, logger, accessLog }: SettlerDeps): Settle {
  const durations = cached((endpoint: string) => metrics.requestDuration.labels({ endpoint }))
  const successes = cached((endpoint: string) =>
    metrics.requests.labels({ endpoint, status: '200', code: '' }),
  )
  const requests = cached((key: string) => {
    const [endpoint = '', status = '', code = ''] = key.split(' ')
    return metrics.requests.labels({ endpoint, status, code })
  })
  const models = cached((model: string) => ({
    ttft: metrics.timeToFirstToken.labels({ model }),
    itl: metrics.interTokenLatency.labels({ model }),
    prompt: metrics.tokens.labels({ model, kind: 'prompt' }),
    cached: metrics.tokens.labels({ model, kind: 'cached' }),
    completion: metrics.tokens.labels({ model, kind: 'completion' }),
  }))

  return (entry, identity, outcome, cause) => {
    spool.end(entry, recordLine(identity, outcome))
    const succeeded = outcome.status === 200 && outcome.errorCode === ''
    if (succeeded) successes(identity.endpoint).inc()
    else requests(`${identity.endpoint} ${outcome.status} ${outcome.errorCode}`).inc()
    durations(identity.endpoint).observe(outcome.e2eMicros / 1e6)
    const model = models(identity.model)
    model.prompt.inc(outcome.promptTokens)
    model.cached.inc(outcome.cachedTokens)
    model.completion.inc(outcome.completionTokens)
    if (outcome.ttftMicros !== null) model.ttft.observe(outcome.ttftMicros / 1e6)
    if (outcome.itlMicros !== null) model.itl.observe(outcome.itlMicros / 1e6)
    const failed = isFailure(outcome.errorCode) || (outcome.ttftMicros ?? 0) > SLOW_TTFT_MICROS
    if (accessLog === 'all' || (accessLog === 'errors' && failed)) {
      logger[failed ? 'warn' : 'info']({
        event: 'request',
        requestId: identity.requestId,
        tenantId: identity.tenantId,
        model: identity.model,
        endpoint: identity.endpoint,
        stream: identity.stream,
        ...outcome,
        ...(cause === undefined ? {} : { error: cause }),
      })
    }
  }
}

/** A client's abort is an end like another, not a failure. */
function isFailure(code: ErrorCode | 'gateway_lost' | ''): boolean {
  return code !== '' && code !== 'client_closed'
}
