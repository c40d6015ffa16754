import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startKillableNode } from '../../bench/node-fleet.js'
import { seededRandom } from '../../bench/nodes/random.js'
import { untilInService } from '../../bench/resilience/in-service.js'
import { killNodesUnderStreams } from '../../bench/resilience/kill-nodes.js'
import { LoadClient } from '../../bench/resilience/load-client.js'
import { streamAnswer, streamFault } from '../../bench/resilience/stream-answer.js'
import { expectedOf, isResumable, planStreams } from '../../bench/resilience/stream-plan.js'
import { startTestGateway } from '../support/gateway.js'
import { eventually } from '../support/processes.js'
import { billFault } from '../support/stream-bill.js'
import { allRows } from '../support/usage-audit.js'

/** `bench resilience` has twenty; each waits until the node that was killed serves again. */
const KILLS = 8
const STREAMS = 200
const MODEL = 'acme/resumed'
const NODE = { eosProbability: 0.004 }
const NODE_ARGS = ['--eos', String(NODE.eosProbability), '--ttft-ms', '5', '--max-running', '1000']

/** Probed often, so that a killed node is back soon; every stream may be continued. */
const ROUTE = {
  strategy: 'least-connections',
  resume_streams: true,
  connection_timeout_ms: 1_000,
  idle_timeout_ms: 10_000,
  retry: { attempts: 6, budget_percent: 100 },
  health_check: { interval_seconds: 0.5, timeout_seconds: 2, unhealthy_threshold: 2, healthy_threshold: 1 },
}

test('eight kill -9s of a node under 200 streams: no client sees a break, each token is billed once', async (t) => {
  await using one = await startKillableNode([...NODE_ARGS, '--seed', '1'])
  await using two = await startKillableNode([...NODE_ARGS, '--seed', '2'])
  await using three = await startKillableNode([...NODE_ARGS, '--seed', '3'])
  await using gateway = await startTestGateway()
  const tenant = await gateway.createTenant({ tier: 'enterprise' })
  const modelId = await gateway.createModel(MODEL)
  // As real engines, which are known to continue an answer.
  for (const [name, node] of Object.entries({ one, two, three }))
    await gateway.addNode(MODEL, name, node, { engine: 'vllm' })
  await gateway.setRoute(modelId, ROUTE)
  await gateway.live()

  using client = new LoadClient(gateway.port, tenant.key)
  const random = seededRandom(31)
  const { views, hit } = await killNodesUnderStreams({
    nodes: [one, two, three],
    kills: KILLS,
    streams: STREAMS,
    client,
    plan: planStreams({
      model: MODEL,
      tokens: { least: 30, most: 90 },
      itlMs: 25,
      random,
      unresumable: 0.15,
    }),
    random,
    inService: () => untilInService(gateway, MODEL),
  })

  const admitted = views.filter((view) => view.admitted === true).length
  let rows = await allRows(gateway)
  await eventually('every admitted stream has its usage record', async () => {
    rows = await allRows(gateway)
    return rows.length >= admitted
  })
  const byId = new Map(rows.map((row) => [row.request_id, row]))
  const resumable = views.filter(({ plan }) => isResumable(plan))
  const others = views.filter(({ plan }) => !isResumable(plan))
  const problems: string[] = []
  let resumed = 0
  for (const view of resumable) {
    const expected = expectedOf(view.plan, NODE)
    const row = byId.get(view.requestId ?? '')
    const report = (what: string) => problems.push(`${what}: ${JSON.stringify({ plan: view.plan, row })}`)
    const fault = streamFault(view, expected)
    if (fault !== null) report(fault)
    if ((row?.attempts ?? 0) > 1) resumed++
    const wrong = billFault(row, expected)
    if (wrong !== null) report(wrong)
  }

  let broken = 0
  for (const view of others) {
    const row = byId.get(view.requestId ?? '')
    const report = (what: string) => problems.push(`${what}: ${JSON.stringify({ plan: view.plan, row })}`)
    // Before its first byte it may have been given to another node like any other.
    const answer = streamAnswer(view)
    if (view.status !== 200 || answer.ids.size !== 1) report('it was not answered, or by two')
    if (answer.error === null) {
      if (!answer.done || view.ended !== 'complete') report('it has no end')
    } else {
      broken++
      if (answer.error !== 'upstream_connection_lost') report(`it failed as ${answer.error}`)
      if (answer.done || answer.finishes.length >= Number(view.plan.body['n'] ?? 1))
        report('it failed and ended')
      if (view.plan.body['n'] === undefined && !expectedOf(view.plan, NODE).text.startsWith(answer.text))
        report('what there is of it is another text')
    }
    if (row === undefined) report('no usage record')
    else {
      if (row.completion_tokens !== answer.tokens) report(`it has ${answer.tokens} tokens`)
      if (row.prompt_tokens !== expectedOf(view.plan, NODE).promptTokens) report('its prompt is another')
      if (row.error_code !== (answer.error ?? '')) report('its record does not say how it ended')
    }
  }

  t.diagnostic(
    `${hit.length} kills under ${hit.join(', ')} streams of the node; ${resumable.length} streams that can be ` +
      `continued, ${resumed} of more than one attempt; ${others.length} that cannot, ${broken} broken`,
  )
  assert.equal(byId.size, rows.length, 'a request has two records')
  assert.equal(problems.length, 0, `${problems.length}:\n${problems.slice(0, 20).join('\n')}`)
  assert.ok(resumed > KILLS * 10, 'the kills hit nothing')
  assert.ok(broken > 0, 'no kill hit a stream that cannot be continued')
})
