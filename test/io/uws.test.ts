import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request } from 'undici'
import { GatewayError } from '../../src/core/errors.js'
import { createHttpApp, type HttpApp } from '../../src/io/uws.js'

async function listening(declare: (app: HttpApp) => void) {
  const errors: GatewayError[] = []
  const app = createHttpApp({ onError: (error) => errors.push(error) })
  declare(app)
  const port = await app.listen('127.0.0.1', 0)
  return {
    errors,
    url: `http://127.0.0.1:${port}`,
    /** Sends bytes as they are; resolves with all that comes until the server closes. */
    async raw(...texts: string[]): Promise<string> {
      const socket = connect(port, '127.0.0.1')
      let received = ''
      socket.on('data', (bytes) => (received += bytes.toString()))
      for (const text of texts) {
        socket.write(text)
        await sleep(20)
      }
      if (!socket.closed) await once(socket, 'close')
      return received
    },
    [Symbol.dispose]() {
      app.close()
    },
  }
}

const TEXT = { 'content-type': 'text/plain' }

test('answers HEAD as GET, with its length and without its body', async () => {
  using server = await listening((app) => {
    app.route('GET', '/a', (call) => {
      call.reply(200, TEXT, 'grüße')
    })
  })
  const reply = await fetch(`${server.url}/a`, { method: 'HEAD' })
  assert.equal(reply.status, 200)
  assert.equal(reply.headers.get('content-length'), String(Buffer.byteLength('grüße')))
  assert.equal(await reply.text(), '')
})

test('says which methods a path has', async () => {
  using server = await listening((app) => {
    app.route('GET', '/things/{id}', () => {})
    app.route('POST', '/things/{id}', () => {})
  })
  const reply = await fetch(`${server.url}/things/1`, { method: 'DELETE' })
  assert.equal(reply.status, 405)
  assert.equal(reply.headers.get('allow'), 'GET, POST, HEAD')
  assert.equal((await fetch(`${server.url}/other`)).status, 404)
})

test('decodes parameters; the last may hold slashes, raw or encoded', async () => {
  using server = await listening((app) => {
    app.route('GET', '/one/{a}/{rest*}', (call) => {
      call.reply(200, TEXT, JSON.stringify(call.params))
    })
  })
  const params = async (path: string) => (await fetch(`${server.url}${path}`)).json()
  assert.deepEqual(await params('/one/x%20y/org/model'), { a: 'x y', rest: 'org/model' })
  assert.deepEqual(await params('/one/x/org%2Fmodel'), { a: 'x', rest: 'org/model' })
  assert.equal((await fetch(`${server.url}/one/%zz/b`)).status, 404)
})

test('names the first parameter of a query that a route does not take', async () => {
  using server = await listening((app) => {
    app.route('GET', '/plain', (call) => {
      call.refuseQuery()
      call.reply(200, TEXT, 'ok')
    })
  })
  assert.equal((await fetch(`${server.url}/plain`)).status, 200)
  const reply = await fetch(`${server.url}/plain?first=1&second=2`)
  assert.equal(reply.status, 400)
  const { error } = (await reply.json()) as { error: { code: string; param: string } }
  assert.deepEqual([error.code, error.param], ['unknown_parameter', 'first'])
})

test('never sends a header value that holds a line break', async () => {
  using server = await listening((app) => {
    app.route('GET', '/a', (call) => {
      call.reply(200, { 'x-own': 'a\r\nx-injected: 1' }, 'ok')
    })
  })
  const [reply] = await Promise.all([server.raw('GET /a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n')])
  assert.equal(reply.includes('x-injected'), false)
})

test('reports an unexpected error and says nothing of it', async () => {
  using server = await listening((app) => {
    app.route('GET', '/a', () => {
      throw new Error('the password is secret')
    })
  })
  const reply = await fetch(`${server.url}/a`)
  assert.equal(reply.status, 500)
  assert.equal((await reply.text()).includes('secret'), false)
  assert.equal(server.errors.length, 1)
})

test('a refusal comes at once, whatever the size of the body, which is dropped, and the connection lives on', async () => {
  using server = await listening((app) => {
    app.route('POST', '/a', (call) => {
      call.fail(new GatewayError('invalid_api_key'))
    })
    app.route('POST', '/later', (call) => {
      call.readBody(1_000_000, () => undefined)
      setImmediate(() => {
        call.fail(new GatewayError('invalid_api_key'))
      })
    })
  })
  const agent = new Agent({ connections: 1 })
  try {
    for (const path of ['/a', '/later']) {
      for (const bytes of [10, 100_000, 10_000_000]) {
        const reply = await request(server.url + path, {
          method: 'POST',
          body: Buffer.alloc(bytes),
          dispatcher: agent,
        })
        assert.equal(reply.statusCode, 401)
        assert.notEqual(reply.headers['connection'], 'close')
        await reply.body.dump()
      }
    }
  } finally {
    await agent.close()
  }
  const half = 'POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 36\r\n\r\n01234'
  const next = 'GET /none HTTP/1.1\r\nhost: a\r\n\r\nGET /a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n'
  const replies = await server.raw(half, next)
  assert.deepEqual(replies.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 401', 'HTTP/1.1 405'])
})

test('a refusal of a body that is too long to be dropped closes the connection', async () => {
  using server = await listening((app) => {
    app.route('POST', '/a', (call) => {
      call.fail(new GatewayError('invalid_api_key'))
    })
  })
  const reply = await server.raw('POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 100000000\r\n\r\n01234')
  assert.match(reply, /^HTTP\/1\.1 401 /)
})
