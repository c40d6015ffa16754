import assert from 'node:assert/strict'
import { test } from 'node:test'
import pino from 'pino'
import { createRedis, redisReady } from '../../src/io/redis.js'
import { createSharedKeyCache } from '../../src/proxy/shared-key-cache.js'
import { eventually } from '../support/processes.js'
import { resolvedKey } from '../support/resolved-key.js'
import { freshRedis } from '../support/stores.js'

const key = resolvedKey({ allowedModels: ['m'], expiresAt: 5, version: 3 })

test('a key comes back as another proxy left it, and not at all from a version without its tier', async () => {
  await using server = await freshRedis()
  const logger = pino({ level: 'silent' })
  const redis = createRedis({ url: server.url, commandTimeoutMs: 5_000, logger })
  try {
    await redisReady(redis, 10_000)
    const cache = createSharedKeyCache(redis, logger)
    assert.equal(await cache.get('id'), null)
    cache.set('id', key)
    await eventually('the entry', async () => (await cache.get('id')) !== null)
    assert.deepEqual(await cache.get('id'), key)

    const { tier: _tier, ...before } = key
    await redis.set('crosslogic:key:id', JSON.stringify(before))
    assert.equal(await cache.get('id'), null)
  } finally {
    redis.disconnect()
  }
})
