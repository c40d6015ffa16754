import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import fc from 'fast-check'
import { createAccount } from '../../bench/compare/account.js'
import { contenderOf } from '../../bench/compare/contenders/contender.js'
import { readCpu } from '../../bench/compare/cpu-reading.js'
import { parseEventLoopLag } from '../../bench/compare/event-loop-lag.js'
import { watchForeignLoad } from '../../bench/compare/foreign-load.js'
import { createContentTally } from '../../bench/compare/load/content-tally.js'
import type { PlannedRequest } from '../../bench/compare/load/messages.js'
import { checkReply } from '../../bench/compare/load/reply-check.js'
import { parseResidentBytes, residentBytes } from '../../bench/compare/memory.js'
import { clearLedgers, runningRequests, writtenTokens } from '../../bench/compare/node-state.js'
import { openFilesLimit, parseOpenFiles } from '../../bench/compare/open-files.js'
import { addedGap } from '../../bench/compare/scenarios/large-bodies.js'
import { prompt } from '../../bench/compare/scenarios/prompts.js'
import { describeSamples } from '../../bench/compare/samples.js'
import { startSimulatedNode } from '../../bench/nodes.js'

const self = contenderOf({ name: 'self', description: '', host: '', port: 0, pid: process.pid, model: '' })

test('reads resident memory of a process, and refuses other text', () => {
  assert.equal(
    parseResidentBytes('00400000-7ffd ---p 0 [rollup]\nRss:    1672 kB\nPss:  237 kB\n'),
    1672 * 1024,
  )
  assert.throws(() => parseResidentBytes('Pss: 1 kB'))
  assert.ok(residentBytes(self) > 10_000_000)
})

test('reads the hard limit of open files', () => {
  const line = (hard: string) =>
    `Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 ${hard}              files\n`
  assert.equal(parseOpenFiles(line('20000')), 20_000)
  assert.equal(parseOpenFiles(line('unlimited')), Number.POSITIVE_INFINITY)
  assert.throws(() => parseOpenFiles(''))
  assert.ok(openFilesLimit() > 0)
})

test('takes the greatest event loop lag of all proxies from their metrics', () => {
  const line = (process: string, quantile: string, value: string) =>
    `crosslogic_event_loop_lag_seconds{process="${process}",quantile="${quantile}"} ${value}\n`
  const text =
    line('control', '1', '0.9') +
    line('proxy-0', '0.99', '0.5') +
    line('proxy-0', '1', '0.0125') +
    line('proxy-1', '1', '0.02')
  assert.equal(parseEventLoopLag(text), 20)
  assert.equal(parseEventLoopLag('# HELP nothing\n'), null)
})

test('CPU of a process counts what it does within the work alone', async () => {
  // Until it was given as much of a processor, however long that takes.
  const spin = (ms: number) => {
    const before = process.cpuUsage()
    while (process.cpuUsage(before).user < ms * 1000);
  }
  const idle = await readCpu(self, () => Promise.resolve('nothing'))
  const busy = await readCpu(self, () => {
    spin(300)
    return Promise.resolve('much')
  })
  assert.equal(idle.result, 'nothing')
  assert.ok(busy.proxyMicros > idle.proxyMicros)
})

test('the share of the machine that others use is between none and all of it, also when a process has ended', async () => {
  const foreignLoad = watchForeignLoad()
  const own = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 300)'], { stdio: 'ignore' })
  await once(own, 'exit')
  const share = foreignLoad()
  assert.ok(share >= 0 && share <= 1)
})

test('what bodies add to a gap is what they do not add to streams that go elsewhere', () => {
  assert.equal(addedGap({ through: 10, direct: 10 }, { through: 45, direct: 15 }), 30)
  assert.equal(addedGap({ through: 10, direct: 20 }, { through: 45, direct: 15 }), 35)
  assert.equal(addedGap({ through: 10, direct: 10 }, { through: 12, direct: 30 }), 0)
})

test('a prompt has the size that was asked for, with characters that JSON escapes', () => {
  for (const bytes of [1024, 64 * 1024]) assert.equal(prompt(bytes).length, bytes)
  assert.match(prompt(1024), /["\n]/)
})

test('samples of all rounds are pooled, none left out', () => {
  const [, line = ''] = describeSamples(
    'x',
    new Map([
      [
        'direct',
        [
          [1, 2],
          [3, 900],
        ],
      ],
    ]),
  )
  assert.match(line, /^direct +4 +2 +900 +900 +2 – 451 – 900$/)
})

test('an account adds up what was received, and is not exact when a request failed', () => {
  const account = createAccount()
  account.add({ completed: 2, tokens: 30, failed: 0 })
  account.add({ completed: 1, tokens: 1, failed: 0 })
  assert.deepEqual([account.requests, account.tokens, account.exact], [3, 31, true])
  account.add({ completed: 0, tokens: 5, failed: 1 })
  assert.ok(!account.exact)
})

test('asks nodes what they have in work and what they wrote', async () => {
  await using node = await startSimulatedNode({})
  await fetch(`${node.url}/v1/completions`, {
    method: 'POST',
    body: JSON.stringify({ model: 'sim-8b', prompt: 'x', max_tokens: 7 }),
  }).then((response) => response.text())
  assert.equal(await runningRequests([node.url]), 0)
  assert.equal(await writtenTokens([node.url]), 7)
  await clearLedgers([node.url])
  assert.equal(await writtenTokens([node.url]), 0)
})

const planned = (parts: Partial<PlannedRequest>): PlannedRequest => ({
  path: '/',
  headers: {},
  body: '',
  stream: false,
  tokens: 1,
  frames: 'forwarded',
  ...parts,
})

/** Pieces of a text's bytes, cut anywhere. */
const cut = (bytes: Buffer, at: readonly number[]): Buffer[] => {
  const offsets = [...new Set([0, ...at.map((one) => one % (bytes.length + 1)), bytes.length])].sort(
    (a, b) => a - b,
  )
  return offsets.slice(1).map((end, index) => bytes.subarray(offsets[index], end))
}

test('finds the tokens of a plain reply wherever it is cut', () => {
  const bytes = (tokens: number) =>
    Buffer.from(`{"usage":{"prompt_tokens":3,"completion_tokens":${tokens}},"x":"é"}`)
  fc.assert(
    fc.property(fc.nat(99_999), fc.array(fc.nat()), (tokens, at) => {
      const check = checkReply(planned({ tokens }), 200)
      // The generator reads everything into the same memory.
      const memory = Buffer.alloc(200)
      for (const piece of cut(bytes(tokens), at)) check.push(memory.subarray(0, piece.copy(memory)))
      assert.equal(check.problem(), null)
      assert.equal(check.tokens, tokens)
    }),
  )
  const other = checkReply(planned({ tokens: 2 }), 200)
  other.push(bytes(3))
  assert.equal(other.problem(), '3 tokens instead of 2')
})

test('frames that a proxy wrote anew are counted by their text, wherever they are cut', () => {
  const frame = (content: string | null) =>
    `data: ${JSON.stringify({ choices: [{ index: 0, delta: content === null ? {} : { content } }] })}\n\n`
  const ends = ['data: {"choices":[]}\n\n', ': ping\n\n', frame(null), frame('')]
  fc.assert(
    fc.property(fc.array(fc.string({ minLength: 1 })), fc.array(fc.nat()), (texts, at) => {
      const tally = createContentTally()
      const text = frame('') + texts.map(frame).join('') + ends.join('') + 'data: [DONE]\n\n'
      for (const piece of cut(Buffer.from(text), at)) tally.push(piece)
      assert.equal(tally.tokens, texts.length)
      assert.ok(tally.done)
    }),
  )
  const open = createContentTally()
  open.push(Buffer.from(`${frame('a')}data: [DONE]\n`))
  assert.ok(!open.done)
})
