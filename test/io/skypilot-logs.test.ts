import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { linesOf } from '../../src/io/skypilot-logs.js'

async function all(chunks: readonly Uint8Array[]): Promise<string[]> {
  const lines: string[] = []
  for await (const line of linesOf(chunks)) lines.push(line)
  return lines
}

test('lines end with a line feed, a carriage return, or both, and with the text', async () => {
  assert.deepEqual(await all([Buffer.from('a\nb\r\nc\rd\n\ne')]), ['a', 'b', 'c', 'd', '', 'e'])
  assert.deepEqual(await all([]), [])
  assert.deepEqual(await all([Buffer.from('a\r'), Buffer.from('\nb\r')]), ['a', 'b'])
  const longest = 'x'.repeat(16_384)
  assert.deepEqual(await all([Buffer.from(`${longest}\r`), Buffer.from('\nb')]), [longest, 'b'])
})

test('the same text gives the same lines, however its bytes are cut', async () => {
  const part = fc.oneof(
    fc.constantFrom('\n', '\r', '\r\n', '⚙︎ Launching', '└──', '€'),
    fc.string({ unit: 'grapheme' }),
    fc.nat(40_000).map((length) => 'x'.repeat(length)),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(part), fc.array(fc.nat(100_000)), async (parts, cuts) => {
      const bytes = Buffer.from(parts.join(''))
      const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
      const chunks = places.slice(1).map((end, at) => bytes.subarray(places[at] ?? 0, end))
      const lines = await all(chunks)
      assert.deepEqual(lines, await all([bytes]))
      for (const line of lines) assert.ok(line.length <= 16_384 && !/[\r\n]/.test(line))
    }),
  )
})
