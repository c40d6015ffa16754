import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { createLimitLedger, type LimitRequest } from '../../src/core/limit-ledger.js'
import { createLimitStore } from '../../src/io/limit-store.js'
import { createRedis, type RedisClient, redisReady } from '../../src/io/redis.js'
import { type FreshRedis, freshRedis } from '../support/stores.js'

let server: FreshRedis
let redis: RedisClient

before(async () => {
  server = await freshRedis()
  redis = createRedis({ url: server.url, commandTimeoutMs: 5_000 })
  await redisReady(redis, 10_000)
})
after(async () => {
  redis.disconnect()
  await server[Symbol.asyncDispose]()
})

const rate = (id: string, limit: number, numbers: Partial<LimitRequest> = {}): LimitRequest =>
  ({ kind: 'rate', id, limit, give: 0, debt: 0, need: 0, want: 0, seed: limit, ...numbers }) as LimitRequest
const held = (id: string, limit: number, numbers: Partial<LimitRequest> = {}): LimitRequest =>
  ({
    kind: 'held',
    id,
    limit,
    add: 0,
    debt: 0,
    floor: 0,
    held: 0,
    need: 0,
    want: 0,
    seed: 0,
    anew: false,
    seen: null,
    ...numbers,
  }) as LimitRequest

const amount = fc.nat(30)
const anyRequest = fc.oneof(
  fc
    .record({
      id: fc.constantFrom('a', 'b'),
      give: fc.integer({ min: -20, max: 20 }),
      need: amount,
      ahead: amount,
      seed: amount,
    })
    // As slow as that, what is filled in while the test runs is next to nothing.
    .map(({ id, ahead, ...numbers }) => rate(id, 30, { ...numbers, want: numbers.need + ahead })),
  fc
    .record({
      id: fc.constantFrom('c', 'd'),
      add: fc.nat(9),
      floor: fc.nat(40),
      held: amount,
      need: amount,
      ahead: amount,
      seed: fc.nat(20),
    })
    .map(({ id, ahead, ...numbers }) => held(id, 60, { ...numbers, want: numbers.need + ahead })),
)

test('Redis and the ledger in memory answer every sequence of exchanges alike', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uniqueArray(anyRequest, { selector: ({ id }) => id, minLength: 1 }), { maxLength: 20 }),
      async (exchanges) => {
        const store = createLimitStore(redis, 'process')
        const ledger = createLimitLedger(() => 0)
        const tenant = randomUUID()
        const from = performance.now()
        for (const requests of exchanges) {
          const [theirs, ours] = [await store.exchange(tenant, requests), ledger.exchange(requests)]
          // Redis has a clock, and the ledger's stands still.
          fc.pre(performance.now() - from < 500)
          assert.equal(theirs.length, ours.length)
          theirs.forEach(({ granted, left, spent }, at) => {
            const expected = ours[at]
            assert.ok(expected)
            assert.equal(granted, expected.granted)
            assert.equal(spent, expected.spent)
            assert.ok(Math.abs(left - expected.left) < 0.5, `${left} left, expected ${expected.left}`)
          })
        }
      },
    ),
    { numRuns: 200 },
  )
})

test('nothing is granted of one limit when another one is spent', async () => {
  const store = createLimitStore(redis, 'process')
  const tenant = randomUUID()
  const grants = await store.exchange(tenant, [
    rate('key', 10, { need: 1, want: 5 }),
    rate('tenant', 3, { need: 4, want: 4 }),
  ])
  assert.deepEqual(
    grants.map(({ granted, left }) => [granted, left]),
    [
      [0, 10],
      [0, 3],
    ],
  )
})

test('a bucket fills at a sixtieth of its limit a second, and no further than the limit', async () => {
  const store = createLimitStore(redis, 'process')
  const tenant = randomUUID()
  const startedAt = performance.now()
  const [emptied] = await store.exchange(tenant, [rate('r', 600, { need: 600, want: 600 })])
  assert.deepEqual(emptied, { granted: 600, left: 0, spent: 0 })
  await sleep(500)
  const [refilled] = await store.exchange(tenant, [rate('r', 600)])
  const elapsed = performance.now() - startedAt
  const left = refilled?.left ?? 0
  assert.ok(left >= 4.9 && left <= elapsed / 100, `${left} after ${elapsed} ms`)
  const [full] = await store.exchange(tenant, [rate('r', 5, { give: 100 })])
  assert.equal(full?.left, 5, 'a lower limit holds at once')
})

test('what a process held that says nothing more is free when its lease has run out', async () => {
  const [one, other] = [createLimitStore(redis, 'one'), createLimitStore(redis, 'other')]
  const tenant = randomUUID()
  const startedAt = performance.now()
  const [first] = await one.exchange(tenant, [held('c', 3, { need: 1, want: 3 })])
  assert.equal(first?.granted, 3)
  const [none] = await other.exchange(tenant, [held('c', 3, { need: 1, want: 1 })])
  assert.deepEqual(none, { granted: 0, left: 0, spent: 0 })
  for (;;) {
    const [grant] = await other.exchange(tenant, [held('c', 3, { need: 1, want: 1 })])
    if (grant?.granted === 1) break
    assert.ok(performance.now() - startedAt < 10_000, 'the lease does not run out')
    await sleep(50)
  }
  assert.ok(performance.now() - startedAt > 3_000, 'the lease ran out too soon')
})

test('money that was spent stays spent, whoever held it', async () => {
  const [one, other] = [createLimitStore(redis, 'one'), createLimitStore(redis, 'other')]
  const tenant = randomUUID()
  const budget = 9_000_000_000_000_000 - 1
  await one.exchange(tenant, [held('spend', budget, { need: 10, want: 10 })])
  await one.exchange(tenant, [held('spend', budget, { add: 7 })])
  const [seen] = await other.exchange(tenant, [held('spend', budget, { floor: 5 })])
  assert.deepEqual(seen, { granted: 0, left: budget - 7, spent: 7 })
  const [raised] = await other.exchange(tenant, [
    held('spend', budget, { floor: budget - 3, need: 4, want: 4 }),
  ])
  assert.deepEqual(raised, { granted: 0, left: 3, spent: budget - 3 })
})

test('a Redis that has lost its data goes on from what the processes know', async () => {
  const store = createLimitStore(redis, 'process')
  const tenant = randomUUID()
  const [bucket, money] = await store.exchange(tenant, [
    rate('r', 60, { seed: 7 }),
    held('spend', 100, { seed: 90, add: 2 }),
  ])
  assert.deepEqual([bucket?.left, money], [7, { granted: 0, left: 8, spent: 92 }])
  const [again] = await store.exchange(tenant, [held('spend', 100, { seed: 95, add: 1 })])
  assert.equal(again?.spent, 93, 'what Redis knows is what counts')
})

test('the script is loaded again when the server has lost it', async () => {
  const store = createLimitStore(redis, 'process')
  await store.exchange(randomUUID(), [rate('r', 1)])
  await redis.script('FLUSH')
  const [grant] = await store.exchange(randomUUID(), [rate('r', 1, { need: 1, want: 1 })])
  assert.equal(grant?.granted, 1)
})

test('processes are counted while they say that they are there', async () => {
  await redis.del('crosslogic:limits:processes')
  const [one, other] = [createLimitStore(redis, 'one'), createLimitStore(redis, 'other')]
  assert.equal((await one.present()).processes, 1)
  assert.equal((await other.present()).processes, 2)
  await other.leave()
  assert.equal((await one.present()).processes, 1)
})
