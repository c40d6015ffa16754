import assert from 'node:assert/strict'
import { test } from 'node:test'
import pino from 'pino'
import { z } from 'zod'
import { createRedis, redisReady } from '../../src/io/redis.js'
import { eventually } from '../support/processes.js'
import { freshRedis } from '../support/stores.js'

test('refuses commands at once without a connection, gives up slow ones, and comes back', async () => {
  await using server = await freshRedis()
  const events: unknown[] = []
  const logger = pino(
    { level: 'info' },
    { write: (line) => events.push(z.object({ event: z.string() }).parse(JSON.parse(line)).event) },
  )
  const redis = createRedis({ url: server.url, commandTimeoutMs: 2_000, logger })
  try {
    await redisReady(redis, 10_000)
    await redis.set('key', 'value')
    assert.equal(await redis.get('key'), 'value')

    process.kill(server.pid, 'SIGSTOP')
    await assert.rejects(redis.get('key'), /timed out/i)
    process.kill(server.pid, 'SIGCONT')
    await eventually('an answer', () =>
      redis.get('key').then(
        (value) => value === 'value',
        () => false,
      ),
    )

    const { pid } = server
    process.kill(pid, 'SIGKILL')
    await eventually('a refusal', () =>
      redis.get('key').then(
        () => false,
        () => true,
      ),
    )
    await eventually('another server', () => server.pid !== pid)
    await eventually('an answer', () =>
      redis.set('key', 'again').then(
        () => true,
        () => false,
      ),
    )
    // One line for each change, whatever happened in between.
    assert.deepEqual(events, ['redis_down', 'redis_up'])
  } finally {
    redis.disconnect()
  }
})
