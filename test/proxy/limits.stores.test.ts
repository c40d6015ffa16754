import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import pino from 'pino'
import { GatewayError } from '../../src/core/errors.js'
import type { ResolvedKey } from '../../src/core/resolved-key.js'
import { type Limits as KeyLimits, UNLIMITED } from '../../src/core/tiers.js'
import { createLimitStore, type LimitStore } from '../../src/io/limit-store.js'
import { createRedis, type RedisClient, redisReady } from '../../src/io/redis.js'
import type { Ask } from '../../src/proxy/key-limits.js'
import { type Limits, monthAt, startLimits } from '../../src/proxy/limits.js'
import type { Reservation } from '../../src/proxy/reservation.js'
import { eventually } from '../support/processes.js'
import { resolvedKey } from '../support/resolved-key.js'
import { type FreshRedis, freshRedis } from '../support/stores.js'

let server: FreshRedis
let redis: RedisClient
const logger = pino({ level: 'silent' })

before(async () => {
  server = await freshRedis()
  redis = createRedis({ url: server.url, commandTimeoutMs: 4_000 })
  await redisReady(redis, 10_000)
})
after(async () => {
  redis.disconnect()
  await server[Symbol.asyncDispose]()
})

interface Process extends AsyncDisposable {
  readonly limits: Limits
  /** Processes that it has heard of. */
  readonly heard: () => number
}

/** What one proxy process has. @param shared false: without Redis */
async function startProcess(shared = true): Promise<Process> {
  let heard = 0
  const store = createLimitStore(redis, randomUUID())
  const hearing: LimitStore = {
    ...store,
    async present() {
      const there = await store.present()
      heard = there.processes
      return there
    },
  }
  const limits = startLimits({
    store: shared ? hearing : null,
    leastProcesses: 1,
    logger,
    now: () => performance.now(),
    date: Date.now,
    onExchange: () => {},
  })
  await limits.ready()
  return { limits, heard: () => heard, [Symbol.asyncDispose]: () => limits.stop() }
}

function keyWith(limits: Partial<KeyLimits>, more: Partial<ResolvedKey> = {}): ResolvedKey {
  return resolvedKey({
    keyId: randomUUID(),
    environmentId: randomUUID(),
    tenantId: randomUUID(),
    limits: { key: { ...UNLIMITED, ...limits }, environment: UNLIMITED, tenant: UNLIMITED },
    ...more,
  })
}

const ONE: Ask = { tokens: 10, stated: 10, nanos: 0 }

async function admit({ limits }: Pick<Process, 'limits'>, key: ResolvedKey, ask = ONE): Promise<Reservation> {
  return limits.take(key, ask) ?? (await limits.ask(key, ask))
}

/** The reservation, or why there is none. */
async function tryAdmit(
  process: Pick<Process, 'limits'>,
  key: ResolvedKey,
  ask = ONE,
): Promise<Reservation | GatewayError> {
  try {
    return await admit(process, key, ask)
  } catch (error) {
    if (error instanceof GatewayError) return error
    throw error
  }
}

async function refusal(process: Pick<Process, 'limits'>, key: ResolvedKey, ask = ONE): Promise<GatewayError> {
  const answer = await tryAdmit(process, key, ask)
  assert.ok(answer instanceof GatewayError, 'the request was let through')
  return answer
}

test('of a slow limit every process gets what is left of it, and no more', async () => {
  await using one = await startProcess()
  await using other = await startProcess()
  const key = keyWith({ rate_limit_per_minute: 5 })
  const startedAt = performance.now()
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, at) => tryAdmit(at % 2 === 0 ? one : other, key)),
  )
  const admitted = answers.filter((answer) => !(answer instanceof GatewayError))
  assert.equal(admitted.length, 5)
  const refused = await refusal(one, key)
  assert.deepEqual([refused.status, refused.code, refused.type], [429, 'rate_limit_exceeded', 'requests'])
  assert.match(
    refused.message,
    /this API key may make 5 requests per minute\. Try again in (?:[1-9]|1[0-2])s\.$/,
  )
  const { retryAfterMs = 0 } = refused
  assert.ok(retryAfterMs <= 12_000 && retryAfterMs >= 12_000 - (performance.now() - startedAt) - 50)
  assert.equal(refused.headers?.['x-ratelimit-remaining-requests'], '0')
})

test('the headers say what is left of the scope with the least', async () => {
  await using process = await startProcess()
  const key = keyWith(
    { rate_limit_per_minute: 50, tokens_per_minute: 6_000 },
    {
      limits: {
        key: { rate_limit_per_minute: 50, tokens_per_minute: 6_000, max_concurrency: null },
        environment: { ...UNLIMITED, rate_limit_per_minute: 20 },
        tenant: { ...UNLIMITED, tokens_per_minute: 4_000 },
      },
    },
  )
  const reservation = await admit(process, key, { tokens: 1_000, stated: 1_000, nanos: 0 })
  assert.deepEqual(reservation.headers(), {
    'x-ratelimit-limit-requests': '20',
    'x-ratelimit-limit-tokens': '4000',
    'x-ratelimit-remaining-requests': '19',
    'x-ratelimit-remaining-tokens': '3000',
    'x-ratelimit-reset-requests': '3s',
    'x-ratelimit-reset-tokens': '15s',
  })
})

test('tokens are reserved before and settled after', async () => {
  await using one = await startProcess()
  await using other = await startProcess()
  const key = keyWith({ tokens_per_minute: 1_000 })
  const first = await admit(one, key, { tokens: 900, stated: 900, nanos: 0 })
  const refused = await refusal(other, key, { tokens: 200, stated: 200, nanos: 0 })
  assert.deepEqual([refused.code, refused.type], ['rate_limit_exceeded', 'tokens'])
  assert.match(
    refused.message,
    /may use 1000 tokens per minute; this request may take 200, and 1\d\d are left/,
  )
  first.settle(100, 0)
  await eventually(
    'what was not used',
    async () =>
      !((await tryAdmit(other, key, { tokens: 800, stated: 800, nanos: 0 })) instanceof GatewayError),
  )
})

test('a request that says itself that it may take more than a minute has is refused for good; a guess is not', async () => {
  await using process = await startProcess()
  const key = keyWith({ tokens_per_minute: 1_000 })
  const refused = await refusal(process, key, { tokens: 1_001, stated: 1_001, nanos: 0 })
  assert.equal(refused.headers?.['x-should-retry'], 'false')
  assert.match(
    refused.message,
    /too large: it asks for 1001 tokens, and this API key may use 1000 per minute/,
  )
  const guessed = await admit(process, key, { tokens: 5_000, stated: 0, nanos: 0 })
  guessed.settle(50, 0)
})

test('slots are free again for every process as soon as a request ends', async () => {
  await using one = await startProcess()
  await using other = await startProcess()
  const key = keyWith({ max_concurrency: 1 })
  for (let i = 0; i < 50; i++) {
    const [process, next] = i % 2 === 0 ? [one, other] : [other, one]
    const reservation = await admit(process, key)
    const refused = await refusal(next, key)
    assert.deepEqual([refused.status, refused.code, refused.type], [429, 'concurrency_exceeded', 'requests'])
    reservation.settle(1, 0)
  }
})

test('a process that dies gives its slots back within ten seconds, one that stops at once', async () => {
  const key = keyWith({ max_concurrency: 2 })
  await using alive = await startProcess()
  const stopping = await startProcess()
  // Held by a process that never says a word again.
  await createLimitStore(redis, 'dead').exchange(key.tenantId, [
    {
      kind: 'held',
      id: `key:${key.keyId}:concurrency`,
      limit: 2,
      add: 0,
      debt: 0,
      floor: 0,
      held: 0,
      need: 1,
      want: 1,
      seed: 0,
      anew: false,
      seen: null,
    },
  ])
  await admit(stopping, key)
  assert.equal((await refusal(alive, key)).code, 'concurrency_exceeded')
  await stopping[Symbol.asyncDispose]()
  const startedAt = performance.now()
  await eventually('both slots', async () => {
    const answers = [await tryAdmit(alive, key), await tryAdmit(alive, key)]
    const had = answers.flatMap((answer) => (answer instanceof GatewayError ? [] : [answer]))
    if (had.length === 2) return true
    for (const answer of had) answer.cancel()
    return false
  })
  // Ten seconds are what the product promises.
  assert.ok(performance.now() - startedAt < 10_000)
})

test('a request that nothing was done for counts for nothing', async () => {
  await using process = await startProcess()
  const key = keyWith({ rate_limit_per_minute: 1, tokens_per_minute: 10, max_concurrency: 1 })
  for (let i = 0; i < 3; i++) {
    let reservation: Reservation | GatewayError | undefined
    await eventually('its place', async () => {
      reservation = await tryAdmit(process, key)
      return !(reservation instanceof GatewayError)
    })
    assert.ok(reservation !== undefined && !(reservation instanceof GatewayError))
    reservation.cancel()
    reservation.cancel()
  }
})

test('a budget is reserved, settled and held by all processes, and known spending counts', async () => {
  await using one = await startProcess()
  await using other = await startProcess()
  const key = keyWith({}, { monthlyBudgetNanos: 1_000_000 })
  const ask = { tokens: 10, stated: 10, nanos: 600_000 }
  const first = await admit(one, key, ask)
  assert.equal(first.budgeted, true)
  const refused = await refusal(other, key, ask)
  assert.deepEqual(
    [refused.status, refused.code, refused.type],
    [429, 'insufficient_quota', 'insufficient_quota'],
  )
  assert.match(
    refused.message,
    /left of the monthly budget of \$0\.001 is held by requests under way: \$0\.0004 are free, and this request may cost \$0\.0006/,
  )
  first.settle(10, 100_000)
  await eventually('what was not spent', async () => {
    const answer = await tryAdmit(other, key, { ...ask, nanos: 850_000 })
    if (answer instanceof GatewayError) return false
    answer.settle(10, 0)
    return true
  })
  for (const { limits } of [one, other]) limits.spent(key.tenantId, monthAt(Date.now()), 950_000)
  await sleep(100)
  assert.equal((await refusal(one, key, { ...ask, nanos: 60_000 })).code, 'insufficient_quota')
  await eventually('what is left, when no process keeps a part of it for requests to come', async () => {
    const answer = await tryAdmit(other, key, { ...ask, nanos: 50_000 })
    if (answer instanceof GatewayError) return false
    answer.settle(10, 50_000)
    return true
  })
})

test('what is left can be looked at', async () => {
  await using one = await startProcess()
  await using other = await startProcess()
  const key = keyWith({ rate_limit_per_minute: 10, max_concurrency: 3 }, { monthlyBudgetNanos: 500 })
  const reservation = await admit(one, key, { tokens: 1, stated: 1, nanos: 200 })
  const limits = await other.limits.look(key)
  assert.equal(Math.floor(limits.requests[0]?.cell.left(performance.now()) ?? 0), 9)
  assert.equal(limits.slots[0]?.cell.left(), 2)
  assert.equal(limits.spend?.left(), 300)
  reservation.settle(1, 150)
  await eventually('its end', async () => {
    const later = await other.limits.look(key)
    return later.slots[0]?.cell.left() === 3 && later.spend?.left() === 350
  })
})

test('a tenant with more keys than one exchange carries has all their limits kept', async () => {
  await using one = await startProcess()
  await using other = await startProcess()
  const tenantId = randomUUID()
  const keys = Array.from({ length: 250 }, () =>
    keyWith({ rate_limit_per_minute: 3, max_concurrency: 2 }, { tenantId }),
  )
  const answers = await Promise.all(
    keys.flatMap((key) => [one, one, other].map((each) => tryAdmit(each, key))),
  )
  const admitted = answers.flatMap((answer) => (answer instanceof GatewayError ? [] : [answer]))
  assert.equal(admitted.length, 2 * keys.length)
  for (const reservation of admitted) reservation.settle(1, 0)
  await eventually('all slots', async () => {
    const looks = await Promise.all(keys.map((key) => other.limits.look(key)))
    return looks.every(({ slots }) => slots[0]?.cell.left() === 2)
  })
})

test('when a month begins there is a new budget, and no word of the month before touches it', async () => {
  let date = Date.UTC(2026, 11, 31, 23, 59, 59, 900)
  const limits = startLimits({
    store: createLimitStore(redis, randomUUID()),
    leastProcesses: 1,
    logger,
    now: () => performance.now(),
    date: () => date,
    onExchange: () => {},
  })
  await limits.ready()
  try {
    const process = { limits, [Symbol.asyncDispose]: () => limits.stop() }
    const key = keyWith({}, { monthlyBudgetNanos: 1_000 })
    const ask = { tokens: 1, stated: 1, nanos: 900 }
    const old = await admit(process, key, ask)
    old.settle(1, 900)
    const refused = await refusal(process, key, ask)
    assert.match(refused.message, /is spent.*begins anew with the next month/)
    assert.equal(refused.retryAfterMs, 100)
    date += 200
    limits.spent(key.tenantId, '2026-12', 950)
    ;(await admit(process, key, ask)).settle(1, 100)
    limits.spent(key.tenantId, '2026-12', 990)
    assert.equal((await limits.look(key)).spend?.left(), 900)
    // A clock that was a month ahead is put right.
    date += 32 * 86_400_000
    ;(await admit(process, key, ask)).settle(1, 0)
    date -= 32 * 86_400_000
    limits.spent(key.tenantId, '2026-12', 1_000)
    assert.equal((await limits.look(key)).spend?.left(), 900)
  } finally {
    await limits.stop()
  }
})

test('a changed limit holds from the next request on', async () => {
  await using process = await startProcess()
  const before = keyWith({ rate_limit_per_minute: 100 })
  for (let i = 0; i < 10; i++) (await admit(process, before)).settle(1, 0)
  const lower: ResolvedKey = {
    ...before,
    limits: { ...before.limits, key: { ...UNLIMITED, rate_limit_per_minute: 2 } },
  }
  const answers = []
  for (let i = 0; i < 5; i++) answers.push(await tryAdmit(process, lower))
  assert.equal(answers.filter((answer) => !(answer instanceof GatewayError)).length, 2)
  const none: ResolvedKey = { ...before, limits: { ...before.limits, key: UNLIMITED } }
  for (let i = 0; i < 5; i++) (await admit(process, none)).settle(1, 0)
})

test('without Redis a single process holds the limits by itself', async () => {
  await using process = await startProcess(false)
  const key = keyWith({ rate_limit_per_minute: 3, max_concurrency: 2 }, { monthlyBudgetNanos: 100 })
  assert.equal(process.limits.alone, false)
  const ask = { tokens: 1, stated: 1, nanos: 10 }
  const [first, second] = [await admit(process, key, ask), await admit(process, key, ask)]
  assert.equal((await refusal(process, key, ask)).code, 'concurrency_exceeded')
  first.settle(1, 10)
  ;(await admit(process, key, ask)).settle(1, 10)
  second.settle(1, 10)
  assert.equal((await refusal(process, key, ask)).code, 'rate_limit_exceeded')
  assert.equal((await process.limits.look(key)).spend?.left(), 70)
})

test('a Redis that is merely late for a moment is waited for, and nobody goes by themselves', async () => {
  await using one = await startProcess()
  await using other = await startProcess()
  const key = keyWith({ max_concurrency: 1 })
  const held = await admit(one, key)
  process.kill(server.pid, 'SIGSTOP')
  const late = tryAdmit(other, key)
  await sleep(400)
  process.kill(server.pid, 'SIGCONT')
  const answer = await late
  assert.ok(answer instanceof GatewayError, 'a second slot of one was given')
  assert.equal(answer.code, 'concurrency_exceeded')
  assert.deepEqual(
    [one, other].map(({ limits }) => limits.alone),
    [false, false],
  )
  held.settle(1, 0)
  await eventually(
    'its slot is given on',
    async () => !((await tryAdmit(other, key)) instanceof GatewayError),
  )
})

test('a Redis that is back after a moment still knows who holds what, and one that is slow all the time is not waited for', async () => {
  let answerMs = 1
  let answers = true
  const none = { granted: 0, left: 0, spent: 0 }
  const store: LimitStore = {
    exchange: (_tenant, requests) =>
      answers
        ? Promise.resolve(requests.map(() => none))
        : Promise.reject(new Error('Redis did not answer within 1000 ms')),
    present: () =>
      answers ? Promise.resolve({ processes: 4, answerMs }) : Promise.reject(new Error('no answer')),
    leave: () => Promise.resolve(),
  }
  const limits = startLimits({
    store,
    leastProcesses: 4,
    logger,
    now: () => performance.now(),
    date: Date.now,
    onExchange: () => {},
  })
  await limits.ready()
  const key = keyWith({ max_concurrency: 3 })
  const refused = async () => {
    const answer: unknown = await limits.ask(key, ONE).catch((error: unknown) => error)
    assert.ok(answer instanceof GatewayError, 'a fourth slot of three was given')
  }
  // Others hold all three.
  await refused()
  answers = false
  await refused()
  await eventually('it is away', () => limits.alone)
  answers = true
  await eventually('it has answered again', async () => {
    await refused()
    return !limits.alone
  })
  answerMs = 400
  await eventually('it is too slow', () => limits.alone)
  await limits.stop()
})

test('while Redis hangs each process has its share, and then all tell what they used', async () => {
  await using one = await startProcess()
  await using other = await startProcess()
  const key = keyWith({ rate_limit_per_minute: 40 })
  const both = [one, other]
  const startedAt = performance.now()
  ;(await admit(one, key)).settle(1, 0)
  ;(await admit(other, key)).settle(1, 0)
  await eventually('both have heard that there are two', () => both.every(({ heard }) => heard() >= 2))
  process.kill(server.pid, 'SIGSTOP')
  let admitted = 0
  try {
    for (let i = 0; i < 60; i++) {
      for (const each of both) {
        const answer = await tryAdmit(each, key)
        if (!(answer instanceof GatewayError)) {
          admitted++
          answer.settle(1, 0)
        }
      }
    }
    await eventually('that both notice', () => both.every(({ limits }) => limits.alone))
    const most = 40 + ((performance.now() - startedAt) * 40) / 60_000
    assert.ok(admitted >= 30 && admitted <= most + 1, `${admitted} of ${most} were let through`)
  } finally {
    process.kill(server.pid, 'SIGCONT')
  }
  await eventually('Redis', () => both.every(({ limits }) => !limits.alone))
  await sleep(200)
  const limits = await one.limits.look(key)
  const left = limits.requests[0]?.cell.left(performance.now()) ?? Infinity
  assert.ok(left < 10, `${left} are left after ${admitted}`)
})
