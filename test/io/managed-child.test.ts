import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import pino from 'pino'
import { readSettings, type ResolvedSettings } from '../../src/core/settings.js'
import { startManagedChild, type ManagedChildOptions } from '../../src/io/managed-child.js'
import { StartError } from '../../src/io/start-error.js'

const program = fileURLToPath(new URL('../support/supervised.js', import.meta.url))
/** No process can be made with such an argument: fork throws, as it does when the system has no memory for one. */
const REFUSED = '\0'

function resolvedSettings(): ResolvedSettings {
  const environment = { PORT: '0', ADMIN_PORT: '0', PROXY_PROCESSES: '1', LOG_LEVEL: 'fatal' }
  const result = readSettings(environment, { cores: 1, hasRedisServer: true, isReadableFile: () => true })
  assert.ok(result.ok)
  return {
    ...result.settings,
    databaseUrl: 'postgres://127.0.0.1:1/none',
    redisUrl: null,
    clickhouseUrl: 'http://127.0.0.1:1',
    adminToken: null,
  }
}

function slot(overrides: Partial<ManagedChildOptions> = {}) {
  const pids: number[] = []
  const log: string[] = []
  const path = { module: program }
  let restarts = 0
  const child = startManagedChild({
    role: 'proxy',
    slot: 0,
    name: 'proxy-0',
    get modulePath() {
      return path.module
    },
    settings: resolvedSettings(),
    logger: pino({ serializers: { error: pino.stdSerializers.err } }, { write: (line) => log.push(line) }),
    roster: { add: (pid) => pids.push(pid), remove: () => {} },
    onRestart: () => restarts++,
    answer: () => null,
    ...overrides,
  })
  return { child, pids, log, path, restarts: () => restarts, [Symbol.asyncDispose]: () => child.drain() }
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!condition()) {
    assert.ok(performance.now() < deadline, 'it did not come true in time')
    await sleep(20)
  }
}

test('a first process that the system refuses fails the start with its reason', async () => {
  await using refused = slot({ modulePath: REFUSED })
  await assert.rejects(
    refused.child.started,
    (error) => error instanceof StartError && /proxy-0 did not start: .*null bytes/.test(error.message),
  )
})

test('a slot whose next process is refused is filled when the system grants one again', async () => {
  await using filled = slot()
  await filled.child.started
  const [first] = filled.pids
  assert.ok(first !== undefined)
  filled.path.module = REFUSED
  process.kill(first, 'SIGKILL')
  await until(() => filled.restarts() >= 2)
  assert.equal(filled.child.up, false)
  filled.path.module = program
  await until(() => filled.child.up)
  assert.equal(filled.pids.length, 2)
})

test('a slot that cannot be kept says so and drains, and the program lives on', async () => {
  await using broken = slot({
    onRestart: () => {
      throw new Error('told to fail')
    },
  })
  await broken.child.started
  process.kill(broken.pids[0] ?? 0, 'SIGKILL')
  await until(() => !broken.child.up)
  await broken.child.drain()
  assert.match(broken.log.join(''), /slot_abandoned.*proxy-0.*told to fail/)
})
