import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startSimulatedNode } from '../../bench/nodes.js'
import { startHammer } from '../support/limits/hammer.js'
import { startLimitBed } from '../support/limits/limit-bed.js'
import { eventually } from '../support/processes.js'

/** Of 64 connections, how many hammer the key of each limit; half of them on each instance. */
const LIMITS = [
  { limit: 1, connections: 6, tokens: 10 },
  { limit: 3, connections: 10, tokens: 17 },
  // Longer: so many have to run at once, however slowly they begin.
  { limit: 20, connections: 48, tokens: 72 },
]
const HAMMER_MS = 8_000
const BACK_MS = 10_000
const ITL_MS = 20

test('no more than max_concurrency at once over four proxies, all of it in use, and again after kill -9 of an instance', async (t) => {
  await using bed = await startLimitBed()
  const [firstPort] = bed.ports
  await using one = await startSimulatedNode({ models: ['one'] })
  await using three = await startSimulatedNode({ models: ['three'] })
  await using twenty = await startSimulatedNode({ models: ['twenty'] })
  const nodes = [one, three, twenty]

  const keys = await Promise.all(
    LIMITS.map(async ({ limit, connections, tokens }, at) => {
      const node = nodes[at]
      const [model = ''] = node?.options.models ?? []
      if (node === undefined) throw new Error('there is a node for each limit')
      await bed.serve(model, node)
      return { limit, connections, tokens, node, model, key: await bed.key({ max_concurrency: limit }) }
    }),
  )
  // Streams of 200 ms to a second and a half. Their number is a node's own.
  const hammers = await Promise.all(
    keys.map(async ({ key, connections, tokens, model, ...rest }) => ({
      ...rest,
      hammer: await startHammer({
        ports: bed.ports,
        key,
        connections,
        body: {
          model,
          stream: true,
          max_tokens: tokens,
          sim_itl_ms: ITL_MS,
          messages: [{ role: 'user', content: 'Hello' }],
        },
      }),
    })),
  )
  const hammeredAt = performance.now()
  await sleep(HAMMER_MS)
  const mostAtOnce = () => nodes.map((node) => node.stats().mostRunning)
  const limits = LIMITS.map(({ limit }) => limit)
  await eventually('all slots are in use at once', () =>
    mostAtOnce().every((most, at) => most >= (limits[at] ?? 0)),
  )
  const admittedBefore = hammers.map(({ hammer }) => hammer.admittedSoFar)
  t.diagnostic(
    `limits ${limits.join(', ')}: at most ${mostAtOnce().join(', ')} at once on the nodes, ` +
      `${admittedBefore.join(', ')} streams in ${((performance.now() - hammeredAt) / 1000).toFixed(1)} s`,
  )
  assert.deepEqual(mostAtOnce(), limits)

  const killedAt = performance.now()
  bed.killSecond()
  const backAfter = await Promise.all(
    hammers.map(async ({ limit, hammer }) => {
      await eventually(
        `${limit} at once on the instance that is left`,
        () => hammer.running(firstPort) >= limit,
        BACK_MS,
      )
      return performance.now() - killedAt
    }),
  )
  t.diagnostic(
    `the slots of a killed instance are back after ${backAfter.map((ms) => ms.toFixed(0)).join(', ')} ms (promised: ${BACK_MS})`,
  )
  assert.deepEqual(mostAtOnce(), limits)

  for (const { limit, hammer } of hammers) {
    const { refused, lost, broken } = await hammer.stop()
    assert.deepEqual([...refused.keys()], ['concurrency_exceeded'], `of ${limit}`)
    // Those of the killed instance alone.
    const onSecond = (LIMITS.find((one) => one.limit === limit)?.connections ?? 0) / 2
    assert.equal(lost, onSecond)
    assert.ok(broken <= limit)
  }
})
