import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { FairQueue, type QueueTicket } from '../../src/core/fair-queue.js'

function drained<T>(queue: FairQueue<T>): T[] {
  const items: T[] = []
  for (let item = queue.shift(); item !== null; item = queue.shift()) items.push(item)
  return items
}

test('everything that is pushed and not removed comes out once, in order within its flow', () => {
  const operation = fc.oneof(
    { weight: 4, arbitrary: fc.record({ push: fc.constantFrom('a', 'b', 'c', 'd') }) },
    { weight: 2, arbitrary: fc.constant('shift' as const) },
    { weight: 1, arbitrary: fc.record({ remove: fc.nat() }) },
  )
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 200 }), (operations) => {
      const queue = new FairQueue<string>()
      const waiting = new Map<string, QueueTicket<string>>()
      const out: string[] = []
      let count = 0
      for (const step of operations) {
        if (step === 'shift') {
          const item = queue.shift()
          assert.equal(item === null, waiting.size === 0)
          if (item === null) continue
          assert.ok(waiting.delete(item), 'nothing comes out twice')
          out.push(item)
        } else if ('push' in step) {
          const item = `${step.push}${String(count++).padStart(4, '0')}`
          waiting.set(item, queue.push(item, step.push, 1 + (count % 3)))
        } else {
          const [name, ticket] = [...waiting][step.remove % Math.max(1, waiting.size)] ?? []
          if (name === undefined || ticket === undefined) continue
          assert.equal(queue.remove(ticket), true)
          assert.equal(queue.remove(ticket), false)
          waiting.delete(name)
        }
        assert.equal(queue.size, waiting.size)
      }
      const rest = drained(queue)
      assert.deepEqual([...rest].sort(), [...waiting.keys()].sort())
      for (const flow of 'abcd') {
        const own = [...out, ...rest].filter((item) => item.startsWith(flow))
        assert.deepEqual(own, [...own].sort())
      }
    }),
  )
})

test('turns follow the weights of flows that have enough waiting, to within one turn of each', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 6 }), (weights) => {
      const queue = new FairQueue<number>()
      const turns = 40 * weights.length
      weights.forEach((weight, flow) => {
        for (let index = 0; index < 400; index++) queue.push(flow, String(flow), weight)
      })
      const had = weights.map(() => 0)
      for (let turn = 0; turn < turns; turn++) {
        const flow = queue.shift() ?? -1
        had[flow] = (had[flow] ?? 0) + 1
      }
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      weights.forEach((weight, flow) => {
        const due = (turns * weight) / total
        // One turn of its own, and one of each flow that has to be waited for, in units of its weight.
        const slack = 1 + (weight * weights.length) / total
        assert.ok(Math.abs((had[flow] ?? 0) - due) <= slack, `${had.join()} for ${weights.join()}`)
      })
    }),
  )
})

test('a flood delays itself: who comes with one request waits for at most one turn of each other', () => {
  const queue = new FairQueue<string>()
  for (let index = 0; index < 1_000; index++) queue.push('flood', 'flood', 1)
  // The flood has had its turns for a while.
  for (let index = 0; index < 50; index++) queue.shift()
  const guests = Array.from({ length: 9 }, (_, index) => `guest ${index}`)
  for (const guest of guests) queue.push(guest, guest, 1)
  const first = Array.from({ length: 10 }, () => queue.shift())
  assert.deepEqual(first.filter((item) => item !== 'flood').sort(), guests)
})

test('a flow that stayed away has saved up nothing', () => {
  const queue = new FairQueue<string>()
  for (let index = 0; index < 100; index++) queue.push('a', 'a', 1)
  for (let index = 0; index < 50; index++) queue.shift()
  for (let index = 0; index < 50; index++) queue.push('b', 'b', 1)
  const next = Array.from({ length: 20 }, () => queue.shift())
  const own = next.filter((item) => item === 'a').length
  assert.ok(own >= 9, `a had ${own} of 20 turns`)
})

test('the turns before a newcomer are foretold', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 1, max: 4 })), { maxLength: 60 }),
      fc.nat({ max: 30 }),
      (pushes, shifts) => {
        const weights = new Map<string, number>()
        const queue = new FairQueue<string>()
        for (const [flow, weight] of pushes) {
          if (!weights.has(flow)) weights.set(flow, weight)
          queue.push(flow, flow, weights.get(flow) ?? 1)
        }
        for (let index = 0; index < shifts; index++) queue.shift()
        const foretold = queue.turnsBefore('new', 1)
        queue.push('new', 'new', 1)
        const waited = drained(queue).indexOf('new')
        // It is told for the end of its turn, so one turn of each other flow may be too many, by their weights.
        const slack = [...weights.values()].reduce((sum, weight) => sum + weight + 1, 0)
        assert.ok(
          foretold >= waited - weights.size && foretold <= waited + slack,
          `${foretold} for ${waited}`,
        )
      },
    ),
  )
})
