import { z } from 'zod'
import { Count } from './usage-rows.js'

/** How requests were served, as ClickHouse has it: what explanation-line.ts wrote. */

const Considered = z.object({
  nodeId: z.string(),
  node: z.string(),
  unavailable: z.string().nullable(),
  load: z.number(),
  predictedTtftMs: z.number().nullable(),
  weight: z.number(),
  warmth: z.number(),
})

const Attempt = z.object({
  model: z.string(),
  nodeId: z.string(),
  node: z.string(),
  reason: z.enum(['first', 'retry', 'hedge', 'resume']),
  chosenBy: z.string(),
  sentAtMicros: z.number(),
  connectedAtMicros: z.number().nullable(),
  firstTokenAtMicros: z.number().nullable(),
  endedAtMicros: z.number(),
  outcome: z.string(),
  candidates: z.number(),
  considered: z.array(Considered),
})

const Seam = z.object({
  fromNode: z.string(),
  toNode: z.string(),
  afterTokens: z.number(),
  atMicros: z.number(),
  gapMicros: z.number(),
  cause: z.string(),
})

const Limit = z.object({
  limit: z.enum(['requests', 'tokens', 'concurrency', 'spend']),
  scope: z.enum(['key', 'environment', 'tenant']),
  max: z.number(),
  remaining: z.number(),
})

const Explained = z.object({
  servedBecause: z.enum(['asked', 'split', 'fallback']),
  endpoint: z.string(),
  stream: z.boolean(),
  strategy: z.string(),
  queuePosition: z.number().nullable(),
  // Those of before limits were kept have none.
  limits: z.array(Limit).default([]),
  phases: z.object({
    limitsMicros: z.number().default(0),
    authMicros: z.number(),
    bodyMicros: z.number(),
    admitMicros: z.number(),
    queueMicros: z.number(),
    routeMicros: z.number(),
    connectMicros: z.number(),
    firstTokenMicros: z.number(),
    streamMicros: z.number(),
    settleMicros: z.number(),
  }),
  attempts: z.array(Attempt),
  seams: z.array(Seam),
  sampledAt: z.number(),
})

export const ExplanationRow = z.object({
  tenant_id: z.string(),
  api_key_id: z.string(),
  model: z.string(),
  served_model: z.string(),
  status: z.number(),
  error_code: z.string(),
  started_at_micros: Count,
  e2e_micros: Count,
  explanation: z
    .string()
    .transform((text): unknown => JSON.parse(text))
    .pipe(Explained),
})
export type ExplanationRow = z.infer<typeof ExplanationRow>
type Explained = z.infer<typeof Explained>

const NANOS_PER_DOLLAR = 1e9

const ms = (micros: number) => micros / 1000
const msOrNull = (micros: number | null) => (micros === null ? null : micros / 1000)

export function phasesShown(phases: Explained['phases']) {
  return {
    auth_ms: ms(phases.authMicros),
    body_ms: ms(phases.bodyMicros),
    limits_ms: ms(phases.limitsMicros),
    admit_ms: ms(phases.admitMicros),
    queue_ms: ms(phases.queueMicros),
    route_ms: ms(phases.routeMicros),
    connect_ms: ms(phases.connectMicros),
    first_token_ms: ms(phases.firstTokenMicros),
    stream_ms: ms(phases.streamMicros),
    settle_ms: ms(phases.settleMicros),
  }
}

export function limitsShown({ limits }: Explained) {
  return limits.map(({ limit, scope, max, remaining }) => {
    const unit = limit === 'spend' ? NANOS_PER_DOLLAR : 1
    return { limit, scope, max: max / unit, remaining: remaining / unit }
  })
}

/** Nodes by their ids alone, and only such as an attempt was made on: their names are not for tenants. */
export function seamsShown({ attempts, seams }: Explained) {
  const asked = new Set(attempts.map(({ nodeId }) => nodeId))
  const known = (id: string) => (asked.has(id) ? id : null)
  return seams.map((seam) => ({
    from_node_id: known(seam.fromNode),
    to_node_id: known(seam.toNode),
    after_tokens: seam.afterTokens,
    at_ms: ms(seam.atMicros),
    gap_ms: ms(seam.gapMicros),
    cause: seam.cause,
  }))
}

/** An attempt as its tenant may see it. */
export function attemptShown(attempt: Explained['attempts'][number]) {
  return {
    model: attempt.model,
    node_id: attempt.nodeId,
    reason: attempt.reason,
    candidates: attempt.considered.length === 0 ? null : attempt.candidates,
    sent_ms: ms(attempt.sentAtMicros),
    connected_ms: msOrNull(attempt.connectedAtMicros),
    first_token_ms: msOrNull(attempt.firstTokenAtMicros),
    ended_ms: ms(attempt.endedAtMicros),
    outcome: attempt.outcome,
  }
}

/** The same as admins see it. */
export function adminAttemptShown(attempt: Explained['attempts'][number]) {
  return {
    ...attemptShown(attempt),
    node: attempt.node,
    chosen_by: attempt.chosenBy,
    considered: attempt.considered.map((node) => ({
      node_id: node.nodeId,
      node: node.node,
      unavailable: node.unavailable,
      load: node.load,
      predicted_ttft_ms: node.predictedTtftMs,
      weight: node.weight,
      warmth: node.warmth,
    })),
  }
}
