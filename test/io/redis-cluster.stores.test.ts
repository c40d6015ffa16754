import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Redis } from 'ioredis'
import { createBus } from '../../src/io/bus.js'
import { startProcess, stopProcess } from '../../src/io/child-process.js'
import { freePort } from '../../src/io/embedded/free-port.js'
import { createRedis, redisReady } from '../../src/io/redis.js'
import { eventually } from '../support/processes.js'
import { temporaryFolder } from '../support/temporary-folder.js'

/** A cluster of one node that holds all slots. Needs redis-server 7. */
async function startCluster(folder: string): Promise<{ url: string } & AsyncDisposable> {
  const port = await freePort()
  const running = await startProcess({
    command: 'redis-server',
    args: [
      ...['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', ''],
      ...[
        '--cluster-enabled',
        'yes',
        '--cluster-announce-ip',
        '127.0.0.1',
        '--cluster-port',
        String(await freePort()),
      ],
    ],
    cwd: folder,
    env: { PATH: process.env['PATH'] },
  })
  const admin = new Redis({ port, retryStrategy: () => 50, maxRetriesPerRequest: null })
  admin.on('error', () => {})
  await admin.cluster('ADDSLOTSRANGE', 0, 16383)
  await eventually('a cluster that is up', async () => /cluster_state:ok/.test(await admin.cluster('INFO')))
  admin.disconnect()
  return {
    url: `redis+cluster://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: () => stopProcess(running, [['SIGKILL', 5_000]]),
  }
}

test('speaks to a cluster, and the bus runs over it', async () => {
  await using folder = await temporaryFolder()
  await using cluster = await startCluster(folder.path)
  const redis = createRedis({ url: cluster.url, commandTimeoutMs: 5_000 })
  try {
    await redisReady(redis, 10_000)
    assert.equal(redis.isCluster, true)
    await Promise.all(['a', 'b', 'c'].map((key) => redis.set(key, key)))
    assert.deepEqual(await Promise.all(['a', 'b', 'c'].map((key) => redis.get(key))), ['a', 'b', 'c'])

    await using bus = createBus({ redis })
    const heard: string[] = []
    bus.subscribe('topic', (payload) => heard.push(payload))
    await eventually('a message', async () => {
      await bus.publish('topic', 'x')
      return heard.length > 0
    })
  } finally {
    redis.disconnect()
  }
})
