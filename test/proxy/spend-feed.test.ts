import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { pino } from 'pino'
import type { TenantSpend } from '../../src/io/tenant-spend.js'
import { startSpendFeed } from '../../src/proxy/spend-feed.js'

const POLL_MS = 2_000
const at = (second: number) => new Date(Date.UTC(2026, 6, 1, 0, 0, second))

/** Ends the reading that waits. */
interface Answer {
  readonly resolve: (spend: TenantSpend) => void
  readonly reject: (error: Error) => void
}

test('reads what changed since the reading before, and everything each minute', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const asked: (Date | null)[] = []
  const told: unknown[] = []
  const feed = startSpendFeed({
    read: (since): Promise<TenantSpend> => {
      asked.push(since)
      const nanos = asked.length
      return Promise.resolve({ at: at(nanos), spent: new Map([['acme', { month: '2026-07', nanos }]]) })
    },
    apply: (...spend) => told.push(spend),
    logger: pino({ level: 'silent' }),
  })
  for (let poll = 1; poll <= 31; poll++) {
    await turn()
    t.mock.timers.tick(POLL_MS)
  }
  await feed.stop()
  assert.deepEqual(asked.slice(0, 3), [null, at(1), at(2)])
  assert.deepEqual(asked.slice(29, 32), [at(29), null, at(31)])
  assert.deepEqual(told.slice(0, 2), [
    ['acme', '2026-07', 1],
    ['acme', '2026-07', 2],
  ])
})

test('a reading that fails is told of once, and its time is asked for again; readings do not overlap', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const asked: (Date | null)[] = []
  const lines: string[] = []
  let answer: Answer | null = null
  const feed = startSpendFeed({
    read: (since) =>
      new Promise((resolve, reject) => {
        asked.push(since)
        answer = { resolve, reject }
      }),
    apply: () => {
      throw new Error('nothing was spent')
    },
    logger: pino({}, { write: (line) => lines.push(line) }),
  })
  const end = async (how: (waiting: Answer) => void) => {
    assert.ok(answer !== null)
    how(answer)
    await turn()
    t.mock.timers.tick(POLL_MS)
  }
  const nothing = (second: number): TenantSpend => ({ at: at(second), spent: new Map() })
  t.mock.timers.tick(3 * POLL_MS)
  assert.equal(asked.length, 1)
  await end(({ resolve }) => resolve(nothing(1)))
  await end(({ reject }) => reject(new Error('away')))
  await end(({ reject }) => reject(new Error('away')))
  await end(({ resolve }) => resolve(nothing(2)))
  await end(({ reject }) => reject(new Error('away again')))
  assert.deepEqual(asked, [null, at(1), at(1), at(1), at(2), at(2)])
  assert.equal(lines.length, 2)
  const stopped = feed.stop()
  await end(({ resolve }) => resolve(nothing(3)))
  await stopped
  assert.equal(asked.length, 6)
})
