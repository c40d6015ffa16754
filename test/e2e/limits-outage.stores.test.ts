import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startSimulatedNode } from '../../bench/nodes.js'
import { judgeAdmitted } from '../support/limits/admitted-bound.js'
import { startHammer } from '../support/limits/hammer.js'
import { startLimitBed, type LimitBed } from '../support/limits/limit-bed.js'
import { startStoppableStores, type StoppableStore } from '../support/stoppable-stores.js'

const MODEL = 'sim'
/** 10 a second. What a bucket holds is a minute's: small enough to be used up in a second or two. */
const PER_MINUTE = 600
const PER_SECOND = PER_MINUTE / 60
const CONCURRENCY = 8
const CONNECTIONS = 32
const OUTAGE_MS = 5_000
/** A request under way waits for the store at most so long before its process goes by itself. */
const NOTICED_MS = 1_500
/** Long enough for all processes to be back, and to tell what they let through by themselves. */
const AFTER_MS = 8_000
/** A process that got one slow answer from Redis goes by its share for some seconds: then the next round counts. */
const ROUNDS = 3

interface Phase {
  readonly from: number
  readonly until: number
}

/** Hammers a key while Redis is taken away for some seconds, and once it is back. */
async function outage(
  t: TestContext,
  bed: LimitBed,
  redis: StoppableStore,
  how: 'hang' | 'kill',
): Promise<void> {
  const key = await bed.key({ rate_limit_per_minute: PER_MINUTE })
  const busy = await bed.key({ max_concurrency: CONCURRENCY })
  const body = { model: MODEL, max_tokens: 1, messages: [{ role: 'user', content: 'Hello' }] }
  const hammer = await startHammer({ ports: bed.ports, key, connections: CONNECTIONS, body })
  const slots = await startHammer({
    ports: bed.ports,
    key: busy,
    connections: CONNECTIONS,
    body: { ...body, stream: true, max_tokens: 10, sim_itl_ms: 20 },
  })
  await sleep(5_000)
  const goneAt = performance.now()
  await redis[how]()
  await sleep(OUTAGE_MS)
  redis.resume()
  const backAt = performance.now()
  await sleep(AFTER_MS)
  const run = await hammer.stop()
  const ofSlots = await slots.stop()

  const within = ({ from, until }: Phase, of: typeof run) =>
    of.admitted.filter(({ sentAt }) => sentAt >= from && sentAt < until).length
  const away = within({ from: goneAt, until: backAt }, run)
  const late = within({ from: goneAt + NOTICED_MS, until: backAt }, run)
  const seconds = (run.lastSentAt - run.firstSentAt) / 1000
  const once = judgeAdmitted({ perMinute: PER_MINUTE, admitted: run.admitted.length, seconds })
  t.diagnostic(
    `Redis ${how}: ${away} admitted in ${((backAt - goneAt) / 1000).toFixed(1)} s without it, where ` +
      `${((backAt - goneAt) / 1000) * PER_SECOND} flow in; in all ${once.text}`,
  )
  for (const { broken, lost } of [run, ofSlots]) assert.deepEqual([broken, lost], [0, 0])
  // The bucket was empty, and what processes had of it goes on filling: no burst, whatever is answered late.
  const most = ((backAt - goneAt) / 1000 + NOTICED_MS / 1000) * PER_SECOND
  assert.ok(away <= most + PER_MINUTE / 10, `${away} were admitted where ${most} flow in`)
  assert.ok(late > 0, 'nothing was admitted without Redis')
  assert.ok(
    within({ from: goneAt + NOTICED_MS, until: backAt }, ofSlots) > 0,
    'no slot was given without Redis',
  )
  // A Redis that comes back empty begins with what processes know, and not with a full bucket.
  assert.ok(
    run.admitted.length <= once.expected * 1.1 + once.tolerance,
    `more than a tenth over the limit: ${once.text}`,
  )
}

test('Redis hangs and is killed under load: never unlimited, never a stop, and exact again', async (t) => {
  await using stores = await startStoppableStores()
  await using bed = await startLimitBed(stores)
  await using node = await startSimulatedNode({ models: [MODEL] })
  await bed.serve(MODEL, node)
  await outage(t, bed, stores.redis, 'hang')
  await outage(t, bed, stores.redis, 'kill')

  // Exact again: a key that was not there before gets what it should, to the percent.
  let isExact = false
  for (let round = 1; round <= ROUNDS && !isExact; round++) {
    const key = await bed.key({ rate_limit_per_minute: PER_MINUTE })
    const body = { model: MODEL, max_tokens: 1, messages: [{ role: 'user', content: 'Hello' }] }
    const hammer = await startHammer({ ports: bed.ports, key, connections: CONNECTIONS, body })
    await sleep(10_000)
    const run = await hammer.stop()
    const seconds = (run.lastSentAt - run.firstSentAt) / 1000
    const verdict = judgeAdmitted({ perMinute: PER_MINUTE, admitted: run.admitted.length, seconds })
    t.diagnostic(`after both, round ${round}: ${verdict.text}`)
    isExact = verdict.ok
  }
  assert.ok(isExact, `not exact in any of ${ROUNDS} rounds`)
})
