import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createFrameTally } from '../../bench/load/frame-tally.js'

const TOKEN = 'data: {"choices":[{"delta":{"content":"a\\n\\n[DONE] b"}}]}\n\n'
const DONE = 'data: [DONE]\n\n'
const PING = ': ping\n\n'

function tallyOf(...parts: readonly string[]) {
  const tally = createFrameTally()
  for (const part of parts) tally.push(Buffer.from(part))
  return { jsonFrames: tally.jsonFrames, done: tally.done }
}

test('counts JSON frames, not comments, and sees the end', () => {
  assert.deepEqual(tallyOf(TOKEN + PING + TOKEN + DONE), { jsonFrames: 2, done: true })
  assert.deepEqual(tallyOf(TOKEN), { jsonFrames: 1, done: false })
  assert.deepEqual(tallyOf(DONE), { jsonFrames: 0, done: true })
  assert.deepEqual(tallyOf(), { jsonFrames: 0, done: false })
})

test('an unfinished frame does not count, and nothing may follow the end', () => {
  assert.deepEqual(tallyOf(TOKEN + TOKEN.slice(0, -1)), { jsonFrames: 1, done: false })
  assert.deepEqual(tallyOf(DONE.slice(0, -1)), { jsonFrames: 0, done: false })
  assert.deepEqual(tallyOf(DONE + 'x'), { jsonFrames: 0, done: false })
  assert.deepEqual(tallyOf(DONE + TOKEN), { jsonFrames: 1, done: false })
})

test('counts the same however the stream is cut', () => {
  const frame = fc.constantFrom(TOKEN, PING, DONE, 'data: {}\n\n', 'event: x\n\n')
  fc.assert(
    fc.property(fc.array(frame), fc.array(fc.nat()), (frames, places) => {
      const bytes = Buffer.from(frames.join(''))
      const cuts = places.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b)
      const tally = createFrameTally()
      let from = 0
      for (const to of [...cuts, bytes.length]) {
        // A copy, since the generator's own buffer is overwritten too.
        tally.push(Buffer.from(bytes.subarray(from, to)))
        from = to
      }
      assert.equal(tally.jsonFrames, frames.filter((one) => one.startsWith('data: {')).length)
      assert.equal(tally.done, frames.at(-1) === DONE)
    }),
  )
})

test('counts the same for every single cut', () => {
  const text = TOKEN + PING + TOKEN + DONE
  for (let cut = 0; cut <= text.length; cut += 1) {
    assert.deepEqual(tallyOf(text.slice(0, cut), text.slice(cut)), { jsonFrames: 2, done: true })
  }
})
