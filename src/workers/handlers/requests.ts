import { z } from 'zod'
import { getOwnRequest, getServedRequest } from '../../core/contract/requests.js'
import { GatewayError } from '../../core/errors.js'
import { timeOfRequestId } from '../../io/request-id.js'
import { clickHouseRows } from './clickhouse-rows.js'
import {
  adminAttemptShown,
  attemptShown,
  ExplanationRow,
  limitsShown,
  phasesShown,
  seamsShown,
} from './explanation-rows.js'
import { handle, type Handler, type HandlerContext, tenantOf } from './handler.js'
import { RecordRow, recordShown } from './usage-records.js'

const HOUR_MS = 3_600_000
/** What a request's start may be away from the time in its id: a body that came slowly, clocks that were set. */
const SLACK_MS = HOUR_MS
/** Nearly all requests have ended by then. */
const USUAL_MS = 2 * HOUR_MS
/** Nothing was recorded beyond. */
const LATEST_MS = Date.UTC(2100, 0)

const UsageRow = RecordRow.extend({ tenant_id: z.string() })
type UsageRow = z.infer<typeof UsageRow>

/** What both views show of a request, by how it was served. */
function explainedShown(row: ExplanationRow) {
  const { explanation } = row
  return {
    api_key_id: row.api_key_id,
    model: row.model,
    served_model: row.served_model,
    served_because: explanation.servedBecause,
    endpoint: explanation.endpoint,
    stream: explanation.stream,
    status: row.status,
    error_code: row.error_code === '' ? null : row.error_code,
    started_at: new Date(row.started_at_micros / 1000).toISOString(),
    latency_ms: row.e2e_micros / 1000,
    explained: true,
    unexplained_because: null,
    sampled_at: explanation.sampledAt,
    limits: limitsShown(explanation),
    phases: phasesShown(explanation.phases),
    seams: seamsShown(explanation),
  }
}

/** The same where only its usage record is known. */
function unexplainedShown(row: UsageRow) {
  const { api_key_id, model, endpoint, stream, status, error_code, started_at, latency_ms } = recordShown(row)
  return {
    api_key_id,
    model,
    served_model: model,
    served_because: null,
    endpoint,
    stream,
    status,
    error_code,
    started_at,
    latency_ms,
    explained: false,
    unexplained_because: error_code === 'gateway_lost' ? ('gateway_lost' as const) : ('not_kept' as const),
    sampled_at: null,
    limits: [],
    phases: null,
    seams: [],
  }
}

/** What was billed. */
function billed(row: UsageRow) {
  const { prompt_tokens, completion_tokens, cached_tokens, total_tokens, ...record } = recordShown(row)
  const { counted, cost_usd, attempts, resumed, client_abort, failed, ...times } = record
  const { ttft_ms, itl_ms, overhead_ms, ended_at } = times
  const tokens = { prompt_tokens, completion_tokens, cached_tokens, total_tokens, counted, cost_usd }
  return { ...tokens, attempts, resumed, client_abort, failed, ttft_ms, itl_ms, overhead_ms, ended_at }
}

interface Found {
  readonly tenantId: string
  readonly shown: ReturnType<typeof explainedShown> | ReturnType<typeof unexplainedShown>
  readonly explanation: ExplanationRow['explanation'] | null
  readonly used: UsageRow | null
}

/**
 * What is known of a request: how it was served, its usage record, or both.
 * @param tenant whose it must be; null: anybody's
 * @throws GatewayError not_found
 */
async function find(context: HandlerContext, id: string, tenant: string | null): Promise<Found> {
  const cameAtMs = timeOfRequestId(id)
  if (cameAtMs === null || cameAtMs > context.now.getTime() + SLACK_MS) throw notFound(id)
  const whose = { request_id: id, tenant_id: tenant }
  const from_ms = Math.max(0, cameAtMs - SLACK_MS)
  const usualMs = cameAtMs + USUAL_MS
  const usage = (range: { from_ms: number; to_ms: number }) =>
    clickHouseRows(context, 'usage-record-find', UsageRow, { ...whose, ...range })
  const [[explained], soon] = await Promise.all([
    clickHouseRows(context, 'explanation-find', ExplanationRow, {
      ...whose,
      from_ms,
      to_ms: cameAtMs + SLACK_MS,
    }),
    usage({ from_ms, to_ms: usualMs }),
  ])
  const isOld = context.now.getTime() > usualMs
  const [used = null] =
    soon.length === 0 && isOld ? await usage({ from_ms: usualMs, to_ms: LATEST_MS }) : soon
  if (explained !== undefined) {
    const { tenant_id: tenantId, explanation } = explained
    return { tenantId, shown: explainedShown(explained), explanation, used }
  }
  if (used === null) throw notFound(id)
  return { tenantId: used.tenant_id, shown: unexplainedShown(used), explanation: null, used }
}

function notFound(id: string): GatewayError {
  return new GatewayError('not_found', {
    param: 'request_id',
    message:
      `Nothing is known of a request '${id}'. One that has just ended may take a few seconds to be there; of one that was` +
      ' refused, what is known is kept for some days only.',
  })
}

export const requestsHandlers: readonly Handler[] = [
  handle(getServedRequest, async ({ params: { request_id } }, context) => {
    const { tenantId, shown, explanation, used } = await find(context, request_id, null)
    return {
      request_id: request_id.toLowerCase(),
      tenant_id: tenantId,
      ...shown,
      strategy: explanation?.strategy ?? null,
      queue_position: explanation?.queuePosition ?? null,
      attempts: explanation?.attempts.map(adminAttemptShown) ?? [],
      usage: used && {
        environment_id: used.environment_id,
        node_id: used.node_id,
        node: used.node,
        ...billed(used),
      },
    }
  }),
  handle(getOwnRequest, async ({ params: { request_id } }, context) => {
    const { shown, explanation, used } = await find(context, request_id, tenantOf(context.actor))
    return {
      request_id: request_id.toLowerCase(),
      ...shown,
      attempts: explanation?.attempts.map(attemptShown) ?? [],
      usage: used && billed(used),
    }
  }),
]
