import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { searchHighest, type Answer, type Range, type Verdict } from '../../../bench/load/sweep/search.js'
import { seededRandom } from '../../../bench/nodes/random.js'

interface Trial {
  readonly load: number
  readonly verdict: Verdict
}

async function search(
  range: Range,
  verdictAt: (load: number) => Verdict,
): Promise<{ answer: Answer; trials: Trial[] }> {
  const trials: Trial[] = []
  const answer = await searchHighest((load) => {
    const verdict = verdictAt(load)
    trials.push({ load, verdict })
    return Promise.resolve(verdict)
  }, range)
  return { answer, trials }
}

const ranges = fc
  .record({
    whole: fc.boolean(),
    from: fc.integer({ min: 1, max: 1_000 }),
    span: fc.integer({ min: 0, max: 10_000 }),
    resolution: fc.double({ min: 0.005, max: 0.5, noNaN: true }),
    repeats: fc.constantFrom(1, 3, 5),
  })
  .map(({ whole, from, span, resolution, repeats }): Range => {
    return { from, to: from + span, whole, resolution, repeats }
  })

test('finds the capacity of a server to the resolution', async () => {
  await fc.assert(
    fc.asyncProperty(ranges, fc.double({ min: 0.5, max: 12_000, noNaN: true }), async (range, capacity) => {
      const { answer, trials } = await search(range, (load) => (load <= capacity ? 'met' : 'missed'))
      for (const { load } of trials) {
        assert.ok(load >= range.from && load <= range.to)
        if (range.whole) assert.ok(Number.isInteger(load))
      }
      const { highest, next, ending } = answer
      if (capacity < range.from) assert.deepEqual([highest, ending], [null, 'below-start'])
      else if (capacity >= range.to) assert.deepEqual([highest, next, ending], [range.to, null, 'at-end'])
      else {
        assert.equal(ending, 'found')
        assert.ok(highest !== null && next !== null && highest <= capacity && capacity < next)
        const gap = Math.max(highest * range.resolution, range.whole ? 1 : 0)
        assert.ok(next - highest <= gap + 1e-9, `${highest} to ${next}`)
      }
      assert.ok(
        trials.length <= range.repeats * (2 + Math.log2(range.to / range.from) + 9),
        `${trials.length} runs`,
      )
    }),
  )
})

test('with noise about the capacity the answer lies within the noise, and was met by most of its runs', async () => {
  await fc.assert(
    fc.asyncProperty(
      ranges,
      fc.double({ min: 1, max: 5_000, noNaN: true }),
      fc.double({ min: 0, max: 0.4, noNaN: true }),
      fc.integer(),
      async (range, capacity, noise, seed) => {
        const random = seededRandom(seed)
        const [sure, most] = [capacity * (1 - noise), capacity * (1 + noise)]
        const { answer, trials } = await search(range, (load) =>
          load <= sure ? 'met' : load > most ? 'missed' : random() < 0.5 ? 'met' : 'missed',
        )
        const votes = (load: number | null, verdict: Verdict): number =>
          trials.filter((trial) => trial.load === load && trial.verdict === verdict).length
        const { highest, next } = answer
        if (highest !== null) assert.ok(highest <= most && votes(highest, 'met') > votes(highest, 'missed'))
        if (next !== null) assert.ok(next > sure && votes(next, 'missed') > votes(next, 'met'))
        if (answer.ending === 'found') {
          assert.ok(highest !== null && next !== null)
          assert.ok(next - highest <= Math.max(highest * range.resolution, range.whole ? 1 : 0) + 1e-9)
        }
      },
    ),
  )
})

test('stops at the first run that decides nothing, and keeps what it knows', async () => {
  await fc.assert(
    fc.asyncProperty(
      ranges,
      fc.double({ min: 1, max: 12_000, noNaN: true }),
      fc.constantFrom<Verdict>('generator-limit', 'interrupted'),
      async (range, limit, why) => {
        const { answer, trials } = await search(range, (load) => (load <= limit ? 'met' : why))
        const stopped = trials.findIndex(({ verdict }) => verdict === why)
        if (stopped === -1) assert.equal(answer.ending, 'at-end')
        else {
          assert.equal(stopped, trials.length - 1)
          assert.equal(answer.ending, why)
          assert.equal(answer.next, trials.at(-1)?.load)
          assert.ok(answer.highest === null || answer.highest <= limit)
        }
      },
    ),
  )
})
