import type { ConsideredNode, ExplainedAttempt, ServedRequest } from '../../src/core/explanation.js'
import { explanationLine } from '../../src/core/explanation-line.js'
import { numberedId, TENANT_ID } from './spool.js'
import type { UsageStore } from './usage-store.js'

export function consideredNode(number: number, over: Partial<ConsideredNode> = {}): ConsideredNode {
  return {
    nodeId: numberedId(number),
    node: `gpu-${number}`,
    unavailable: null,
    load: 3,
    predictedTtftMs: 40,
    weight: 1,
    warmth: 1,
    ...over,
  }
}

export function explainedAttempt(over: Partial<ExplainedAttempt> = {}): ExplainedAttempt {
  return {
    model: 'llama-3.1-8b-instruct',
    nodeId: numberedId(5),
    node: 'gpu-5',
    reason: 'first',
    chosenBy: 'least-latency',
    sentAtMicros: 700,
    connectedAtMicros: 650,
    firstTokenAtMicros: 40_700,
    endedAtMicros: 1_040_700,
    outcome: 'ok',
    considered: [consideredNode(5), consideredNode(6, { unavailable: 'draining' })],
    ...over,
  }
}

/** A request that went plainly: sampled, one attempt. Its phases add up to its E2E. */
export function servedRequest(number: number, over: Partial<ServedRequest> = {}): ServedRequest {
  return {
    requestId: numberedId(number),
    tenantId: TENANT_ID,
    apiKeyId: numberedId(3),
    model: 'llama-3.1-8b-instruct',
    servedModel: 'llama-3.1-8b-instruct',
    servedBecause: 'asked',
    endpoint: 'chat.completions',
    stream: true,
    strategy: 'least-latency',
    startedAtMicros: Date.now() * 1000 - 1_041_000,
    e2eMicros: 1_040_800,
    status: 200,
    errorCode: '',
    queuePosition: null,
    limits: [],
    phases: {
      authMicros: 20,
      bodyMicros: 300,
      limitsMicros: 0,
      admitMicros: 180,
      queueMicros: 0,
      routeMicros: 100,
      connectMicros: 100,
      firstTokenMicros: 40_000,
      streamMicros: 1_000_000,
      settleMicros: 100,
    },
    attempts: [explainedAttempt()],
    seams: [],
    ...over,
  }
}

/** Stores explanations as a proxy's sink would. */
export async function explainRequests(
  { clickhouse }: Pick<UsageStore, 'clickhouse'>,
  requests: readonly ServedRequest[],
): Promise<void> {
  const lines = requests.map((request) => explanationLine(request, 1))
  await clickhouse.command({
    query: `INSERT INTO request_explanations SETTINGS input_format_json_read_objects_as_strings = 1 FORMAT JSONEachRow\n${lines.join('\n')}`,
  })
}
