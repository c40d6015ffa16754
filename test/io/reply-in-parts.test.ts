import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { ContractReply } from '../../src/core/contract/task.js'
import { GatewayError } from '../../src/core/errors.js'
import { createOpenParts, replyInParts } from '../../src/io/reply-in-parts.js'
import { createHttpApp } from '../../src/io/uws.js'
import { openRawClient } from '../support/raw-client.js'

const PART_BYTES = 256 * 1024

interface Faults {
  /** The part that cannot be made. */
  readonly failing?: number
  /** The part for which the workers are too busy at first. */
  readonly busy?: number
  /** The part from which on the caller may not stay. */
  readonly revoked?: number
}

/** A port whose reply has so many parts. */
async function startPort(parts: number, { failing, busy, revoked }: Faults = {}) {
  let wasBusy = false
  let asked = 0
  const failures: unknown[] = []
  const ended: string[] = []
  const app = createHttpApp({ onError: () => {} })
  const partOf = (number: number) => ({
    status: 200,
    etag: null,
    body: new Uint8Array(PART_BYTES).fill(97 + (number % 26)),
    part: {
      contentType: 'text/plain',
      fileName: 'x.txt',
      next: number + 1 < parts ? String(number + 1) : null,
    },
  })
  app.route('GET', '/', (call) => {
    const next = (cursor: string): Promise<ContractReply> => {
      asked++
      const isBusy = Number(cursor) === busy && !wasBusy
      wasBusy ||= isBusy
      if (!isBusy && Number(cursor) !== failing) return Promise.resolve(partOf(Number(cursor)))
      const error = isBusy ? 'overloaded' : 'internal_error'
      return Promise.resolve({ error, message: 'm', param: null, cause: 'c' })
    }
    const mayStay = () =>
      revoked !== undefined && asked >= revoked
        ? Promise.reject(new GatewayError('invalid_api_key'))
        : Promise.resolve()
    replyInParts(call, { first: partOf(0), next, mayStay }).then(
      () => ended.push('done'),
      (error: unknown) => {
        failures.push(error)
        ended.push('failed')
      },
    )
  })
  const port = await app.listen('127.0.0.1', 0)
  return {
    port,
    failures,
    ended,
    asked: () => asked,
    [Symbol.dispose]() {
      app.close()
    },
  }
}

const GET = 'GET / HTTP/1.1\r\nhost: x\r\n\r\n'

test('all parts arrive, in order, and the reply ends', async () => {
  using server = await startPort(30)
  const reply = await fetch(`http://127.0.0.1:${server.port}/`)
  assert.equal(reply.headers.get('content-disposition'), 'attachment; filename="x.txt"')
  const text = await reply.text()
  assert.equal(text.length, 30 * PART_BYTES)
  for (let part = 0; part < 30; part++) assert.equal(text.charCodeAt(part * PART_BYTES), 97 + (part % 26))
  assert.equal(server.asked(), 29)
})

test('a client that does not read is not served further, and gets all of it when it reads again', async () => {
  const parts = 200
  using server = await startPort(parts)
  using client = await openRawClient(server.port)
  client.pause()
  client.send(GET)
  let before = -1
  // The kernel's buffers take some of it; then nothing more is asked for.
  for (let still = 0; still < 50;) {
    await new Promise((resolve) => setTimeout(resolve, 5))
    still = server.asked() === before ? still + 1 : 0
    before = server.asked()
  }
  assert.ok(before < parts / 2, `${before} of ${parts} parts were made for a client that reads nothing`)
  client.resume()
  const { complete, body } = await client.stream()
  assert.equal(complete, true)
  assert.equal(body.length, parts * PART_BYTES)
})

test('a client that leaves ends it', async () => {
  using server = await startPort(100_000)
  const client = await openRawClient(server.port)
  client.send(GET)
  while (server.asked() < 3) await setImmediate()
  client[Symbol.dispose]()
  while (server.ended.length === 0) await setImmediate()
  assert.deepEqual(server.ended, ['done'])
  const asked = server.asked()
  for (let turn = 0; turn < 100; turn++) await setImmediate()
  assert.equal(server.asked(), asked)
})

test('a part that cannot be made breaks the reply off, so that it does not look whole', async () => {
  using server = await startPort(10, { failing: 4 })
  using client = await openRawClient(server.port)
  client.send(GET)
  const { complete } = await client.stream()
  assert.equal(complete, false)
  while (server.ended.length === 0) await setImmediate()
  assert.deepEqual(server.ended, ['failed'])
})

test('a caller whose key is revoked meanwhile gets no further part', async () => {
  using server = await startPort(10, { revoked: 3 })
  using client = await openRawClient(server.port)
  client.send(GET)
  const { complete } = await client.stream()
  assert.equal(complete, false)
  while (server.ended.length === 0) await setImmediate()
  assert.deepEqual([server.ended, server.asked()], [['failed'], 3])
})

test('a part for which nobody has time is asked for again', async () => {
  using server = await startPort(5, { busy: 3 })
  const reply = await fetch(`http://127.0.0.1:${server.port}/`)
  assert.equal((await reply.text()).length, 5 * PART_BYTES)
  assert.equal(server.asked(), 5)
})

test('so many replies are open at once, in all and of one caller', async () => {
  const open = createOpenParts(3, 2)
  const ends: (() => void)[] = []
  const during = (caller: string) => open.during(caller, () => new Promise((resolve) => ends.push(resolve)))
  const [first, second] = [during('a'), during('a')]
  await assert.rejects(during('a'), { code: 'overloaded' })
  const third = during('b')
  await assert.rejects(during('c'), { code: 'overloaded' })
  ends.shift()?.()
  await first
  const fourth = during('c')
  for (const end of ends.splice(0)) end()
  await Promise.all([second, third, fourth])
  await assert.rejects(
    open.during('a', () => Promise.reject(new Error('failed'))),
    /failed/,
  )
  const [again, more] = [during('a'), during('a')]
  for (const end of ends.splice(0)) end()
  await Promise.all([again, more])
})

test('HEAD answers the headers and no more', async () => {
  using server = await startPort(10)
  const reply = await fetch(`http://127.0.0.1:${server.port}/`, { method: 'HEAD' })
  assert.equal(reply.headers.get('content-type'), 'text/plain')
  assert.equal(await reply.text(), '')
  assert.equal(server.asked(), 0)
})
