import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MAX_FRAME_BYTES, SseTap, type TapOptions } from '../../src/core/sse-tap.js'
import { readSse, type SseCounts } from './naive-sse.js'
import {
  chunk,
  comment,
  done,
  errorFrame,
  joined,
  streams,
  type Frame,
  type StreamText,
} from './sse-streams.js'

type Mode = TapOptions['mode']
const MODES: readonly Mode[] = ['cut', 'final', 'untouched']

interface Outcome {
  forwarded: string
  counts: SseCounts
  partial: boolean
}

function countsOf(tap: SseTap): SseCounts {
  return {
    promptTokens: tap.promptTokens,
    cachedTokens: tap.cachedTokens,
    completionTokens: tap.completionTokens,
    reported: tap.reported,
    deltas: tap.deltas,
    complete: tap.complete,
    broken: tap.broken,
    errorFrame: tap.errorFrame,
    finished: tap.finished,
  }
}

/** Feeds the pieces, each in a buffer that is spoilt afterwards. */
function tapped(pieces: readonly Buffer[], mode: Mode, choices: number): Outcome {
  const tap = new SseTap({ mode, choices })
  const forwarded: Buffer[] = []
  let taken = 0
  let sent = 0
  for (const piece of pieces) {
    const copy = Buffer.from(piece)
    const out = Buffer.from(tap.read(copy))
    copy.fill('#')
    forwarded.push(out)
    taken += piece.length
    sent += out.length
    if (mode === 'untouched' && !tap.over) assert.equal(sent, taken, 'every byte goes out with its read')
  }
  forwarded.push(Buffer.from(tap.end()))
  if (tap.over)
    assert.equal(tap.read(Buffer.from('data: {"choices":[]}\n\n')).length, 0, 'nothing follows the end')
  return { forwarded: Buffer.concat(forwarded).toString(), counts: countsOf(tap), partial: tap.partial }
}

function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return places.slice(1).map((end, i) => bytes.subarray(places[i], end))
}

/** What is forwarded of a stream: by the frames' own knowledge of what is cut, up to the one that ends it. */
function expectedForward({ frames }: StreamText, mode: Mode, counts: SseCounts): string {
  const { complete, broken, errorFrame: error } = counts
  const over = complete || broken || error !== null
  const last = over ? frames.findIndex(({ ends }) => ends) : frames.length
  return frames
    .slice(0, complete ? last + 1 : last)
    .map((frame) => frame[mode])
    .join('')
}

/** Holds one way of splitting a stream against the naive reader and the frames it was made of. */
function compare(stream: StreamText, mode: Mode, cuts: readonly number[]): void {
  const bytes = Buffer.from(stream.text)
  const { forwarded, counts, partial } = tapped(pieces(bytes, cuts), mode, stream.choices)
  const naive = readSse(stream.text, stream.choices)
  assert.deepEqual(counts, naive)
  const expected = expectedForward(stream, mode, naive)
  if (mode === 'untouched' && (counts.broken || counts.errorFrame !== null)) {
    // What had gone out before the end of the frame was seen cannot be taken back.
    assert.ok(forwarded.startsWith(expected) && `${stream.text}\n\n`.startsWith(forwarded))
    const rest = forwarded.slice(expected.length)
    assert.equal(partial, rest !== '' && !/\n\r?\n$/.test(rest))
    assert.ok(counts.errorFrame === null || !partial)
    return
  }
  assert.equal(forwarded, expected)
  assert.equal(partial, mode === 'untouched' && forwarded !== '' && !/\n\r?\n$/.test(forwarded))
}

function check(stream: StreamText, mode: Mode, cuts: readonly number[]): void {
  try {
    compare(stream, mode, cuts)
  } catch (cause) {
    // Said only now: writing it for each of many thousand splits would take longer than the test.
    const what = `${mode}, n=${stream.choices}, cut at ${cuts.join()}: ${JSON.stringify(stream.text)}`
    throw new Error(what, { cause })
  }
}

const content = (text: string, index = 0, usage?: unknown): Frame =>
  chunk({ index, delta: { content: text }, usage })
const usageOf = (prompt: number, completion: number, cached?: number): unknown => ({
  prompt_tokens: prompt,
  total_tokens: prompt + completion,
  completion_tokens: completion,
  ...(cached === undefined ? {} : { prompt_tokens_details: { cached_tokens: cached } }),
})
const stop = (index = 0, usage?: unknown): Frame => chunk({ index, delta: {}, finish: 'stop', usage })
const TRICKY = [
  '"usage":{"prompt_tokens":9}',
  ',"usage":{"prompt_tokens":9,"completion_tokens":9}}',
  'data: [DONE]\n\n',
  '[DONE]',
  '"finish_reason":"stop"',
  '"choices":[],{"index":1,"finish_reason":"stop"',
  '{"error":{"message":"no"}}',
  '}{][\\"',
  '漢字 😀 é\u2028',
]

/** Streams as the engines write them. */
const CORPUS: readonly StreamText[] = [
  // vLLM, continuous usage.
  joined([
    chunk({ delta: { role: 'assistant', content: '' }, usage: usageOf(7, 0) }),
    content('Hel', 0, usageOf(7, 1)),
    content('lo', 0, usageOf(7, 2)),
    stop(0, usageOf(7, 3)),
    chunk({ empty: true, usage: usageOf(7, 3, 4) }),
    done(),
  ]),
  // Two choices, counted for each.
  joined(
    [
      content('a', 0, usageOf(7, 1)),
      content('b', 1, usageOf(7, 2)),
      content('c', 0, usageOf(7, 2)),
      stop(1, usageOf(7, 3)),
      stop(0, usageOf(7, 5)),
      done(),
    ],
    { choices: 2 },
  ),
  joined(
    [
      content('a', 0),
      stop(0),
      content('b', 1),
      stop(1),
      chunk({ empty: true, usage: usageOf(3, 9) }),
      done(),
    ],
    {
      choices: 2,
    },
  ),
  // Only one of two choices has finished.
  joined([content('a', 0), content('b', 1), stop(0), done()], { choices: 2 }),
  // Usage at the end alone; null before.
  joined([content('a'), content('b'), stop(), chunk({ empty: true, usage: usageOf(4, 2) }), done()]),
  joined([
    content('a', 0, null),
    stop(0, null),
    chunk({ empty: true, usage: null }),
    chunk({ empty: true, usage: usageOf(4, 2) }),
    done(),
  ]),
  // Written as Python's json.dumps does; usage in other places; the other line end; no space.
  joined(
    [
      content('a', 0, usageOf(5, 1)),
      stop(0, usageOf(5, 2)),
      chunk({ empty: true, usage: usageOf(5, 2) }),
      done(),
    ],
    {
      style: 'spaced',
    },
  ),
  joined([
    chunk({ delta: { content: 'x' }, usage: usageOf(5, 1), at: 'first' }),
    chunk({ delta: { content: 'y' }, usage: usageOf(5, 2), at: 'middle' }),
    chunk({ delta: { content: 'z' }, usage: null, at: 'first' }),
    stop(),
    chunk({ empty: true, usage: usageOf(5, 4), at: 'first' }),
    done(),
  ]),
  joined([comment('ping'), content('a', 0, usageOf(5, 1)), stop(0, usageOf(5, 1)), done()], {
    newline: '\r\n',
    prefix: 'data:',
    event: 'event: message',
    id: 'id: 7',
  }),
  // Text that looks like the protocol.
  joined([...TRICKY.map((text, i) => content(text, 0, usageOf(5, i + 1))), stop(0, usageOf(5, 12)), done()]),
  joined([...TRICKY.map((text) => content(text)), stop(), done()]),
  // Completions, reasoning, tool calls.
  joined([
    chunk({ text: 'one' }),
    chunk({ text: '' }),
    chunk({ delta: { reasoning_content: 'hm', content: null } }),
    chunk({ delta: { tool_calls: [{ index: 0, function: { arguments: '{"a":' } }] } }),
    chunk({ text: ' two', finish: 'length' }),
    done(),
  ]),
  // Errors: vLLM's envelope and SGLang's flat one, before and after the first token.
  joined([
    errorFrame({ error: { message: 'no "choices":[', type: 'BadRequest', param: null, code: 400 } }),
    done(),
  ]),
  joined([content('a'), errorFrame({ error: { message: 'died', code: 500 } }), done(), content('never')]),
  joined([
    content('a', 0, usageOf(3, 1)),
    errorFrame({ object: 'error', message: 'died', code: 500 }),
    content('never'),
  ]),
  joined([content('a'), errorFrame({ id: 'x', error: { message: 'died' } })], { style: 'spaced' }),
  // [DONE] that is no success; nothing after [DONE].
  joined([content('a'), done(), content('never')]),
  joined([done()]),
  joined([content('a'), stop(), done(), content('never'), errorFrame({ error: {} })]),
  // No [DONE]; no blank line at the end.
  joined([content('a'), stop()]),
  joined([content('a'), stop(0, usageOf(1, 2))], { closed: false }),
  joined([content('a'), stop(0, usageOf(1, 2)), done()], { closed: false }),
  joined([content('a'), errorFrame({ error: { message: 'x' } })], { closed: false }),
  joined([comment(''), comment('ping'), stop(), comment('late'), done()], { newline: '\r\n' }),
  joined([]),
]

test('counts and cuts right at every split of every stream of the corpus, in all modes', () => {
  for (const stream of CORPUS) {
    const length = Buffer.byteLength(stream.text)
    for (const mode of MODES) {
      for (let at = 0; at <= length; at++) check(stream, mode, [at])
      check(
        stream,
        mode,
        Array.from({ length }, (_, at) => at),
      )
    }
  }
})

test('counts and cuts right for any stream in any pieces, in all modes', () => {
  fc.assert(
    fc.property(
      streams,
      fc.constantFrom(...MODES),
      fc.array(fc.nat(), { maxLength: 20 }),
      (stream, mode, cuts) => {
        check(stream, mode, cuts)
      },
    ),
    { numRuns: 3000 },
  )
})

test('what is forwarded is what a naive reader expects to be left', () => {
  const frames = (text: string): unknown[] =>
    text
      .split(/\r?\n\r?\n/)
      .flatMap((frame) => frame.split(/\r?\n/).filter((line) => /^data: ?\{/.test(line)))
      .map((line) => line.slice('data:'.length))
      .map((json) => JSON.parse(json) as unknown)
  fc.assert(
    fc.property(streams, fc.constantFrom('cut' as const, 'final' as const), (stream, mode) => {
      const { forwarded, counts } = tapped([Buffer.from(stream.text)], mode, stream.choices)
      const ends = stream.frames.findIndex((frame) => frame.ends)
      const over = counts.complete || counts.broken || counts.errorFrame !== null
      const before = stream.frames.slice(0, over ? ends : undefined)
      const expected = frames(before.map(({ sent }) => sent).join('')).flatMap((frame) => {
        const { usage, ...rest } = frame as { usage?: unknown; choices: unknown[] }
        if (rest.choices.length > 0 || usage === null || usage === undefined) return [rest]
        return mode === 'final' ? [frame] : []
      })
      assert.deepEqual(frames(forwarded), expected)
    }),
    { numRuns: 1000 },
  )
})

test('a stream that is cut anywhere forwards whole frames alone, and is no success', () => {
  const [stream] = CORPUS
  assert.ok(stream !== undefined)
  const bytes = Buffer.from(stream.text)
  const whole = stream.frames.map(({ cut }) => cut)
  for (let length = 0; length < bytes.length - '\n'.length - 'data: [DONE]\n'.length; length++) {
    const { forwarded, counts } = tapped([bytes.subarray(0, length)], 'cut', 1)
    assert.ok(!counts.complete && counts.errorFrame === null)
    let rest = forwarded
    for (const frame of whole) if (rest.startsWith(frame)) rest = rest.slice(frame.length)
    assert.equal(rest, '', `${length} bytes forwarded ${JSON.stringify(forwarded)}`)
  }
})

test('never fails on damaged streams', () => {
  fc.assert(
    fc.property(
      streams,
      fc.constantFrom(...MODES),
      fc.array(fc.tuple(fc.nat(), fc.constantFrom(...Buffer.from('{}[]",:\n\r \\d0-'))), {
        minLength: 1,
        maxLength: 4,
      }),
      fc.array(fc.nat(), { maxLength: 6 }),
      ({ text, choices }, mode, damage, cuts) => {
        const bytes = Buffer.from(text)
        for (const [at, byte] of damage) if (bytes.length > 0) bytes[at % bytes.length] = byte
        const whole = tapped([bytes], mode, choices)
        const split = tapped(pieces(bytes, cuts), mode, choices)
        assert.deepEqual(split.counts, whole.counts)
        if (mode !== 'untouched') assert.equal(split.forwarded, whole.forwarded)
      },
    ),
    { numRuns: 3000 },
  )
})

test('counts that are none are left out', () => {
  for (const bad of ['-1', '1e400', '9'.repeat(400), '4294967296', 'null', '"7"', '{}']) {
    const tap = new SseTap({ mode: 'cut', choices: 1 })
    tap.read(Buffer.from(`data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":${bad}}}\n\n`))
    assert.equal(tap.promptTokens, 5)
    assert.ok(tap.completionTokens >= 0 && tap.completionTokens <= 0xffff_ffff, bad)
  }
})

test('a choice index of any size costs nothing', () => {
  const tap = new SseTap({ mode: 'cut', choices: 2 })
  const usage = '{"prompt_tokens":5,"completion_tokens":2}'
  for (const index of ['4000000000', '-1', '1.5', 'null', '"x"']) {
    tap.read(Buffer.from(`data: {"usage":${usage},"choices":[{"index":${index},"text":"a"}]}\n\n`))
  }
  assert.equal(tap.broken, false)
  assert.equal(tap.promptTokens, 5)
})

test('several choices in one frame each finish', () => {
  const tap = new SseTap({ mode: 'cut', choices: 2 })
  const entry = (index: number, reason: string) => `{"index":${index},"text":"x","finish_reason":${reason}}`
  tap.read(Buffer.from(`data: {"choices":[${entry(0, 'null')},${entry(1, '"stop"')}]}\n\n`))
  assert.ok(!tap.finished)
  tap.read(Buffer.from(`data: {"choices":[${entry(0, '"stop"')},${entry(1, '"stop"')}]}\n\n`))
  assert.ok(tap.finished)
})

test('an error of null is no error', () => {
  const tap = new SseTap({ mode: 'cut', choices: 1 })
  const frame = 'data: {"error":null,"choices":[{"index":0,"text":"x","finish_reason":"stop"}]}\n\n'
  assert.equal(tap.read(Buffer.from(frame)).toString(), frame)
  assert.ok(tap.finished && !tap.over)
})

test('gives up on a frame without end', () => {
  for (const mode of MODES) {
    const tap = new SseTap({ mode, choices: 1 })
    tap.read(Buffer.from('data: {"a":"'))
    for (let size = 0; size <= MAX_FRAME_BYTES && !tap.broken; size += 1024 * 1024) {
      tap.read(Buffer.alloc(1024 * 1024, 'x'))
    }
    assert.ok(tap.broken)
    assert.equal(tap.partial, mode === 'untouched')
  }
})

test('sums the prompts of a list by the choices that belong to each', () => {
  const frame = (index: number, prompt: number, completion: number) =>
    `data: {"id":"c","choices":[{"index":${index},"text":"a","finish_reason":null}],"usage":{"prompt_tokens":${prompt},"total_tokens":${prompt + completion},"completion_tokens":${completion}}}\n\n`
  const tap = new SseTap({ mode: 'cut', choices: 2, prompts: 2 })
  for (const [index, completion] of [0, 1, 2, 3].map((i) => [i, i + 1] as const)) {
    tap.read(Buffer.from(frame(index, index < 2 ? 1_000 : 10, completion)))
  }
  assert.equal(tap.promptTokens, 1_010)
  assert.equal(tap.completionTokens, 1 + 2 + 3 + 4)
  assert.equal(tap.finished, false)
})
