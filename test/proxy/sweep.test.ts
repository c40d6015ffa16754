import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { test } from 'node:test'
import { startSweep } from '../../src/proxy/sweep.js'
import { eventually } from '../support/processes.js'

const STOPPED_MS = 50

test('after a process was stopped, what had come in time is read before deadlines are looked at', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const reader = connect(port, '127.0.0.1')
  const accepted = once(server, 'connection') as Promise<[Socket]>
  await once(reader, 'connect')
  const [writer] = await accepted
  const order: string[] = []
  reader.on('data', () => order.push('read'))

  // Behind this come the timers, and the sockets after them.
  await new Promise((resolve) => setImmediate(resolve))
  using sweep = startSweep(STOPPED_MS / 5, () => order.push('sweep'))
  writer.write('x')
  const until = performance.now() + STOPPED_MS
  while (performance.now() < until);
  await eventually('both have happened', () => order.includes('read') && order.includes('sweep'))
  assert.equal(order[0], 'read')

  sweep[Symbol.dispose]()
  const swept = order.length
  await new Promise((resolve) => setTimeout(resolve, STOPPED_MS))
  assert.equal(order.length, swept)
  reader.destroy()
  writer.destroy()
  server.close()
  await once(server, 'close')
})
