import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { Redis } from 'ioredis'
import { startEmbeddedRedis } from '../../../src/io/embedded/redis.js'
import { holdStore } from '../../support/held-store.js'
import { eventually, isAlive } from '../../support/processes.js'
import { temporaryFolder } from '../../support/temporary-folder.js'

async function ask<T>(url: string, question: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url, { retryStrategy: () => null, maxRetriesPerRequest: 0 })
  redis.on('error', () => {})
  try {
    return await question(redis)
  } finally {
    redis.disconnect()
  }
}

async function start(dataDir: string) {
  const redis = await startEmbeddedRedis({ dataDir, maxMemoryBytes: 64 * 1024 * 1024 })
  assert.ok(redis, 'redis-server is installed')
  return redis
}

test('serves with a password, bounded memory and no persistence', async () => {
  await using folder = await temporaryFolder()
  await using redis = await start(join(folder.path, 'redis'))
  assert.equal(await ask(redis.url, (client) => client.ping()), 'PONG')
  const config = (name: string) => ask(redis.url, (client) => client.config('GET', name))
  assert.deepEqual(await config('maxmemory'), ['maxmemory', String(64 * 1024 * 1024)])
  assert.deepEqual(await config('maxmemory-policy'), ['maxmemory-policy', 'volatile-lru'])
  assert.deepEqual(await config('save'), ['save', ''])
  assert.deepEqual(await config('appendonly'), ['appendonly', 'no'])
  assert.deepEqual(await config('bind'), ['bind', '127.0.0.1'])
  const open = new URL(redis.url)
  open.password = ''
  await assert.rejects(
    ask(open.href, (client) => client.get('x')),
    /NOAUTH/,
  )
})

test('is started again at the same address when it dies, and ends when it is stopped', async () => {
  await using folder = await temporaryFolder()
  const redis = await start(join(folder.path, 'redis'))
  const { pid } = redis
  process.kill(pid, 'SIGKILL')
  await eventually('another server', () => redis.pid !== pid)
  assert.equal(await ask(redis.url, (client) => client.ping()), 'PONG')
  await redis.stop()
  assert.equal(await isAlive(redis.pid), false)
})

test('stops the server that a killed predecessor left', async () => {
  await using folder = await temporaryFolder()
  const dataDir = join(folder.path, 'redis')
  const held = await holdStore('redis', dataDir)
  await held.killHolder()
  assert.equal(await isAlive(held.pid), true, 'the server outlives its holder')
  await using redis = await start(dataDir)
  assert.equal(await isAlive(held.pid), false)
  assert.equal(await ask(redis.url, (client) => client.ping()), 'PONG')
})

test('is null where no server is installed', async () => {
  await using folder = await temporaryFolder()
  const path = process.env['PATH']
  process.env['PATH'] = folder.path
  try {
    assert.equal(await startEmbeddedRedis({ dataDir: join(folder.path, 'redis') }), null)
  } finally {
    process.env['PATH'] = path
  }
})
