import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Client } from 'pg'
import { createBus } from '../../src/io/bus.js'
import type { Bus } from '../../src/io/bus.js'
import { freePort } from '../../src/io/embedded/free-port.js'
import { createRedis, redisReady } from '../../src/io/redis.js'
import { eventually } from '../support/processes.js'
import { freshDatabase, freshRedis } from '../support/stores.js'

/** Publishes until the message arrives, as nothing promises that the first one does. */
async function passes(from: Bus, to: Bus, topic: string): Promise<void> {
  const heard: string[] = []
  const stop = to.subscribe(topic, (payload) => heard.push(payload))
  const payload = `it's "${topic}" ü`
  await eventually(`a message on ${topic}`, async () => {
    await from.publish(topic, payload)
    return heard.length > 0
  })
  assert.equal(heard[0], payload)
  stop()
}

async function check(a: Bus, b: Bus): Promise<void> {
  await passes(a, b, 'snapshot')
  await passes(b, a, 'keys.revoked')
  await passes(a, a, 'to-itself')

  const heard: string[] = []
  const other: string[] = []
  const stopFirst = b.subscribe('topic', () => {
    throw new Error('a listener that fails')
  })
  const stopSecond = b.subscribe('topic', (payload) => heard.push(payload))
  const stopOther = b.subscribe('other', (payload) => other.push(payload))
  await eventually('messages on both topics', async () => {
    await a.publish('topic', 'one')
    await a.publish('other', 'two')
    return heard.length > 0 && other.length > 0
  })
  assert.deepEqual([...new Set(heard)], ['one'])
  assert.deepEqual([...new Set(other)], ['two'])
  stopFirst()
  stopSecond()
  const before = heard.length
  const beforeOther = other.length
  await eventually('later messages', async () => {
    await a.publish('topic', 'three')
    await a.publish('other', 'four')
    return other.length > beforeOther
  })
  assert.equal(heard.length, before)
  stopOther()

  await eventually('a long one', () => a.publish('topic', 'x'.repeat(7_900)))
  assert.equal(await a.publish('topic', 'x'.repeat(7_901)), false)
  await assert.rejects(a.publish('"; DROP TABLE t', 'x'), /not a topic/)
  assert.throws(() => a.subscribe('Topic', () => {}), /not a topic/)
}

test('carries messages over Postgres and takes up its subscriptions after a lost connection', async () => {
  await using database = await freshDatabase()
  await using a = createBus({ postgresUrl: database.url })
  await using b = createBus({ postgresUrl: database.url })
  await check(a, b)

  const heard: string[] = []
  let connections = 0
  b.onConnect(() => connections++)
  b.subscribe('again', (payload) => heard.push(payload))
  const admin = new Client({ connectionString: database.url })
  await admin.connect()
  await admin.query(
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
  )
  await admin.end()
  await eventually('a message after the loss', async () => {
    await a.publish('again', 'x')
    return heard.length > 0
  })
  assert.equal(connections, 1)
  assert.equal(b.connected, true)
})

test('carries messages over Redis and takes up its subscriptions after a restart', async () => {
  await using server = await freshRedis()
  const [first, second] = [createRedis({ url: server.url }), createRedis({ url: server.url })]
  await Promise.all([redisReady(first, 10_000), redisReady(second, 10_000)])
  await using a = createBus({ redis: first })
  await using b = createBus({ redis: second })
  await check(a, b)

  const heard: string[] = []
  let connections = 0
  b.onConnect(() => connections++)
  b.subscribe('again', (payload) => heard.push(payload))
  process.kill(server.pid, 'SIGKILL')
  await eventually('the loss', () => !b.connected)
  await eventually('a message after the restart', async () => {
    await a.publish('again', 'x')
    return heard.length > 0
  })
  assert.equal(connections, 1)
  first.disconnect()
  second.disconnect()
})

test('is not connected, and says so, while its store is away', async () => {
  await using bus = createBus({ postgresUrl: `postgres://postgres@127.0.0.1:${await freePort()}/none` })
  assert.equal(await bus.publish('topic', 'x'), false)
  assert.equal(bus.connected, false)
})
