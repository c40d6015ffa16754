import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createRequestParser } from '../../bench/nodes/request-parser.js'

const sent = fc.record({
  path: fc.constantFrom('/health', '/v1/completions', '/ledger?request_id=a%20b'),
  body: fc.uint8Array({ maxLength: 300 }),
  chunkSize: fc.option(fc.integer({ min: 1, max: 50 }), { nil: undefined }),
})

function encode(path: string, body: Uint8Array, chunkSize: number | undefined): Buffer {
  const head = `POST ${path} HTTP/1.1\r\nHost: node\r\n`
  if (chunkSize === undefined)
    return Buffer.concat([Buffer.from(`${head}Content-Length: ${body.length}\r\n\r\n`), body])
  const parts = [Buffer.from(`${head}Transfer-Encoding: chunked\r\n\r\n`)]
  for (let at = 0; at < body.length; at += chunkSize) {
    const part = body.subarray(at, at + chunkSize)
    parts.push(Buffer.from(`${part.length.toString(16)}\r\n`), Buffer.from(part), Buffer.from('\r\n'))
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')])
}

test('reads any requests from one connection, however their bytes are cut', () => {
  fc.assert(
    fc.property(
      fc.array(sent, { minLength: 1, maxLength: 5 }),
      fc.array(fc.nat({ max: 400 })),
      (requests, cuts) => {
        let rest = Buffer.concat(requests.map(({ path, body, chunkSize }) => encode(path, body, chunkSize)))
        const parser = createRequestParser()
        const read: { path: string; id: string | null; body: string }[] = []
        const take = (): void => {
          for (let next = parser.next(); next !== undefined; next = parser.next())
            read.push({ path: next.path, id: next.query.get('request_id'), body: next.body.toString('hex') })
        }
        for (const cut of [...cuts, rest.length]) {
          parser.push(rest.subarray(0, cut))
          rest = rest.subarray(cut)
          take()
        }
        const expected = requests.map(({ path, body }) => ({
          path: path.split('?')[0],
          id: path.includes('?') ? 'a b' : null,
          body: Buffer.from(body).toString('hex'),
        }))
        assert.deepEqual(read, expected)
      },
    ),
  )
})

test('throws on what is not a request', () => {
  for (const bytes of ['x\r\n\r\n', 'GET / HTTP/2\r\n\r\n', 'GET / HTTP/1.1\r\ncontent-length: -1\r\n\r\n']) {
    const parser = createRequestParser()
    parser.push(Buffer.from(bytes))
    assert.throws(() => parser.next())
  }
})
