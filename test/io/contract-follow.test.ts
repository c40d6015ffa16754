import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { GatewayError } from '../../src/core/errors.js'
import { createFollowers, type Followed, type FollowerOptions } from '../../src/io/contract-follow.js'
import { createHttpApp } from '../../src/io/uws.js'

const text = (value: string) => new TextEncoder().encode(value)

async function serving(options: FollowerOptions, followed: Followed) {
  const app = createHttpApp({ onError: () => undefined })
  const followers = createFollowers(options)
  app.route('GET', '/', (call) => {
    followers.follow(call, followed).catch((error: unknown) => {
      call.fail(error)
    })
  })
  const port = await app.listen('127.0.0.1', 0)
  return { port, url: `http://127.0.0.1:${port}/`, [Symbol.dispose]: () => app.close() }
}

test('a silent stream is pinged, and one whose caller may stay no longer is cut off', async () => {
  let checks = 0
  using server = await serving(
    { lookMs: 1, pingMs: 5 },
    {
      ask: () => Promise.resolve({ body: text(''), after: '0' }),
      mayStay: () => {
        if (++checks > 3) return Promise.reject(new GatewayError('invalid_admin_token'))
        return Promise.resolve()
      },
    },
  )
  const response = await fetch(server.url)
  let seen = ''
  await assert.rejects(async () => {
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) seen += chunk
  })
  assert.match(seen, /^: ping\n\n: ping\n\n/)
  assert.match(seen, /data: \{"error":.*"invalid_admin_token"\}\}\n\n$/)
})

test('a client that does not read is waited for, and gets everything when it does', async () => {
  const parts = 200
  const frame = `data: ${'x'.repeat(64 * 1024)}\n\n`
  let asked = 0
  using server = await serving(
    { lookMs: 1 },
    {
      ask: () => Promise.resolve({ body: text(frame), after: ++asked >= parts ? null : String(asked) }),
      mayStay: () => Promise.resolve(),
    },
  )
  const socket = connect(server.port, '127.0.0.1')
  await once(socket, 'connect')
  socket.pause()
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  let before = -1
  while (asked !== before) {
    before = asked
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  assert.ok(asked < parts, `${asked} parts were asked for with nobody reading`)
  const received: Buffer[] = []
  socket.on('data', (bytes: Buffer) => {
    received.push(bytes)
    // The last chunk of a chunked reply.
    if (bytes.toString('latin1').endsWith('0\r\n\r\n')) socket.destroy()
  })
  socket.resume()
  await once(socket, 'close')
  assert.equal(Buffer.concat(received).toString('latin1').split('data: ').length - 1, parts)
})

test('a stream that is over ends, and its place is free', async () => {
  let asked = 0
  using server = await serving(
    { most: 1, lookMs: 1 },
    {
      ask: () => Promise.resolve({ body: text(`data: ${asked}\n\n`), after: ++asked % 3 === 0 ? null : '1' }),
      mayStay: () => Promise.resolve(),
    },
  )
  for (const expected of ['data: 0\n\ndata: 1\n\ndata: 2\n\n', 'data: 3\n\ndata: 4\n\ndata: 5\n\n']) {
    assert.equal(await (await fetch(server.url)).text(), expected)
  }
})
