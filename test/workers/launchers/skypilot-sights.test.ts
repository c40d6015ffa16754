import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { test } from 'node:test'
import pino from 'pino'
import { createSkyPilot } from '../../../src/io/skypilot.js'
import { createSighter } from '../../../src/workers/launchers/skypilot-sights.js'
import { createSlots } from '../../../src/workers/launchers/slots.js'
import { eventually } from '../../support/processes.js'
import { startPlainInstance } from '../../support/skypilot/launcher.js'
import { newClusterName, serverTask } from '../../support/skypilot/tasks.js'
import { startSkyPilotServer } from '../../support/skypilot-server.js'

const question = (name: string) => ({ names: [name], requestIds: new Map(), isOpen: () => true })

test('a launch that ends in the middle of a look is not taken for one that was given up', async () => {
  await using server = await startSkyPilotServer({
    faults: { provisionMs: 60_000 },
    startInstance: startPlainInstance,
  })
  await using client = createSkyPilot(server)
  const name = newClusterName()
  const requestId = await client.launch(serverTask(), name)
  await eventually('it is INIT', () => server.clusters[0]?.status === 'INIT')
  const sight = createSighter({
    client: {
      ...client,
      async requestsOf(...asked) {
        server.setFaults({ provisionMs: 0 })
        await client.wait(requestId, { hide: [] })
        return await client.requestsOf(...asked)
      },
    },
    signal: new AbortController().signal,
    logger: pino({ level: 'silent' }),
    now: Date.now,
    forceEveryMs: 0,
  })
  const { clusters, underWay } = await sight(question(name))
  assert.deepEqual(underWay.get(name), [])
  assert.equal(clusters.get(name)?.status, 'UP')
})

test('a cloud that does not answer leaves its machines as they were last seen', async () => {
  await using server = await startSkyPilotServer({ startInstance: startPlainInstance })
  await using client = createSkyPilot(server)
  const name = newClusterName()
  await client.wait(await client.launch(serverTask(), name), { hide: [] })
  const asked: string[] = []
  const sight = createSighter({
    client: {
      ...client,
      status(names, options = {}) {
        asked.push(options.refresh ?? 'NONE')
        return client.status(names, { ...options, deadlineMs: asked.length === 2 ? 0 : 60_000 })
      },
    },
    signal: new AbortController().signal,
    logger: pino({ level: 'silent' }),
    now: () => 1_000_000,
    forceEveryMs: 60_000,
  })
  for (let look = 1; look <= 2; look++) {
    const { clusters } = await sight({ ...question(name), isOpen: () => false })
    assert.equal(clusters.get(name)?.status, 'UP')
  }
  assert.deepEqual(asked, ['NONE', 'FORCE', 'NONE', 'AUTO'], 'all clouds are not asked each time')
})

test('a cloud that is slow is not waited for, nor asked again while it is', async () => {
  await using server = await startSkyPilotServer({ startInstance: startPlainInstance })
  await using client = createSkyPilot(server)
  const name = newClusterName()
  await client.wait(await client.launch(serverTask(), name), { hide: [] })
  await server.preempt(name, null)
  const cloud = new EventEmitter()
  let refreshes = 0
  const sight = createSighter({
    client: {
      ...client,
      async status(names, options = {}) {
        if (options.refresh !== undefined && ++refreshes === 1) await once(cloud, 'answers')
        return await client.status(names, options)
      },
    },
    signal: new AbortController().signal,
    logger: pino({ level: 'silent' }),
    now: Date.now,
    forceEveryMs: 60_000,
    refreshWaitMs: 10,
  })
  const asked = { ...question(name), isOpen: () => false }
  for (let look = 1; look <= 2; look++) {
    assert.equal((await sight(asked)).clusters.get(name)?.status, 'UP')
    assert.equal(refreshes, 1)
  }
  cloud.emit('answers')
  await eventually('it is gone', async () => !(await sight(asked)).clusters.has(name))
})

test('slots are given in turn, and back by work that fails', async () => {
  const slots = createSlots(2)
  let running = 0
  let most = 0
  const order: number[] = []
  const work = Array.from({ length: 9 }, (_, at) =>
    slots.run(async () => {
      most = Math.max(most, ++running)
      order.push(at)
      await Promise.resolve()
      running--
      if (at % 3 === 0) throw new Error('it failed')
    }),
  )
  const ends = await Promise.allSettled(work)
  assert.deepEqual([most, ends.filter(({ status }) => status === 'rejected').length], [2, 3])
  assert.deepEqual(order, [0, 1, 2, 3, 4, 5, 6, 7, 8])
})
