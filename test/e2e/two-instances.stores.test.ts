import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { startSimulatedNode } from '../../bench/nodes.js'
import { startTestGateway, type TestGateway } from '../support/gateway.js'
import { eventually } from '../support/processes.js'
import { startStores } from '../support/stores.js'

const MODEL = 'acme/two'
const CHANGES = 6
const LONG_TOKENS = 400
const EVERY_MS = 10
const LIMIT_MS = 60_000

test('a change of a route made at one instance is live in every proxy of both, and running streams go on', async (t) => {
  await using stores = await startStores({ redis: true })
  const env = { PROXY_PROCESSES: '2' }
  await using first = await startTestGateway(env, stores)
  await using second = await startTestGateway(env, stores)
  await using one = await startSimulatedNode({ seed: 1 })
  await using two = await startSimulatedNode({ seed: 2 })
  const modelId = await first.serve(MODEL, { one, two }, { strategy: 'weighted' })
  await second.live()
  const { key } = await first.createTenant()

  const ask = (gateway: TestGateway, body: object) =>
    fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      // A connection of its own each: it may come to any of the instance's proxies.
      headers: { authorization: `Bearer ${key}`, connection: 'close' },
      body: JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: 'x' }], ...body }),
    })
  const nodeOf = async (gateway: TestGateway): Promise<string> => {
    const reply = await ask(gateway, { max_tokens: 1 })
    await reply.arrayBuffer()
    assert.equal(reply.status, 200)
    return reply.headers.get('x-gateway-node') ?? ''
  }
  const nodeId = async (name: string) =>
    (await first.admin('GET', `/admin/nodes/${name}`, z.object({ id: z.string() }))).id
  const ids = { one: await nodeId('one'), two: await nodeId('two') }
  const long = { stream: true, max_tokens: LONG_TOKENS, sim_itl_ms: 20 }
  const streams = await Promise.all([first, second, first, second].map((gateway) => ask(gateway, long)))
  const texts = Promise.all(streams.map((reply) => reply.text()))

  const lags: number[] = []
  for (let change = 0; change < CHANGES; change++) {
    const [wanted, other] = change % 2 === 0 ? (['one', 'two'] as const) : (['two', 'one'] as const)
    const changed = performance.now()
    // One weight of a million: the other node is asked once in a million times.
    await first.setRoute(modelId, { node_weights: { [wanted]: 1_000_000, [other]: 0.000_001 } })
    let lastOld = changed
    let since = performance.now()
    await eventually(
      `all new requests go to node ${wanted}`,
      async () => {
        const at = performance.now()
        const nodes = await Promise.all([first, second, first, second].map(nodeOf))
        if (nodes.some((id) => id !== ids[wanted])) {
          lastOld = at
          since = performance.now()
        }
        await sleep(EVERY_MS)
        // So long that every proxy has been asked, and a late one would have shown.
        return performance.now() - since > 500
      },
      LIMIT_MS,
    )
    lags.push(lastOld - changed)
  }
  t.diagnostic(
    `live in all four proxies of two instances ${lags.map((lag) => lag.toFixed(0)).join(', ')} ms after the change was sent (promised: 1,000)`,
  )
  for (const text of await texts) {
    assert.ok(text.endsWith('data: [DONE]\n\n'))
    assert.equal(text.match(/"content":"[^"]/g)?.length, LONG_TOKENS)
  }
})
