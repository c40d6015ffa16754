import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { z } from 'zod'
import { startSimulatedNode, type SimulatedNode } from '../../bench/nodes.js'
import { PlatformHealth } from '../../src/core/contract/platform.js'
import { startTestGateway, type TestGateway } from '../support/gateway.js'
import { eventually } from '../support/processes.js'
import { startStoppableStores, type StoppableStores, type StoreKind } from '../support/stoppable-stores.js'

/** The supervisor gets one second, then each part two at once; the rest is for a slow machine. Without a deadline it would hang. */
const LIMIT_MS = 20_000

let stores: StoppableStores
let node: SimulatedNode
let gateway: TestGateway

before(async () => {
  stores = await startStoppableStores()
  node = await startSimulatedNode()
  gateway = await startTestGateway({}, stores)
  await gateway.serve('sim', { one: node })
})

after(async () => {
  await gateway[Symbol.asyncDispose]()
  await node.close()
  await stores[Symbol.asyncDispose]()
})

async function health(): Promise<z.infer<typeof PlatformHealth>> {
  const from = performance.now()
  const report = await gateway.admin('GET', '/admin/platform/health', PlatformHealth)
  const ms = performance.now() - from
  assert.ok(ms < LIMIT_MS, `the reply took ${ms.toFixed(0)} ms`)
  assert.doesNotMatch(JSON.stringify(report), /127\.0\.0\.1|localhost|postgres|ECONN/i)
  return report
}

const states = ({ status, components }: z.infer<typeof PlatformHealth>) => [
  status,
  ...Object.entries(components).flatMap(([name, component]) =>
    component.status === 'healthy' ? [] : [`${name} ${component.status}: ${component.detail}`],
  ),
]

async function becomesHealthy() {
  await eventually('all is well', async () => (await health()).status === 'healthy')
}

test('with everything up all of it is healthy, and the numbers are there', async () => {
  const { key } = await gateway.createTenant()
  for (let n = 0; n < 3; n++) {
    const reply = await fetch(`${gateway.url}/v1/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}` },
      body: JSON.stringify({ model: 'sim', prompt: 'a', max_tokens: 3 }),
    })
    assert.equal(reply.status, 200)
    await reply.text()
  }
  await becomesHealthy()
  let report = await health()
  await eventually('the load shows', async () => {
    report = await health()
    return (report.metrics.current_rps ?? 0) > 0
  })
  const { components, metrics } = report
  for (const component of Object.values(components)) assert.ok(component.latency_ms !== null)
  assert.deepEqual([metrics.total_nodes, metrics.healthy_nodes, metrics.unhealthy_nodes], [1, 1, 0])
  assert.ok(metrics.avg_latency_ms !== null && metrics.avg_latency_ms > 0)
})

const OUTAGES: Record<StoreKind, string[]> = {
  postgres: ['unhealthy', 'database unhealthy: does not answer'],
  redis: ['degraded', 'cache unhealthy: does not answer'],
  clickhouse: ['degraded', 'analytics unhealthy: does not answer'],
}

for (const kind of ['postgres', 'redis', 'clickhouse'] as const) {
  for (const way of ['hang', 'kill'] as const) {
    test(`a ${kind} that is away (${way}) is named, within the deadline, and well again afterwards`, async () => {
      await becomesHealthy()
      await stores[kind][way]()
      try {
        const [expected, part] = OUTAGES[kind]
        const isNamed = async () => {
          const [whole, ...parts] = states(await health())
          return whole === expected && part !== undefined && parts.includes(part)
        }
        await eventually('it is named', isNamed)
        // A second time, when connections are known to be broken or are all waiting.
        await eventually('it is named again', isNamed)
      } finally {
        stores[kind].resume()
      }
      await becomesHealthy()
    })
  }
}

test('a node that fails its health check leaves none that could serve', async () => {
  await becomesHealthy()
  await node.close()
  await eventually('it is noticed', async () => (await health()).components.gpu_nodes.status === 'unhealthy')
  await eventually('it alone is told of', async () => {
    const report = await health()
    const [whole, ...parts] = states(report)
    const alone = parts.join() === 'gpu_nodes unhealthy: no node can take requests'
    return whole === 'unhealthy' && alone && report.metrics.unhealthy_nodes === 1
  })
})

test('a proxy that hangs is missed by the usage pipeline', async () => {
  const proxy = gateway.process.family().find(({ title }) => title.includes('crosslogic-proxy'))
  assert.ok(proxy)
  process.kill(proxy.pid, 'SIGSTOP')
  try {
    await eventually('it is missed', async () => {
      const { status, detail } = (await health()).components.usage_pipeline
      return status === 'unhealthy' && detail === 'no proxy answers'
    })
  } finally {
    process.kill(proxy.pid, 'SIGCONT')
  }
})
