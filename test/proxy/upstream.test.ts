import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { test } from 'node:test'
import type { ResponseHead } from '../../src/core/http-response.js'
import {
  createUpstream,
  type UpstreamCall,
  type UpstreamFailure,
  type UpstreamRequest,
} from '../../src/proxy/upstream.js'
import { eventually } from '../support/processes.js'

const REQUEST: UpstreamRequest = {
  head: 'POST /v1/completions HTTP/1.1\r\nhost: node\r\ncontent-length: 2\r\n\r\n',
  body: [Buffer.from('{}')],
}
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'

/** A node that is given each request's text (from its first byte) and answers as the test says. */
async function startNode(answer: (socket: Socket, request: number, connection: number) => void) {
  const sockets = new Set<Socket>()
  const received: string[] = []
  let requests = 0
  let connections = 0
  const server = createServer((socket) => {
    const connection = ++connections
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      received.push(bytes.toString())
      if (bytes.includes('POST ')) answer(socket, ++requests, connection)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    get connections() {
      return connections
    },
    get open() {
      return sockets.size
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

type Node = Awaited<ReturnType<typeof startNode>>

interface Answer {
  readonly head: ResponseHead | null
  readonly body: string
  readonly failure: UpstreamFailure | null
}

function ask(upstream: ReturnType<typeof createUpstream>, node: Pick<Node, 'url'>, request = REQUEST) {
  let head: ResponseHead | null = null
  let body = ''
  let onStart = () => {}
  const started = new Promise<void>((resolve) => (onStart = resolve))
  let call: ReturnType<typeof upstream.send> | null = null
  const answer = new Promise<Answer>((resolve) => {
    call = upstream.send(node.url, request, {
      onHead: (received) => (head = received),
      onBody(bytes, ended) {
        body += bytes.toString()
        onStart()
        if (ended) resolve({ head, body, failure: null })
      },
      onFailure: (failure) => {
        resolve({ head, body, failure })
      },
    })
  })
  assert.ok(call !== null)
  return { call: call as ReturnType<typeof upstream.send>, answer, started }
}

test('uses one connection for requests that follow each other', async () => {
  await using node = await startNode((socket) => socket.write(OK))
  using upstream = createUpstream()
  for (let i = 0; i < 5; i++) assert.equal((await ask(upstream, node).answer).body, 'ok')
  assert.equal(node.connections, 1)
  assert.deepEqual(upstream.stats(), { busy: 0, idle: 1 })
})

test('destroys an idle connection that yields any byte: nobody asked for it', async () => {
  await using node = await startNode((socket, request) => {
    socket.write(OK)
    if (request === 1) setImmediate(() => socket.write(OK.replace('ok', 'no')))
  })
  using upstream = createUpstream()
  assert.equal((await ask(upstream, node).answer).body, 'ok')
  await eventually('the connection is gone', () => upstream.stats().idle === 0)
  assert.equal((await ask(upstream, node).answer).body, 'ok')
  assert.equal(node.connections, 2)
})

test('bytes behind a response do not reach the next request', async () => {
  await using node = await startNode((socket) => socket.write(`${OK}HTTP/1.1 200 OK\r\n`))
  using upstream = createUpstream()
  assert.equal((await ask(upstream, node).answer).body, 'ok')
  assert.deepEqual(upstream.stats(), { busy: 0, idle: 0 })
})

test('sends again once when a reused connection was closed before it answered', async () => {
  await using node = await startNode((socket, request) => {
    if (request === 2) socket.destroy()
    else socket.write(OK)
  })
  using upstream = createUpstream()
  await ask(upstream, node).answer
  const second = await ask(upstream, node).answer
  assert.equal(second.body, 'ok')
  assert.equal(node.connections, 2)
})

test('does not send again on a fresh connection, nor after the first byte', async () => {
  await using node = await startNode((socket, request) => {
    if (request === 1) socket.destroy()
    else if (request === 3) socket.end('HTTP/1.1 200')
    else socket.write(OK)
  })
  using upstream = createUpstream()
  const fresh = await ask(upstream, node).answer
  assert.equal(fresh.failure?.code, 'upstream_connection_lost')
  assert.equal(fresh.failure?.untouched, false)
  assert.equal((await ask(upstream, node).answer).body, 'ok')
  const begun = await ask(upstream, node).answer
  assert.equal(begun.failure?.code, 'upstream_connection_lost')
  assert.equal(node.received.length, 3)
})

test('a refused connection leaves the node untouched', async () => {
  const node = await startNode(() => {})
  await node[Symbol.asyncDispose]()
  using upstream = createUpstream()
  const { failure } = await ask(upstream, node).answer
  assert.equal(failure?.code, 'upstream_connection_failed')
  assert.equal(failure.untouched, true)
})

test('an invalid response destroys the connection and says so', async () => {
  await using node = await startNode((socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n'))
  using upstream = createUpstream()
  const { failure } = await ask(upstream, node).answer
  assert.equal(failure?.code, 'upstream_invalid_response')
  await eventually('the socket is closed', () => node.open === 0)
})

test('finish closes our side at once and still delivers what the node had written', async () => {
  let heardEnd = false
  await using node = await startNode((socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nfirst ')
    socket.on('end', () => {
      heardEnd = true
      socket.end('second')
    })
  })
  using upstream = createUpstream()
  const { call, answer, started } = ask(upstream, node)
  await started
  call.finish()
  const { body, failure } = await answer
  assert.equal(body, 'first second')
  assert.equal(failure?.code, 'upstream_connection_lost')
  assert.equal(heardEnd, true)
  assert.deepEqual(upstream.stats(), { busy: 0, idle: 0 })
})

test('finish ends a node that does not react', async () => {
  await using node = await startNode((socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nfirst ')
    socket.on('end', () => {})
  })
  using upstream = createUpstream()
  const { call, answer, started } = ask(upstream, node)
  await started
  call.finish()
  assert.equal((await answer).body, 'first ')
  await eventually('the socket is closed', () => node.open === 0)
})

test('what is left of many that finish together is read a little in each turn, and whole', async () => {
  const size = 2 * 1024 * 1024
  const calls = 8
  await using node = await startNode((socket) => {
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size + 1}\r\n\r\n`)
    socket.write(Buffer.alloc(size, 'x'))
  })
  using upstream = createUpstream()
  let turn = 0
  let running = true
  const count = (): void => {
    turn += 1
    if (running) setImmediate(count)
  }
  const readsOfTurn = new Map<number, number>()
  const ask = async () => {
    let length = 0
    let finished = false
    const lengths = new EventEmitter<{ started: []; ended: [number] }>()
    const call: UpstreamCall = upstream.send(node.url, REQUEST, {
      onHead() {
        call.pause()
        lengths.emit('started')
      },
      onBody(bytes) {
        length += bytes.length
        if (finished) readsOfTurn.set(turn, (readsOfTurn.get(turn) ?? 0) + 1)
      },
      onFailure() {
        lengths.emit('ended', length)
      },
    })
    await once(lengths, 'started')
    return async () => {
      finished = true
      call.finish()
      await once(lengths, 'ended')
      return length
    }
  }
  const finishing = await Promise.all(Array.from({ length: calls }, ask))
  count()
  assert.deepEqual(await Promise.all(finishing.map((finish) => finish())), Array(calls).fill(size))
  running = false
  assert.ok(Math.max(...readsOfTurn.values()) <= 2, JSON.stringify([...readsOfTurn]))
  assert.ok(readsOfTurn.size >= (calls * size) / (2 * 64 * 1024) / 2)
})

test('pause holds the node back, resume lets it go on', async () => {
  const size = 8 * 1024 * 1024
  let finished = false
  await using node = await startNode((socket) => {
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`)
    socket.write(Buffer.alloc(size, 'x'), () => (finished = true))
  })
  using upstream = createUpstream()
  const { call, answer, started } = ask(upstream, node)
  await started
  call.pause()
  // Long enough for a megabyte-sized kernel buffer to fill; the node cannot get rid of the rest.
  await new Promise((resolve) => setTimeout(resolve, 300))
  assert.equal(finished, false)
  call.resume()
  assert.equal((await answer).body.length, size)
})

test('a large body arrives whole', async () => {
  const body = Buffer.alloc(3 * 1024 * 1024, 'y')
  let length = 0
  const server = createServer((socket) => {
    socket.on('data', (bytes) => {
      length += bytes.length
      if (length === body.length + head.length) socket.write(OK)
    })
  })
  const head = 'POST / HTTP/1.1\r\n\r\n'
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  {
    using upstream = createUpstream()
    const parts = [body.subarray(0, 1_000), body.subarray(1_000)]
    assert.equal((await ask(upstream, { url }, { head, body: parts }).answer).body, 'ok')
  }
  server.close()
})

test('idle connections are closed before the node would', async () => {
  await using node = await startNode((socket) => socket.write(OK))
  using upstream = createUpstream({ idleTimeoutMs: 100 })
  await ask(upstream, node).answer
  await eventually('the idle connection is closed', () => node.open === 0)
  assert.deepEqual(upstream.stats(), { busy: 0, idle: 0 })
})

test('reuses a connection after an answer that took long while nothing else was idle', async () => {
  await using node = await startNode((socket) => {
    // Longer than the sweep's interval.
    setTimeout(() => socket.write(OK), 700)
  })
  using upstream = createUpstream()
  await ask(upstream, node).answer
  assert.deepEqual(upstream.stats(), { busy: 0, idle: 1 })
  await ask(upstream, node).answer
  assert.equal(node.connections, 1)
})
