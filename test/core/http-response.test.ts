import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  ResponseError,
  ResponseParser,
  type ResponseEvents,
  type ResponseHead,
} from '../../src/core/http-response.js'
import { damaged } from './damaged-bytes.js'
import { parseWithNode } from './node-http-parser.js'

const CRLF = '\r\n'
const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')
const response = (lines: readonly string[], body = ''): string => [...lines, '', body].join(CRLF)
const chunked = (body: string, lines: readonly string[] = []): string =>
  response(['HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', ...lines], body)

/** What Node accepts and we must accept as well, with the body. */
const ACCEPTED: readonly (readonly [string, string])[] = [
  [response(['HTTP/1.1 200 OK', 'Content-Length: 5'], 'hello'), 'hello'],
  [response(['HTTP/1.1 200 OK', 'content-length:   5   '], 'hello'), 'hello'],
  [response(['HTTP/1.1 200', 'Content-Length: 0']), ''],
  [response(['HTTP/1.1 200 ', 'Content-Length: 2', 'X-Empty:', 'X-Tab: a\tb'], 'ok'), 'ok'],
  [
    response(
      ['HTTP/1.1 404 Not Found\xe9', 'Content-Type: text/plain; x="\xff"', 'Content-Length: 3'],
      'no!',
    ),
    'no!',
  ],
  [response(['HTTP/1.1 503 Busy', 'Retry-After: 7', 'Content-Length: 1'], 'x'), 'x'],
  [response(['HTTP/1.1 200 OK'], 'until the end'), 'until the end'],
  [response(['HTTP/1.1 200 OK']), ''],
  [response(['HTTP/1.0 200 OK', 'Content-Length: 2'], 'hi'), 'hi'],
  [response(['HTTP/1.0 200 OK', 'Connection: keep-alive'], 'hi'), 'hi'],
  [response(['HTTP/1.1 200 OK', 'Connection: Keep-Alive, Close', 'Content-Length: 2'], 'hi'), 'hi'],
  [response(['HTTP/1.1 204 No Content']), ''],
  [response(['HTTP/1.1 204 No Content', 'Transfer-Encoding: chunked']), ''],
  [response(['HTTP/1.1 304 Not Modified', 'Content-Length: 99']), ''],
  [response(['HTTP/1.1 100 Continue']) + response(['HTTP/1.1 200 OK', 'Content-Length: 2'], 'hi'), 'hi'],
  [
    response(['HTTP/1.1 102 Processing', 'X: y']) +
      response(['HTTP/1.1 103 Early Hints', 'Link: </a>']) +
      chunked('2\r\nhi\r\n0\r\n\r\n'),
    'hi',
  ],
  [chunked('0\r\n\r\n'), ''],
  [chunked('5\r\nhello\r\n0\r\n\r\n'), 'hello'],
  [chunked('5\r\nhello\r\n1\r\n,\r\n000006\r\n world\r\n000\r\n\r\n'), 'hello, world'],
  [
    chunked('A\r\n0123456789\r\na\r\nabcdefghij\r\n1\r\n\r\r\n2\r\n\r\n\r\n0\r\n\r\n'),
    '0123456789abcdefghij\r\r\n',
  ],
  [chunked('2\r\nhi\r\n0\r\nX-Trailer: t\r\nY:\r\n\r\n'), 'hi'],
  [chunked('3\r\n\r\n0\r\n2\r\n\r\n\r\n0\r\n\r\n'), '\r\n0\r\n'],
]

/** What we refuse; Node takes some of it. */
const REFUSED: readonly string[] = [
  'garbage',
  'HTTP/2 200 OK\r\n\r\n',
  'HTTP/1.1  200 OK\r\n\r\n',
  'HTTP/1.1 20 OK\r\n\r\n',
  'HTTP/1.1 2000 OK\r\n\r\n',
  'HTTP/1.1 600 OK\r\n\r\n',
  '\r\nHTTP/1.1 200 OK\r\n\r\n',
  'HTTP/1.1 200 OK\nContent-Length: 0\n\n',
  response(['HTTP/1.1 200 O\x01K', 'Content-Length: 0']),
  response(['HTTP/1.1 101 Switching Protocols', 'Upgrade: h2c', 'Connection: upgrade']),
  response(['HTTP/1.1 200 OK', 'Connection: Upgrade', 'Upgrade: h2c', 'Content-Length: 0']),
  response(['HTTP/1.1 200 OK', 'Content-Length : 2'], 'hi'),
  response(['HTTP/1.1 200 OK', 'Content-Length: 2', ' folded'], 'hi'),
  response(['HTTP/1.1 200 OK', 'no colon']),
  response(['HTTP/1.1 200 OK', ': nameless']),
  response(['HTTP/1.1 200 OK', 'X: a\x00b']),
  response(['HTTP/1.1 200 OK', 'X: a\rb']),
  response(['HTTP/1.1 200 OK', 'X: a\nY: b']),
  response(['HTTP/1.1 200 OK', 'Content-Length: 2', 'Content-Length: 2'], 'hi'),
  response(['HTTP/1.1 200 OK', 'Content-Length: 2', 'Content-Length: 3'], 'hi!'),
  response(['HTTP/1.1 200 OK', 'Content-Length: 2, 2'], 'hi'),
  response(['HTTP/1.1 200 OK', 'Content-Length: +2'], 'hi'),
  response(['HTTP/1.1 200 OK', 'Content-Length: -2'], 'hi'),
  response(['HTTP/1.1 200 OK', 'Content-Length: 0x2'], 'hi'),
  response(['HTTP/1.1 200 OK', 'Content-Length:'], 'hi'),
  response(['HTTP/1.1 200 OK', 'Content-Length: 2\t'], 'hi'),
  response(['HTTP/1.1 200 OK', 'Content-Length: 99999999999999999999'], 'hi'),
  response(['HTTP/1.1 200 OK', 'Content-Length: 2', 'Transfer-Encoding: chunked'], '2\r\nhi\r\n0\r\n\r\n'),
  response(['HTTP/1.1 200 OK', 'Transfer-Encoding: gzip, chunked'], '0\r\n\r\n'),
  response(['HTTP/1.1 200 OK', 'Transfer-Encoding: xchunked'], '0\r\n\r\n'),
  response(['HTTP/1.1 200 OK', 'Transfer-Encoding: chunked\t'], '0\r\n\r\n'),
  response(['HTTP/1.1 200 OK', 'Transfer-Encoding: identity'], 'hi'),
  response(['HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], '0\r\n\r\n'),
  response(['HTTP/1.0 200 OK', 'Transfer-Encoding: chunked'], '0\r\n\r\n'),
  chunked('G\r\nhello\r\n0\r\n\r\n'),
  chunked('\r\nhello\r\n0\r\n\r\n'),
  chunked(' 5\r\nhello\r\n0\r\n\r\n'),
  chunked('5 \r\nhello\r\n0\r\n\r\n'),
  chunked('5;x=y\r\nhello\r\n0\r\n\r\n'),
  chunked('5\nhello\r\n0\r\n\r\n'),
  chunked('-5\r\nhello\r\n0\r\n\r\n'),
  chunked('100000000\r\nhello\r\n0\r\n\r\n'),
  chunked('4\r\nhello\r\n0\r\n\r\n'),
  chunked('6\r\nhello\r\n0\r\n\r\n'),
  chunked('5\r\nhello\r0\r\n\r\n'),
  chunked('5\r\nhello\n0\r\n\r\n'),
  chunked('0\r\nno colon\r\n\r\n'),
  chunked('0\r\nX: a\x01b\r\n\r\n'),
  chunked('0\r\nX: a\nY: b\r\n\r\n'),
  chunked('0\r\nContent-Length: 4\r\n\r\n'),
  chunked('0\r\nTransfer-Encoding: chunked\r\n\r\n'),
  // Cut short.
  '',
  'HTTP/1.1 200 OK\r\nContent-Le',
  response(['HTTP/1.1 100 Continue']),
  response(['HTTP/1.1 200 OK', 'Content-Length: 3'], 'hi'),
  chunked(''),
  chunked('5\r\nhel'),
  chunked('5\r\nhello\r\n'),
  chunked('5\r\nhello\r\n0\r\n'),
  chunked('5\r\nhello\r\n0\r\nX: y\r\n'),
  // Something behind the end.
  response(['HTTP/1.1 200 OK', 'Content-Length: 2'], 'hiX'),
  response(['HTTP/1.1 200 OK', 'Content-Length: 0'], 'X'),
  response(['HTTP/1.1 204 No Content'], 'X'),
  response(['HTTP/1.1 304 Not Modified', 'Content-Length: 1'], 'X'),
  chunked('2\r\nhi\r\n0\r\n\r\nX'),
  chunked('2\r\nhi\r\n0\r\n\r\n\r\n'),
  response(['HTTP/1.1 200 OK', 'Content-Length: 2'], 'hi') +
    response(['HTTP/1.1 200 OK', 'Content-Length: 2'], 'hi'),
]

interface Outcome {
  head: ResponseHead | null
  body: string
  ended: boolean
  refused: boolean
  reusable: boolean
}

/** Collects the events of one response and holds them to their order. */
function collect(outcome: Outcome): ResponseEvents {
  const body: Buffer[] = []
  return {
    onHead(head) {
      assert.equal(outcome.head, null, 'one head')
      outcome.head = head
    },
    onBody(bytes, ended) {
      assert.ok(outcome.head !== null, 'the head comes first')
      assert.ok(!outcome.ended, 'nothing comes after the end')
      assert.ok(ended || bytes.length > 0, 'no empty call')
      body.push(Buffer.from(bytes))
      outcome.body = Buffer.concat(body).toString('latin1')
      outcome.ended = ended
    },
  }
}

/** What an earlier read left behind the bytes of this one. */
const STALE = Buffer.from('\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n')

/** Feeds the pieces, each at the start of a buffer that is spoilt afterwards, and closes the connection. */
function parse(pieces: readonly Buffer[]): Outcome {
  const outcome: Outcome = { head: null, body: '', ended: false, refused: false, reusable: false }
  const parser = new ResponseParser(collect(outcome))
  try {
    for (const piece of pieces) {
      const copy = Buffer.concat([piece, STALE])
      try {
        parser.execute(copy, piece.length)
      } finally {
        copy.fill('#')
      }
    }
    outcome.reusable = parser.reusable
    parser.finish()
  } catch (error) {
    if (!(error instanceof ResponseError)) throw error
    outcome.refused = true
  }
  return outcome
}

function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return places.slice(1).map((end, i) => bytes.subarray(places[i], end))
}

async function assertNodeAccepts(bytes: Buffer, outcome: Outcome): Promise<void> {
  const node = await parseWithNode(bytes)
  const shown = JSON.stringify(bytes.toString('latin1'))
  assert.ok(node.complete, `accepted here, refused by Node: ${shown}`)
  assert.equal(node.status, outcome.head?.status, shown)
  assert.equal(node.body.toString('latin1'), outcome.body, shown)
}

test('reads valid responses as Node does', async () => {
  for (const [text, body] of ACCEPTED) {
    const outcome = parse([latin1(text)])
    assert.ok(!outcome.refused && outcome.ended, JSON.stringify(text))
    assert.equal(outcome.body, body)
    await assertNodeAccepts(latin1(text), outcome)
  }
})

test('refuses what is not a clean response', () => {
  for (const text of REFUSED) assert.ok(parse([latin1(text)]).refused, JSON.stringify(text))
})

test('gives the same events at every split of every response of the corpus', () => {
  for (const text of [...ACCEPTED.map(([accepted]) => accepted), ...REFUSED]) {
    const bytes = latin1(text)
    const whole = parse([bytes])
    for (let at = 0; at <= bytes.length; at++) {
      assert.deepEqual(parse(pieces(bytes, [at])), whole, `${JSON.stringify(text)} split at ${at}`)
    }
    assert.deepEqual(
      parse([...bytes].map((byte) => Buffer.from([byte]))),
      whole,
      `${JSON.stringify(text)} by bytes`,
    )
  }
})

const header = fc.tuple(
  fc.constantFrom('X-A', 'content-type', 'Server', 'Retry-After', "a!#$%&'*+-.^_`|~"),
  fc.string({ unit: fc.constantFrom(...'ab ;=,/"\t\xa0\xff'), maxLength: 8 }),
)
const bodyText = fc.string({ unit: fc.constantFrom(...'ab0\r\n \x00\xff'), maxLength: 40 })

/** Responses as servers make them. */
const generated = fc
  .record({
    interim: fc.array(fc.constantFrom('100 Continue', '103 Early Hints'), { maxLength: 2 }),
    status: fc.constantFrom('200 OK', '201', '404 Not Found', '500 \xe9', '429 Slow down'),
    headers: fc.array(header, { maxLength: 4 }),
    framing: fc.constantFrom('length', 'chunked', 'close'),
    chunks: fc.array(bodyText, { maxLength: 6 }),
    trailers: fc.array(header, { maxLength: 2 }),
    close: fc.boolean(),
  })
  .map(({ interim, status, headers, framing, chunks, trailers, close }) => {
    const fields = headers.map(([name, value]) => `${name}: ${value}`)
    const body = chunks.join('')
    if (close) fields.push('Connection: close')
    if (framing === 'length') fields.push(`Content-Length: ${body.length}`)
    if (framing === 'chunked') fields.push('Transfer-Encoding: chunked')
    const parts = chunks
      .filter((chunk) => chunk !== '')
      .map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`)
    const sent =
      framing === 'chunked'
        ? `${parts.join('')}0\r\n${trailers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
        : body
    return {
      bytes: latin1(
        interim.map((line) => response([`HTTP/1.1 ${line}`])).join('') +
          response([`HTTP/1.1 ${status}`, ...fields], sent),
      ),
      body,
      reusable: !close && framing !== 'close',
    }
  })

test('gives the same events for any pieces of any response, and the body that was sent', async () => {
  await fc.assert(
    fc.asyncProperty(
      generated,
      fc.array(fc.nat(), { maxLength: 12 }),
      async ({ bytes, body, reusable }, cuts) => {
        const whole = parse([bytes])
        assert.ok(whole.ended && !whole.refused)
        assert.equal(whole.body, body)
        assert.equal(whole.reusable, reusable)
        assert.deepEqual(parse(pieces(bytes, cuts)), whole)
        await assertNodeAccepts(bytes, whole)
      },
    ),
    { numRuns: 500 },
  )
})

test('never fails but with a ResponseError on damaged responses, and accepts none that Node refuses', async () => {
  const palette = [...latin1('\r\n :;,0123459afGHTP/.chunked\t-+'), 0x00, 0x0b, 0x7f, 0x80, 0xa0, 0xff]
  const corpus = fc.constantFrom(...ACCEPTED.map(([text]) => latin1(text)), ...REFUSED.map(latin1))
  const any = damaged(
    fc.oneof(
      corpus,
      generated.map(({ bytes }) => bytes),
    ),
    palette,
  )
  await fc.assert(
    fc.asyncProperty(any, fc.array(fc.nat(), { maxLength: 6 }), async (bytes, cuts) => {
      const whole = parse([bytes])
      assert.deepEqual(parse(pieces(bytes, cuts)), whole)
      if (!whole.refused) await assertNodeAccepts(bytes, whole)
    }),
    { numRuns: 5000 },
  )
})

test('delivers a whole body before it refuses the bytes behind it, and does not call the connection reusable', () => {
  for (const text of [
    response(['HTTP/1.1 200 OK', 'Content-Length: 2'], 'hiX'),
    response(['HTTP/1.1 200 OK', 'Content-Length: 0'], 'X'),
    response(['HTTP/1.1 204 No Content'], 'X'),
    chunked('2\r\nhi\r\n0\r\n\r\nX'),
  ]) {
    let reusableAtEnd: boolean | null = null
    const parser = new ResponseParser({
      onHead() {},
      onBody(_bytes, ended) {
        if (ended) reusableAtEnd = parser.reusable
      },
    })
    assert.throws(() => {
      parser.execute(latin1(text))
    }, ResponseError)
    assert.equal(reusableAtEnd, false, JSON.stringify(text))
  }
})

test('delivers what came before a fault, because its tokens were made', () => {
  const outcome = parse([latin1(chunked('5\r\nhello\r\nG\r\n'))])
  assert.deepEqual([outcome.body, outcome.ended, outcome.refused], ['hello', false, true])
})

test('delivers all chunks of a read in one call', () => {
  const calls: [string, boolean][] = []
  const parser = new ResponseParser({
    onHead() {},
    onBody(bytes, ended) {
      calls.push([bytes.toString(), ended])
    },
  })
  parser.execute(latin1(chunked('1\r\na\r\n2\r\nbc\r\n3\r\nd')))
  parser.execute(latin1('ef\r\n1\r\ng\r\n0\r\n\r\n'))
  assert.deepEqual(calls, [
    ['abcd', false],
    ['efg', true],
  ])
})

test('reads one response after another on a connection that is kept', () => {
  const kept = ACCEPTED.filter(([text]) => parse([latin1(text)]).reusable)
  assert.ok(kept.length > 10)
  const parser = new ResponseParser({ onHead() {}, onBody() {} })
  for (const [text, body] of [...kept, ...kept.toReversed()]) {
    const outcome: Outcome = { head: null, body: '', ended: false, refused: false, reusable: false }
    parser.reset(collect(outcome))
    assert.ok(!parser.started && !parser.reusable && !parser.ended)
    const bytes = latin1(text)
    for (const piece of pieces(bytes, [bytes.length >> 1, bytes.length >> 2]))
      parser.execute(Buffer.from(piece))
    assert.ok(outcome.ended && parser.started && parser.reusable && parser.ended)
    assert.equal(outcome.body, body)
  }
})

test('may be reset as soon as the end is announced', () => {
  const ends: string[] = []
  const parser = new ResponseParser({ onHead() {}, onBody() {} })
  const events = (name: string): ResponseEvents => ({
    onHead() {},
    onBody(_bytes, ended) {
      if (!ended) return
      ends.push(name)
      parser.reset(events(`${name}+`))
    },
  })
  parser.reset(events('a'))
  parser.execute(latin1(response(['HTTP/1.1 204 No Content'])))
  parser.execute(latin1(response(['HTTP/1.1 200 OK', 'Content-Length: 2'], 'hi')))
  parser.execute(latin1(chunked('0\r\n\r\n')))
  assert.deepEqual(ends, ['a', 'a+', 'a++'])
})

test('reads the head that the relay needs', () => {
  const { head } = parse([
    latin1(
      response([
        'HTTP/1.1 429 Too Many',
        'CONTENT-TYPE:  Text/Event-Stream ; charset=utf-8 ',
        'retry-after: 12 ',
        'Endpoint-Load-Metrics: TEXT a=1, b=2',
        'Content-Length: 0',
      ]),
    ),
  ])
  assert.deepEqual(head, {
    status: 429,
    contentType: 'text/event-stream',
    contentLength: 0,
    retryAfter: '12',
    orca: 'TEXT a=1, b=2',
    keepAlive: true,
  })
})

test('says that it has started once a byte came, an interim response included', () => {
  for (const text of ['H', response(['HTTP/1.1 100 Continue']), response(['HTTP/1.1 200 OK'])]) {
    const parser = new ResponseParser({ onHead() {}, onBody() {} })
    assert.ok(!parser.started)
    parser.execute(latin1(text))
    assert.ok(parser.started, JSON.stringify(text))
  }
})

test('takes a head of 32 KiB and refuses a longer one, wherever it is split', () => {
  const limit = 32 * 1024
  const sized = (size: number): Buffer => {
    const start = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: '
    return latin1(`${start}${'x'.repeat(size - start.length)}\r\n\r\n`)
  }
  for (const cuts of [
    [],
    [1],
    [limit - 1],
    [limit],
    [limit + 1],
    [limit + 2],
    [limit + 3],
    [100, limit + 3],
  ]) {
    assert.ok(!parse(pieces(sized(limit), cuts)).refused, `cut at ${cuts.join()}`)
    assert.ok(parse(pieces(sized(limit + 1), cuts)).refused, `cut at ${cuts.join()}`)
  }
  assert.ok(parse([latin1(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(limit)}`)]).refused)
  assert.ok(parse([latin1(chunked(`0\r\nX: ${'x'.repeat(8 * 1024)}\r\n\r\n`))]).refused)
})

test('gets through heads full of blanks', () => {
  const blanks = ' \t'.repeat(16_000)
  assert.ok(parse([latin1(response(['HTTP/1.1 200 OK', `X:${blanks}\x01`]))]).refused)
  assert.ok(!parse([latin1(response(['HTTP/1.1 200 OK', `X:${blanks}x${''}`]))]).refused)
  assert.ok(parse([latin1(response([`HTTP/1.1 200 ${blanks}\x01`]))]).refused)
})
