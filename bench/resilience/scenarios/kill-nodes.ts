import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { bearer, call } from '../../gateway.js'
import { seededRandom } from '../../nodes/random.js'
import { HEALTH_CHECK, MODEL, startBed, type Bed } from '../bed.js'
import { untilInService } from '../in-service.js'
import { killNodesUnderStreams } from '../kill-nodes.js'
import type { Scenario } from '../measure.js'
import { streamFault } from '../stream-answer.js'
import { expectedOf, planStreams } from '../stream-plan.js'

const KILLS = 20
const STREAMS = 200
const BILLED_WITHIN_MS = 20_000
const NODE = { eosProbability: 0.004 }
const ROUTE = {
  strategy: 'least-connections',
  connection_timeout_ms: 1_000,
  resume_streams: true,
  retry: { attempts: 6, budget_percent: 100 },
  health_check: HEALTH_CHECK,
}

const Bill = z.object({
  total_requests: z.number(),
  prompt_tokens: z.number(),
  completion_tokens: z.number(),
})

const billOf = ({ gateway, apiKey }: Bed) =>
  call(`${gateway.tenantUrl}/v1/usage`, 'GET', bearer(apiKey), Bill)

/** The bill once so many requests stand in it, or as it is after 20 s. */
async function billWith(bed: Bed, requests: number): Promise<z.output<typeof Bill>> {
  const deadline = performance.now() + BILLED_WITHIN_MS
  for (;;) {
    const bill = await billOf(bed)
    if (bill.total_requests >= requests || performance.now() > deadline) return bill
    await sleep(200)
  }
}

/** Nodes that are killed in mid-stream, again and again. */
export const killNodes: Scenario = {
  name: 'kill-nodes',
  title: `kill -9 of a node under ${STREAMS} streams, ${KILLS} times`,
  async run(note) {
    await using bed = await startBed({
      nodes: 3,
      nodeArgs: ['--ttft-ms', '5', '--max-running', '1000', '--eos', String(NODE.eosProbability)],
      route: ROUTE,
    })
    // The request with which the model was found to serve.
    const before = await billWith(bed, 1)
    const random = seededRandom(41)
    const { views, hit } = await killNodesUnderStreams({
      nodes: bed.nodes,
      kills: KILLS,
      streams: STREAMS,
      client: bed.client,
      plan: planStreams({ model: MODEL, tokens: { least: 30, most: 90 }, itlMs: 25, random }),
      random,
      inService: () => untilInService(bed.gateway, MODEL),
    })
    const expected = views.map(({ plan }) => expectedOf(plan, NODE))
    const faults = views.flatMap((view, at) => {
      const answer = expected[at]
      return answer === undefined ? [] : (streamFault(view, answer) ?? [])
    })
    const due = {
      prompt: expected.reduce((sum, { promptTokens }) => sum + promptTokens, before.prompt_tokens),
      completion: expected.reduce((sum, { tokens }) => sum + tokens.length, before.completion_tokens),
    }
    const bill = await billWith(bed, before.total_requests + views.length)
    const resumed = views.filter(({ attempts }) => (attempts ?? 1) > 1).length
    note(`${views.length} streams; the nodes had ${hit.join(', ')} of them when they were killed`)
    note(`${resumed} requests had been retried before their first byte`)
    if (faults[0] !== undefined) note(`the first break: ${faults[0]}`)
    return [
      {
        what: 'streams that are not what one node would have said',
        unit: '',
        figure: faults.length,
        atMost: 0,
      },
      {
        what: 'prompt tokens billed beside those due',
        unit: '',
        figure: Math.abs(bill.prompt_tokens - due.prompt),
        atMost: 0,
      },
      {
        what: 'completion tokens billed beside those due',
        unit: '',
        figure: Math.abs(bill.completion_tokens - due.completion),
        atMost: 0,
      },
    ]
  },
}
