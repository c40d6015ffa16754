import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startSimulatedNode, type FaultRule, type SimulatedNode } from '../../bench/nodes.js'
import { LoadClient, type ClientView, type PlannedRequest } from '../../bench/resilience/load-client.js'
import { streamAnswer, streamFault } from '../../bench/resilience/stream-answer.js'
import { expectedOf } from '../../bench/resilience/stream-plan.js'
import { startTestGateway, type TestGateway } from '../support/gateway.js'

/** Failures of a node that come before a byte of an answer. */
const FAILURES: readonly FaultRule[] = [
  { kind: 'refuse' },
  { kind: 'die_before_headers' },
  { kind: 'garbage' },
  { kind: 'http_429' },
  { kind: 'http_500' },
  { kind: 'http_503' },
  { kind: 'die_after_tokens', after_tokens: 0 },
]
const REQUESTS = 24
const ATTEMPTS = 3

let gateway: TestGateway
let client: LoadClient
let models = 0

before(async () => {
  gateway = await startTestGateway()
  client = new LoadClient(gateway.port, (await gateway.createTenant({ tier: 'enterprise' })).key)
})
after(async () => {
  client[Symbol.dispose]()
  await gateway[Symbol.asyncDispose]()
})

/** Nodes that fail as the rules say, one rule each; null: one that does not fail. */
async function serve(rules: readonly (FaultRule | null)[], route: object = {}) {
  const model = `acme/retried-${++models}`
  const nodes: SimulatedNode[] = []
  for (const at of rules.keys()) nodes.push(await startSimulatedNode({ seed: at + 1 }))
  const named = Object.fromEntries(nodes.map((node, at) => [`${model.replace('/', '-')}-${at}`, node]))
  await gateway.serve(model, named, {
    strategy: 'round-robin',
    retry: { attempts: ATTEMPTS, budget_percent: 100 },
    // The nodes' health is not looked at while a test runs.
    health_check: { interval_seconds: 3600 },
    ...route,
  })
  for (const [at, rule] of rules.entries()) if (rule !== null) await nodes[at]?.setFault(rule)
  return {
    model,
    /** Attempts at a request that reached any of the nodes. */
    seen: (view: ClientView) =>
      nodes.reduce((sum, { ledger }) => sum + (ledger.get(view.requestId ?? '')?.length ?? 0), 0),
    async [Symbol.asyncDispose]() {
      await Promise.all(nodes.map((node) => node.close()))
    },
  }
}

function planned(model: string, at: number, stream: boolean, extra: object = {}): PlannedRequest {
  const body = { model, stream, max_tokens: 12, sim_itl_ms: 2, ...extra }
  if (at % 3 === 0) return { path: '/v1/completions', body: { ...body, prompt: `Once ${at}` }, leave: null }
  const messages = [{ role: 'user', content: `Number ${at}` }]
  return { path: '/v1/chat/completions', body: { ...body, messages }, leave: null }
}

const many = (model: string, extra: object = {}) =>
  Promise.all(
    Array.from({ length: REQUESTS }, (_, at) => client.send(planned(model, at, at % 2 === 0, extra))),
  )

/**
 * The usage record says how many nodes were asked. So does the reply's head, unless it was on its way before another
 * one was asked; a connection that was refused leaves no trace at a node.
 */
async function checkAttempts(view: ClientView, seen: number, kind: FaultRule['kind']): Promise<void> {
  assert.ok(view.requestId !== null && view.attempts !== null)
  const { attempts } = await gateway.usage(view.requestId)
  assert.ok(attempts <= ATTEMPTS, `${attempts} attempts`)
  assert.ok(kind === 'refuse' ? seen <= attempts : seen === attempts, `${seen} of ${attempts} attempts seen`)
  if (kind === 'die_after_tokens') assert.ok(view.attempts <= attempts)
  else assert.equal(view.attempts, attempts)
}

describe('retries', () => {
  for (const rule of FAILURES) {
    test(`a node that fails as ${rule.kind} costs no client its answer while there is another`, async () => {
      await using failing = await serve([rule, null])
      const views = await many(failing.model)
      for (const view of views) {
        if (view.plan.body['stream'] === true) {
          assert.equal(streamFault(view, expectedOf(view.plan)), null, JSON.stringify(view))
        } else assert.deepEqual([view.status, view.ended], [200, 'complete'], view.text)
        await checkAttempts(view, failing.seen(view), rule.kind)
      }
      assert.ok(
        views.some(({ attempts }) => attempts === 2),
        'no request met the node that fails',
      )
    })
  }

  test('a request is sent to no more nodes than its route says, and says how many were asked', async () => {
    const failures = Array.from({ length: 5 }, () => ({ kind: 'http_500' as const }))
    for (const attempts of [1, 2, ATTEMPTS]) {
      await using failing = await serve(failures, { retry: { attempts, budget_percent: 100 } })
      for (const stream of [true, false]) {
        const view = await client.send(planned(failing.model, 1, stream))
        assert.equal(view.status, 502)
        assert.match(view.text, /"code":"upstream_error"/)
        assert.equal(view.attempts, attempts)
        await checkAttempts(view, failing.seen(view), 'http_500')
      }
    }
  })

  test('when every node fails, no more is retried than the budget allows', async () => {
    // All come at once and fail together, so that one in five may be retried, and of these three again.
    const failures = Array.from({ length: 4 }, () => ({ kind: 'http_500' as const, ms: 1_000 }))
    await using failing = await serve(failures, { retry: { attempts: ATTEMPTS, budget_percent: 20 } })
    const views = await Promise.all(
      Array.from({ length: 100 }, (_, at) => client.send(planned(failing.model, at, true))),
    )
    const retries = views.reduce((sum, view) => sum + failing.seen(view) - 1, 0)
    assert.ok(retries >= 3, `${retries} retries`)
    assert.ok(retries <= 40, `${retries} retries of 100 requests`)
    for (const { status } of views) assert.ok(status === 502 || status === 503, `${status}`)
  })

  test('a request that the node refuses as wrong is not given to another', async () => {
    await using healthy = await serve([null, null])
    const view = await client.send(planned(healthy.model, 1, true, { sim_fault: { kind: 'nonsense' } }))
    assert.deepEqual([view.status, view.attempts, healthy.seen(view)], [400, 1, 1])
  })

  for (const kind of ['long_content_length', 'malformed_chunk'] as const) {
    test(`a plain answer that breaks off as ${kind} may have been billed, so it is not made again`, async () => {
      await using failing = await serve([{ kind }, { kind }])
      const view = await client.send(planned(failing.model, 1, false))
      assert.equal(failing.seen(view), 1)
      assert.ok(view.status === 502 || view.ended === 'cut', view.text)
      assert.equal((await gateway.usage(view.requestId ?? '')).attempts, 1)
    })
  }

  test('a stream that broke off after its first token is not begun anew', async () => {
    const rule = { kind: 'die_after_tokens' as const, after_tokens: 4 }
    await using failing = await serve([rule, rule], { resume_streams: false })
    for (const at of [0, 1]) {
      const view = await client.send(planned(failing.model, at, true))
      const answer = streamAnswer(view)
      assert.deepEqual([answer.error, answer.tokens, answer.done], ['upstream_connection_lost', 4, false])
      assert.ok(expectedOf(view.plan).text.startsWith(answer.text))
      assert.equal(failing.seen(view), 1)
      const row = await gateway.usage(view.requestId ?? '')
      assert.deepEqual([row.attempts, row.completion_tokens, row.status], [1, 4, 502])
    }
  })
})
