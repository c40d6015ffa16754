import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startTestGateway } from '../support/gateway.js'
import { eventually } from '../support/processes.js'

const MODEL = 'acme/cold'
/** Comments begin after 15 s of silence; the launch takes longer. */
const LOAD_MS = 20_000
const LONG_MS = 120_000

test('the first request for a model that is scaled to zero wakes it, waits with comments and is answered by the node that comes', async (t) => {
  await using gateway = await startTestGateway()
  const { client } = gateway
  await gateway.createModel(MODEL)
  const { key } = await gateway.createTenant()
  const { body } = await client.deployments.create({
    body: {
      model_name: MODEL,
      node_count: 0,
      provider: 'local',
      engine: 'simulated',
      engine_args: ['--load-ms', String(LOAD_MS)],
      auto_scaling: { enabled: true, min_nodes: 0, max_nodes: 2, target_concurrency: 8 },
    },
  })
  const { id } = body
  assert.deepEqual([body.status, body.asleep, body.node_count], ['active', true, 0])
  await gateway.live()
  const deployment = async () => (await client.deployments.get({ params: { id } })).body

  const askedAt = performance.now()
  const reply = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}` },
    body: JSON.stringify({
      model: MODEL,
      stream: true,
      max_tokens: 5,
      messages: [{ role: 'user', content: 'Is anybody there?' }],
    }),
  })
  const text = await reply.text()
  const seconds = ((performance.now() - askedAt) / 1_000).toFixed(1)
  assert.equal(reply.status, 200)
  assert.match(text, /^(: ping\n\n)+data: .*data: \[DONE\]\n\n$/s)
  const comments = text.split(': ping').length - 1
  t.diagnostic(
    `answered ${seconds} s after it was asked, a launch of ${LOAD_MS / 1_000} s included; ${comments} comments on the way`,
  )
  const usage = await gateway.usage(reply.headers.get('x-request-id') ?? '')
  assert.deepEqual([usage.status, usage.attempts, usage.completion_tokens], [200, 1, 5])
  await eventually('it is awake', async () => (await deployment()).status === 'active', LONG_MS)
  const awake = await deployment()
  assert.deepEqual([awake.asleep, awake.node_count, awake.live_nodes], [false, 1, 1])
  const audit = await client.auditLogs.list({ query: { actor: 'autoscaler' } })
  t.diagnostic(`the audit log says: ${JSON.stringify(audit.body.data[0]?.after)}`)
  assert.deepEqual(audit.body.data[0]?.after, { asleep: false, node_count: 1, reason: 'woken: 1 request' })

  await client.deployments.scale({ params: { id }, body: { target_node_count: 0 } })
  await eventually(
    'it sleeps again',
    async () => {
      const { asleep, live_nodes, status } = await deployment()
      return asleep && live_nodes === 0 && status === 'active'
    },
    LONG_MS,
  )
  const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text()
  assert.match(metrics, /^crosslogic_launches_total\{.*outcome="succeeded".*\} 1$/m)
  assert.match(metrics, /^crosslogic_autoscaler_changes_total\{.*direction="up".*\} 1$/m)
  await client.deployments.delete({ params: { id } })
  await eventually('it is over', async () => (await deployment()).status === 'terminated', LONG_MS)
})
