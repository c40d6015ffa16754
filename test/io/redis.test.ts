import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseRedisUrl } from '../../src/io/redis.js'

test('reads the address of one server', () => {
  assert.deepEqual(parseRedisUrl('rediss://us%40er:p%3Aw@cache.example:7000/3'), {
    cluster: false,
    nodes: [{ host: 'cache.example', port: 7000, username: 'us@er', password: 'p:w', db: 3, tls: true }],
  })
  assert.deepEqual(parseRedisUrl('redis://[::1]'), {
    cluster: false,
    nodes: [{ host: '::1', port: 6379, username: undefined, password: undefined, db: 0, tls: false }],
  })
})

test('reads the addresses of a cluster', () => {
  const two = parseRedisUrl('redis://:secret@a:7001, redis://b:7002')
  assert.equal(two.cluster, true)
  assert.deepEqual(
    two.nodes.map(({ host, port }) => `${host}:${port}`),
    ['a:7001', 'b:7002'],
  )
  assert.equal(two.nodes[0].password, 'secret')
  const one = parseRedisUrl('rediss+cluster://a')
  assert.deepEqual([one.cluster, one.nodes.length, one.nodes[0].tls], [true, 1, true])
})

test('refuses what is no address, without repeating it', () => {
  for (const url of ['', 'secret@host', 'http://u:secret@host', 'redis://', 'redis://u:secret@host/x']) {
    assert.throws(
      () => parseRedisUrl(url),
      (error: Error) => /must be redis:/.test(error.message) && !error.message.includes('secret'),
      url,
    )
  }
})
