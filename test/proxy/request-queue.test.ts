import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RequestQueue, type Waiter } from '../../src/proxy/request-queue.js'
import { RetryBudget } from '../../src/proxy/retry-budget.js'

const SETTINGS = { maxDepth: 100, maxWaitMs: 1_000 }

/** A queue in front of a number of slots, in virtual time. */
function queueWithSlots() {
  const clock = { now: 1 }
  const queue = new RequestQueue(() => clock.now)
  let free = 0
  const served: string[] = []
  const waiter = (tenantId: string, weight = 1): Waiter => ({
    tenantId,
    weight,
    tryPlace() {
      if (free === 0) return false
      free--
      served.push(tenantId)
      return true
    },
  })
  return {
    clock,
    queue,
    served,
    waiter,
    release: (slots = 1) => {
      free += slots
      queue.dispatch()
    },
  }
}

test('serves as many as there is room for, tenants in turn', () => {
  const { queue, served, waiter, release } = queueWithSlots()
  for (const tenant of ['a', 'a', 'a', 'b', 'c']) assert.ok(queue.enter(waiter(tenant), SETTINGS))
  assert.equal(queue.size, 5)
  release(3)
  assert.deepEqual(served, ['a', 'b', 'c'])
  release(5)
  assert.deepEqual(served, ['a', 'b', 'c', 'a', 'a'])
  assert.equal(queue.size, 0)
})

test('who has been at a node before goes first, and holds up nobody', () => {
  const { queue, served, waiter, release } = queueWithSlots()
  queue.enter(waiter('a'), SETTINGS)
  queue.enterAgain(waiter('again'))
  const stuck = { ...waiter('stuck'), tryPlace: () => false }
  const place = queue.enterAgain(stuck)
  release(2)
  assert.deepEqual(served, ['again', 'a'])
  assert.equal(queue.size, 1)
  place.leave()
  place.leave()
  assert.equal(queue.size, 0)
})

test('is bounded, and takes those again who come back when there is room', () => {
  const { queue, waiter, release } = queueWithSlots()
  const settings = { maxDepth: 2, maxWaitMs: 1_000 }
  assert.equal(queue.enter(waiter('a'), settings)?.position, 1)
  assert.equal(queue.enter(waiter('a'), settings)?.position, 2)
  assert.equal(queue.enter(waiter('b'), settings), null)
  release()
  assert.ok(queue.enter(waiter('b'), settings))
})

test('refuses early whom it cannot serve in time, by the pace so far', () => {
  const { clock, queue, waiter, release } = queueWithSlots()
  // One slot becomes free every 100 ms.
  for (let index = 0; index < 20; index++) queue.enter(waiter('a'), { maxDepth: 100, maxWaitMs: 1e9 })
  for (let index = 0; index < 10; index++) {
    clock.now += 100
    release()
  }
  assert.equal(queue.size, 10)
  // Ten of its own are in front, a pace of 100 ms: 1.1 s.
  assert.equal(queue.enter(waiter('a'), { maxDepth: 100, maxWaitMs: 1_000 }), null)
  assert.ok(Math.abs(queue.expectedWaitMs('a', 1) - 1_100) < 1)
  // Of another tenant's only one turn is.
  assert.ok(queue.enter(waiter('b'), { maxDepth: 100, maxWaitMs: 1_000 }))
})

test('a pace that has come to a halt promises nothing', () => {
  const { clock, queue, waiter, release } = queueWithSlots()
  queue.enter(waiter('a'), SETTINGS)
  queue.enter(waiter('a'), SETTINGS)
  clock.now += 10
  release()
  clock.now += 5_000
  assert.equal(queue.enter(waiter('b'), SETTINGS), null)
})

test('how long a launch took is no pace', () => {
  const { clock, queue, waiter, release, served } = queueWithSlots()
  for (let index = 0; index < 3; index++) assert.ok(queue.enterCold(waiter('a'), 3))
  assert.equal(queue.enterCold(waiter('a'), 3), null)
  clock.now += 500_000
  assert.equal(queue.expectedWaitMs('b', 1), 0)
  release(1)
  assert.deepEqual(served, ['a'])
  assert.ok(queue.enter(waiter('b'), SETTINGS))
  clock.now += 100
  release(3)
  assert.ok(queue.enter(waiter('b'), SETTINGS))
})

test('a placing that makes room at once serves the next in the same turn, each once', () => {
  const clock = { now: 1 }
  const queue = new RequestQueue(() => clock.now)
  const served: number[] = []
  for (let index = 0; index < 5; index++) {
    queue.enter(
      {
        tenantId: 'a',
        weight: 1,
        tryPlace() {
          served.push(index)
          queue.dispatch()
          return true
        },
      },
      SETTINGS,
    )
  }
  queue.dispatch()
  assert.deepEqual(served, [0, 1, 2, 3, 4])
})

test('retries are at most their share of what is under way, and three at least', () => {
  fc.assert(
    fc.property(fc.nat({ max: 200 }), fc.integer({ min: 1, max: 100 }), (active, percent) => {
      const budget = new RetryBudget()
      for (let index = 0; index < active; index++) budget.requestBegan()
      let retries = 0
      while (budget.tryBegin(percent)) retries++
      assert.equal(retries, Math.max(3, Math.ceil((active * percent) / 100)))
      budget.retryEnded()
      assert.equal(budget.tryBegin(percent), true)
      assert.equal(budget.tryBegin(0), false)
    }),
  )
})
