import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { type StoreUrls, withControlBed } from '../../bench/resilience/control-bed.js'
import { killUnderChanges, type ControlReport } from '../../bench/resilience/kill-control.js'
import { killLeaders } from '../../bench/resilience/takeover.js'
import { seededRandom } from '../../bench/nodes/random.js'
import { startStores } from '../support/stores.js'

/** Launches, backoff and drains on a busy machine. */
const SETTLE_MS = 180_000

async function startedStores(): Promise<{ env: StoreUrls } & AsyncDisposable> {
  const stores = await startStores()
  const { databaseUrl, clickhouseUrl, redisUrl } = stores
  assert.ok(redisUrl !== null)
  return {
    env: { DATABASE_URL: databaseUrl, CLICKHOUSE_URL: clickhouseUrl, REDIS_URL: redisUrl },
    [Symbol.asyncDispose]: () => stores[Symbol.asyncDispose](),
  }
}

function assertAsWanted({ differences, twice, unknown }: ControlReport): void {
  assert.deepEqual({ differences, twice, unknown }, { differences: [], twice: [], unknown: [] })
}

const noteOf = (t: TestContext) => (line: string) => {
  t.diagnostic(line)
}

test('a control process that is killed at any moment ends with the nodes that are wanted, launched once each', async (t) => {
  await using stores = await startedStores()
  const report = await withControlBed(1, stores.env, (bed) =>
    killUnderChanges({
      ...bed,
      kills: 4,
      killsInARow: 4,
      settleMs: SETTLE_MS,
      random: seededRandom(7),
      note: noteOf(t),
    }),
  )
  t.diagnostic(`${report.changes} changes, ${report.launched} machines launched`)
  assertAsWanted(report)
})

test('when the leader of two control processes is killed while it scales, the other ends what it began, nothing twice', async (t) => {
  await using stores = await startedStores()
  const report = await withControlBed(2, stores.env, (bed) =>
    killLeaders({ ...bed, kills: 2, settleMs: SETTLE_MS, random: seededRandom(4), note: noteOf(t) }),
  )
  t.diagnostic(`taken over after ${report.takenOverMs.map(Math.round).join(' and ')} ms (promised: 10,000)`)
  assertAsWanted(report)
  // Three seconds are usual at most; the rest is for a busy machine.
  assert.ok(report.takenOverMs.every((ms) => ms < 60_000))
})
