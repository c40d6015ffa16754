import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { HeldCell } from '../../src/core/held-cell.js'
import { createLimitLedger, type LedgerKind, type LimitLedger } from '../../src/core/limit-ledger.js'
import type { LimitCell } from '../../src/core/limit-cell.js'
import { RateCell } from '../../src/core/rate-cell.js'

const SHARED: LedgerKind = { shared: true, share: 1, uncertain: false }

/** One exchange of a cell with a ledger. @param need 0: nobody waits */
function exchange(cell: LimitCell, ledger: LimitLedger, need: number, now: number, id = cell.id): void {
  const [grant] = ledger.exchange([{ ...cell.request(need, 0, now), id }])
  assert.ok(grant)
  cell.granted(grant, SHARED, now)
}

test('what processes take of a rate in any stretch of time is what the bucket held and was filled with', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100_000 }),
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.tuple(fc.nat(3), fc.integer({ min: 1, max: 20 }), fc.nat(400)), { maxLength: 300 }),
      (limit, processes, requests) => {
        let now = 0
        const ledger = createLimitLedger(() => now)
        const cells = Array.from({ length: processes }, () => new RateCell('r', limit))
        let admitted = 0
        for (const [process, amount, pauseMs] of requests) {
          const cell = cells[process % processes]
          assert.ok(cell)
          now += pauseMs
          if (!cell.has(amount)) exchange(cell, ledger, amount, now)
          if (cell.has(amount)) {
            cell.take(amount, now)
            admitted += amount
          }
          for (const other of cells) if (other.isDue(now)) exchange(other, ledger, 0, now)
          assert.ok(
            admitted <= limit + (limit * now) / 60_000 + 1e-6,
            `${admitted} of ${limit} after ${now} ms`,
          )
        }
      },
    ),
  )
})

test('who asks again and again gets all that a rate lets through, from however many processes', () => {
  for (const limit of [1, 10, 60, 600, 60_000]) {
    let now = 0
    const ledger = createLimitLedger(() => now)
    const cells = Array.from({ length: 4 }, () => new RateCell('r', limit))
    let admitted = 0
    for (; now < 120_000; now++) {
      for (const cell of cells) {
        for (let tries = 0; tries < 5; tries++) {
          if (!cell.has(1) && !cell.isKnownShort(1, now)) exchange(cell, ledger, 1, now)
          if (!cell.has(1)) break
          cell.take(1, now)
          cell.settle(0)
          admitted++
        }
        if (now % 50 === 0 && cell.isDue(now)) exchange(cell, ledger, 0, now)
      }
    }
    const expected = limit * 3
    const allowed = Math.max(1, expected / 100)
    assert.ok(Math.abs(admitted - expected) <= allowed, `${limit}/min: ${admitted}, expected ${expected}`)
  }
})

test('a busy rate is asked for seldom', () => {
  let now = 0
  const ledger = createLimitLedger(() => now)
  const cell = new RateCell('r', 60_000_000)
  let exchanges = 0
  for (; now < 10_000; now++) {
    for (let i = 0; i < 5; i++) {
      if (!cell.has(1) || cell.runsLow) {
        exchange(cell, ledger, cell.has(1) ? 0 : 1, now)
        exchanges++
      }
      cell.take(1, now)
      cell.settle(0)
    }
  }
  // 50,000 requests; a lease covers about 100 ms.
  assert.ok(exchanges < 300, `${exchanges} exchanges`)
})

test('tokens that were reserved and not used come back, and those used beyond are owed', () => {
  let now = 0
  const ledger = createLimitLedger(() => now)
  const cell = new RateCell('t', 6_000)
  exchange(cell, ledger, 4_000, now)
  cell.take(4_000, now)
  cell.settle(3_000)
  assert.equal(cell.isDue(now), true)
  exchange(cell, ledger, 0, now)
  assert.equal(cell.left(now), 5_000)
  exchange(cell, ledger, 1_000, now)
  cell.take(1_000, now)
  cell.settle(1_000 - 9_000)
  exchange(cell, ledger, 0, now)
  assert.equal(cell.left(now), -4_000)
  // 100 a second: 4,000 owed and 1 to be there.
  assert.equal(Math.round(cell.waitFor(1, now)), 40_010)
  now += 41_000
  exchange(cell, ledger, 50, now)
  assert.equal(cell.has(50), true)
})

/** Two processes with a key of this limit, that ask whenever they have nothing, and a minute's share of it each. */
function startTwo(limit: number) {
  const clock = { now: 0 }
  const now = () => clock.now
  const shared = createLimitLedger(now)
  const processes = [0, 1].map(() => ({
    cell: new RateCell('r', limit),
    own: createLimitLedger(now, () => 1 / 2),
  }))
  /** Uses what there is; `alone`: of each process's own ledger. @returns how much */
  const use = (most: number, alone: boolean) => {
    let used = 0
    for (let tries = 0; tries < most; tries++) {
      for (const { cell, own } of processes) {
        if (used === most) return used
        const request = cell.request(1, 0, clock.now)
        const [grant] = alone
          ? own.exchange([request], { passing: false })
          : shared.exchange([{ ...request, give: request.give - request.debt }])
        assert.ok(grant)
        cell.granted(grant, alone ? { shared: false, share: 1 / 2, uncertain: false } : SHARED, clock.now)
        if (!cell.has(1)) continue
        cell.take(1, clock.now)
        cell.settle(0)
        used++
      }
    }
    return used
  }
  return { clock, use }
}

test('over a time without the shared ledger a rate lets through what it would have let through with it', () => {
  for (const outageMs of [500, 5_000, 30_000, 90_000, 1_800_000]) {
    const { clock, use } = startTwo(600)
    let used = use(1_000, false)
    // It is away twice, half a minute apart.
    for (const pauseMs of [30_000, 120_000]) {
      for (const end = clock.now + outageMs; clock.now < end; clock.now += 500) used += use(1_000, true)
      for (const end = clock.now + pauseMs; clock.now < end; clock.now += 500) used += use(1_000, false)
    }
    const expected = 600 + (600 * clock.now) / 60_000
    assert.ok(Math.abs(used - expected) <= 12, `${outageMs} ms: ${used} of ${expected}`)
  }
})

test('after a long time without the shared ledger a quiet key has nothing to pay', () => {
  const { clock, use } = startTwo(60)
  use(4, false)
  for (const end = clock.now + 1_800_000; clock.now < end; clock.now += 10_000) assert.equal(use(1, true), 1)
  clock.now += 1_000
  const used = use(100, false)
  assert.ok(used >= 55, `${used} of 60`)
})

test('without the shared ledger processes spend no more together than was left, however much each costs', () => {
  const budget = fc.integer({ min: 1_000, max: 100_000 })
  fc.assert(
    fc.property(
      budget,
      fc.nat(90),
      fc.array(fc.tuple(fc.nat(3), fc.integer({ min: 1, max: 2_000 }), fc.boolean()), { maxLength: 300 }),
      (limit, spentPercent, requests) => {
        const known = Math.floor((limit * spentPercent) / 100)
        const processes = [0, 1, 2, 3].map(() => {
          const cell = new HeldCell('spend', limit)
          cell.raiseFloor(known)
          const own = createLimitLedger(
            () => 0,
            () => 1 / 4,
          )
          return { cell, own }
        })
        let spent = 0
        for (const [at, cost, isBilled] of requests) {
          const one = processes[at]
          assert.ok(one)
          const { cell, own } = one
          const [grant] = own.exchange([cell.request(cost, 0, 0)], { passing: false })
          assert.ok(grant)
          cell.granted(grant, { shared: false, share: 1 / 4, uncertain: false }, 0)
          if (!cell.has(cost)) continue
          cell.take(cost, 0)
          cell.release(cost, cost)
          spent += cost
          // What ClickHouse has heard of by now, all processes learn.
          if (isBilled) for (const other of processes) other.cell.raiseFloor(known + spent)
          assert.ok(known + spent <= limit, `${known + spent} of ${limit}`)
        }
      },
    ),
  )
})

test('money that was spent without the shared ledger is told once, and not what the bill has told already', () => {
  const now = 0
  const shared = createLimitLedger(() => now)
  const ask = (cell: HeldCell, ledger: LimitLedger, kind: LedgerKind) => {
    const request = cell.request(0, 0, now)
    const [grant] = ledger.exchange([kind.shared ? { ...request, add: request.add + request.debt } : request])
    assert.ok(grant)
    cell.granted(grant, kind, now)
  }
  const alone = { shared: false, share: 1 / 2, uncertain: false }
  const cells = [0, 1].map(() => new HeldCell('spend', 1_000))
  for (const cell of cells) ask(cell, shared, SHARED)
  for (const cell of cells) {
    const own = createLimitLedger(
      () => now,
      () => 1 / 2,
    )
    ask(cell, own, alone)
    cell.take(100, now)
    cell.release(100, 100)
    ask(cell, own, alone)
  }
  // Half of it has been billed meanwhile.
  for (const cell of cells) cell.raiseFloor(100)
  for (const cell of cells) ask(cell, shared, SHARED)
  for (const cell of cells) ask(cell, shared, SHARED)
  assert.equal(cells[0]?.spent, 100)
  for (const cell of cells) cell.raiseFloor(200)
  for (const cell of cells) ask(cell, shared, SHARED)
  assert.equal(cells[0]?.spent, 200)
})

type Step = readonly [process: number, what: 'take' | 'end' | 'tick', amount: number]

test('what processes hold never exceeds the limit, and all of it can be had', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 500 }),
      fc.array(
        fc.tuple(fc.nat(3), fc.constantFrom('take', 'take', 'end', 'tick'), fc.nat(60)) as fc.Arbitrary<Step>,
        { maxLength: 400 },
      ),
      (limit, steps) => {
        let now = 0
        const held = createSharedHolds()
        const cells = Array.from({ length: 4 }, () => new HeldCell('c', limit))
        const running = cells.map(() => 0)
        const total = () => running.reduce((sum, count) => sum + count, 0)
        for (const [process, what, pause] of steps) {
          const cell = cells[process]
          assert.ok(cell)
          now += pause
          if (what === 'take') {
            if (!cell.has(1)) held.exchange(cell, process, 1, now)
            if (cell.has(1)) {
              cell.take(1, now)
              running[process] = (running[process] ?? 0) + 1
            }
          } else if (what === 'end' && (running[process] ?? 0) > 0) {
            cell.release(1)
            running[process] = (running[process] ?? 0) - 1
          } else if (cell.isDue(now)) held.exchange(cell, process, 0, now)
          assert.ok(total() <= limit, `${total()} of ${limit}`)
        }
        // When spare ones have gone back, one process can have all that is left.
        now += 1_000
        cells.forEach((cell, process) => {
          held.exchange(cell, process, 0, now)
        })
        const [first] = cells
        assert.ok(first)
        while (total() < limit) {
          if (!first.has(1)) held.exchange(first, 0, 1, now)
          assert.ok(first.has(1), `${total()} of ${limit} are held, and no more are to be had`)
          first.take(1, now)
          running[0] = (running[0] ?? 0) + 1
        }
      },
    ),
  )
})

test('while a failure may pass at any moment, what processes hold together stays within the limit', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 60 }),
      fc.array(fc.tuple(fc.nat(3), fc.boolean()), { maxLength: 120 }),
      fc.array(fc.tuple(fc.nat(3), fc.boolean()), { maxLength: 120 }),
      (limit, before, during) => {
        const held = createSharedHolds()
        const processes = [0, 1, 2, 3].map(() => ({
          cell: new HeldCell('c', limit),
          own: createLimitLedger(
            () => 0,
            () => 1 / 4,
          ),
          running: 0,
        }))
        const step = (at: number, takes: boolean, alone: boolean) => {
          const one = processes[at]
          assert.ok(one)
          if (!takes) {
            if (one.running === 0) return
            one.cell.release(1)
            one.running--
            return
          }
          if (!one.cell.has(1)) {
            if (alone) {
              const [grant] = one.own.exchange([one.cell.request(1, 0, 0)], { passing: true })
              assert.ok(grant)
              one.cell.granted(grant, { shared: false, share: 1 / 4, uncertain: true }, 0)
            } else held.exchange(one.cell, at, 1, 0)
          }
          if (!one.cell.has(1)) return
          one.cell.take(1, 0)
          one.running++
        }
        for (const at of [0, 1, 2, 3]) step(at, true, false)
        for (const [at, takes] of before) step(at, takes, false)
        // The last that all heard is the same.
        processes.forEach(({ cell }, at) => {
          held.exchange(cell, at, 0, 0)
        })
        processes.forEach(({ cell }, at) => {
          held.exchange(cell, at, 0, 0)
        })
        for (const [at, takes] of during) {
          step(at, takes, true)
          const total = processes.reduce((sum, { running }) => sum + running, 0)
          assert.ok(total <= limit, `${total} of ${limit}`)
        }
      },
    ),
  )
})

test('near its limit a slot goes back at once, far from it some are kept', () => {
  const held = createSharedHolds()
  const few = new HeldCell('few', 3)
  held.exchange(few, 0, 1, 0)
  few.take(1, 0)
  few.release(1)
  assert.equal(few.keepsTooMuch, true)

  const many = new HeldCell('many', 1_600)
  for (let i = 0; i < 10; i++) {
    if (!many.has(1)) held.exchange(many, 0, 1, 0)
    many.take(1, 0)
  }
  many.release(1)
  assert.equal(many.keepsTooMuch, false)
  assert.equal(many.has(1), true)
  assert.equal(many.isDue(100), false)
  assert.equal(many.isDue(300), true, 'nothing has come for a while')
})

test('money is reserved before and settled after, and what others know to be spent counts', () => {
  const now = 0
  const ledger = createLimitLedger(() => now)
  const cell = new HeldCell('spend', 1_000)
  exchange(cell, ledger, 600, now)
  cell.take(600, now)
  exchange(cell, ledger, 500, now)
  assert.equal(cell.has(500), false)
  assert.equal(cell.isKnownShort(500, now), true)
  cell.release(600, 100)
  exchange(cell, ledger, 500, now)
  assert.equal(cell.has(500), true)
  cell.take(500, now)
  cell.raiseFloor(700)
  exchange(cell, ledger, 1, now)
  assert.equal(cell.has(1), false, '700 are spent and 500 held')
  cell.release(500, 500)
  exchange(cell, ledger, 0, now)
  assert.equal(cell.left(), -200)
})

/** A ledger of what processes hold, which tells them apart as Redis does. */
function createSharedHolds() {
  const held = new Map<string, Map<number, number>>()
  return {
    exchange(cell: HeldCell, process: number, need: number, now: number): void {
      const request = cell.request(need, 0, now)
      const holders = held.get(cell.id) ?? new Map<number, number>()
      held.set(cell.id, holders)
      let others = 0
      for (const [other, count] of holders) if (other !== process) others += count
      const left = request.limit - others - request.held
      const granted = request.need > left ? 0 : Math.max(0, Math.min(request.want, left))
      holders.set(process, request.held + granted)
      cell.granted({ granted, left: left - granted, spent: 0 }, SHARED, now)
    },
  }
}
