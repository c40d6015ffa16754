import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { decodeLoadReport, LOAD_TOPIC, type LoadReport } from '../../src/core/load-report.js'
import { ANY_REQUEST } from '../../src/core/policies/policy.js'
import { DEFAULT_ROUTE, type Snapshot } from '../../src/core/snapshot.js'
import { type Bus, createBus } from '../../src/io/bus.js'
import { createRedis, redisReady } from '../../src/io/redis.js'
import { type LoadLeases, startLoadLeases } from '../../src/proxy/load-leases.js'
import { createRouter, type Router } from '../../src/proxy/routing.js'
import type { Target } from '../../src/proxy/target.js'
import { MODEL, nodeOf } from '../support/routed-model.js'
import { freshDatabase, freshRedis } from '../support/stores.js'

const snapshot: Snapshot = {
  version: 1,
  models: [MODEL],
  nodes: ['a', 'b'].map((name) => nodeOf(name, { maxConcurrency: 4 })),
  routes: [{ ...DEFAULT_ROUTE, modelId: MODEL.id }],
  deployments: [],
}

interface View {
  readonly router: Router
  readonly leases: LoadLeases
  readonly reliefs: { count: number }
  target(id: string): Target
}

/** What a proxy has of its nodes, without the proxy. */
function viewOn(bus: Pick<Bus, 'publish' | 'subscribe'>, process: string): View {
  const router = createRouter({ now: Date.now, random: Math.random })
  router.apply(snapshot)
  const reliefs = { count: 0 }
  const leases = startLoadLeases({
    bus,
    targets: () => router.targets,
    demand: (nowMs, isRepeated) => router.demand(nowMs, isRepeated),
    process,
    now: Date.now,
    onRelief: () => {
      reliefs.count++
    },
  })
  return {
    router,
    leases,
    reliefs,
    target(id) {
      const target = router.targets.get(id)
      assert.ok(target !== undefined)
      return target
    },
  }
}

/** Waits for something that is to become true; the bound is for hangs alone. */
async function eventually(look: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 20_000
  while (!look()) {
    if (performance.now() > deadline) throw new Error(`not within 20 s: ${what}`)
    await sleep(20)
  }
}

async function sharedByTwo(one: Bus, other: Bus): Promise<void> {
  await eventually(() => one.connected && other.connected, 'both are on the bus')
  const first = viewOn(one, 'one')
  const second = viewOn(other, 'other')
  try {
    for (let i = 0; i < 4; i++) first.target('a').enter()
    second.target('b').enter()
    await eventually(() => second.target('a').load === 4, 'the second knows what the first has')
    await eventually(() => first.target('b').load === 1, 'the first knows what the second has')
    assert.equal(second.target('a').inFlight, 0)
    assert.equal(second.target('a').unavailable(Date.now()), 'full')
    const route = second.router.find('big')
    assert.ok(route !== undefined)
    for (let i = 0; i < 20; i++) {
      const picked = second.router.pick(route, { ...ANY_REQUEST, session: null }, [])
      assert.ok(typeof picked !== 'string' && picked.id === 'b')
    }
    for (let i = 0; i < 4; i++) first.target('a').leave()
    await eventually(() => second.target('a').load === 0, 'the second knows that the first has none')
    assert.ok(second.reliefs.count > 0)
  } finally {
    await first.leases.stop()
    await second.leases.stop()
  }
}

test('two proxies know of each other what they have at a node, over Redis', async () => {
  await using server = await freshRedis()
  const redis = createRedis({ url: server.url })
  try {
    await redisReady(redis, 5_000)
    await using one = createBus({ redis })
    await using other = createBus({ redis })
    await sharedByTwo(one, other)
  } finally {
    redis.disconnect()
  }
})

test('two proxies know of each other what they have at a node, over Postgres', async () => {
  await using database = await freshDatabase()
  await using one = createBus({ postgresUrl: database.url })
  await using other = createBus({ postgresUrl: database.url })
  await sharedByTwo(one, other)
})

test('what a proxy that died had is gone within seconds, and messages that are none do no harm', async () => {
  await using server = await freshRedis()
  const redis = createRedis({ url: server.url })
  try {
    await redisReady(redis, 5_000)
    await using bus = createBus({ redis })
    await using dying = createBus({ redis })
    await eventually(() => bus.connected && dying.connected, 'both are on the bus')
    let dead = false
    const publish: Bus['publish'] = (topic, message) =>
      dead ? Promise.resolve(false) : dying.publish(topic, message)
    const victim = viewOn(
      { publish, subscribe: (topic, listener) => dying.subscribe(topic, listener) },
      'victim',
    )
    const survivor = viewOn(bus, 'survivor')
    try {
      victim.target('a').enter()
      await eventually(() => survivor.target('a').load === 1, 'the survivor knows')
      dead = true
      await bus.publish('load', '{"process":"victim"}')
      await bus.publish('load', '\u0000')
      await eventually(() => survivor.target('a').load === 0, 'the lease has run out')
    } finally {
      await victim.leases.stop()
      await survivor.leases.stop()
    }
  } finally {
    redis.disconnect()
  }
})

test('an idle proxy says that it lives, what is wanted of its models, and at last that it ends', async () => {
  await using database = await freshDatabase()
  await using bus = createBus({ postgresUrl: database.url })
  await eventually(() => bus.connected, 'it is on the bus')
  const reports: LoadReport[] = []
  bus.subscribe(LOAD_TOPIC, (message) => {
    const report = decodeLoadReport(message)
    if (report !== null) reports.push(report)
  })
  const { router, leases } = viewOn(bus, 'one')
  await eventually(() => reports.length >= 3, 'it says so though there is nothing to say')
  assert.ok(reports.every(({ nodes, models, isLast }) => nodes.length + models.length === 0 && !isLast))
  const { traffic } = router.find('big') ?? {}
  const askedAt = Date.now()
  traffic?.demand.requested(askedAt)
  traffic?.demand.firstToken(250, askedAt)
  traffic?.queue.enterCold({ tenantId: 't', weight: 1, tryPlace: () => false }, 5)
  await eventually(() => reports.some(({ models }) => models.length > 0), 'it tells of the model')
  const { ttft, ...told } = reports.findLast(({ models }) => models.length > 0)?.models[0] ?? { ttft: [] }
  assert.deepEqual(told, { modelId: MODEL.id, waiting: 1, lastRequestAtMs: askedAt })
  assert.deepEqual(
    ttft.map(([, count]) => count),
    [1],
  )
  await leases.stop()
  await eventually(() => reports.at(-1)?.isLast === true, 'its last report says that it ends')
})
