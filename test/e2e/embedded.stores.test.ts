import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { bearer, call, setUpModel, startGateway } from '../../bench/gateway.js'
import { startSimulatedNode } from '../../bench/nodes.js'
import { lives } from '../support/gateway-process.js'
import { LoadClient, planRequests } from '../support/load.js'
import { eventually } from '../support/processes.js'

const Usage = z.object({ total_requests: z.number(), completion_tokens: z.number() })

test('embedded stores that are killed under load come back: no request fails and none is missing on the bill', async (t) => {
  await using node = await startSimulatedNode({ models: ['sim'] })
  await using gateway = await startGateway()
  const key = await setUpModel(gateway, 'sim', [node.url])
  const before = node.ledger.size
  using client = new LoadClient(gateway.tenantPort, key)
  const stop = new AbortController()
  const mix = { faults: 0, leaves: 0, paces: [5], mostTokens: 60 }
  const load = client.run(planRequests('sim', 3, mix), () => 4, stop.signal)
  try {
    for (const title of ['redis-server', 'crosslogic-clickhouse', 'bin/postgres']) {
      await sleep(500)
      const victim = gateway.process.family().find((kin) => kin.title.includes(title))
      assert.ok(victim !== undefined, title)
      process.kill(victim.pid, 'SIGKILL')
      await eventually(
        `${title} is replaced`,
        () =>
          !lives(victim) && gateway.process.family().some((kin) => kin.title.includes(title) && lives(kin)),
      )
    }
    await eventually('all stores answer', async () => {
      const reply = await fetch(`${gateway.tenantUrl}/ready`)
      return (await reply.text()) === '{"status":"ready"}'
    })
  } finally {
    stop.abort()
  }
  const views = await load
  for (const view of views) assert.deepEqual([view.status, view.ended], [200, 'complete'], view.text)

  const written = [...node.ledger.values()].flat().reduce((sum, entry) => sum + entry.writtenTokens, 0)
  let usage = { total_requests: 0, completion_tokens: 0 }
  await eventually('all usage is there', async () => {
    usage = await call(`${gateway.tenantUrl}/v1/usage`, 'GET', bearer(key), Usage).catch(() => usage)
    return usage.total_requests >= node.ledger.size
  })
  t.diagnostic(`${views.length} requests; billed ${usage.completion_tokens} of ${written} completion tokens`)
  assert.deepEqual(usage, { total_requests: before + views.length, completion_tokens: written })
})
