import { quantile, spread } from '../../statistics.js'
import { inTurn, proxiesOf, type Bench, type Scenario } from '../bench.js'
import { rowOf, type Row, type Rounds } from '../row.js'
import { connectTo, type Session } from '../session.js'
import { columns } from '../table.js'
import { chatRequest } from './chat.js'
import { limitMs } from './cpu.js'

/** How latency is sampled at one number of connections. */
interface Sampling {
  readonly connections: number
  /** Length of each contender's turn. */
  readonly sliceMs: number
  readonly rounds: number
  /** Between a reply and the next request. */
  readonly pauseMs: number
}

const ONE: Sampling = { connections: 1, sliceMs: 300, rounds: 24, pauseMs: 1 }
const MANY: readonly Sampling[] = [
  { connections: 32, sliceMs: 1_000, rounds: 3, pauseMs: 0 },
  { connections: 256, sliceMs: 1_000, rounds: 3, pauseMs: 0 },
]
const WARM_UP_SECONDS = 1

/** What a proxy adds to the latency of the small request, at 1, 32 and 256 connections. */
export const latency: Scenario = {
  name: 'latency',
  title: 'Added latency of the small request: through a proxy, less that of asking a node itself',
  async run(bench) {
    bench.note(
      `1 connection: ${ONE.rounds} rounds of ${ONE.sliceMs} ms for each in turn on connections that stay open, with a pause of ` +
        `${ONE.pauseMs} ms before each request,\nso that the machine is not saturated. Added: a round's quantile less the direct one of that round; ` +
        `the median of all rounds counts.\nPooled: all samples of all rounds together; none is left out. ` +
        `32 and 256 connections: closed loop without pause, rounds of ${MANY[0]?.sliceMs} ms.`,
    )
    const rows = await sample(bench, ONE, { atMost: 200, timesNginx: 2 })
    for (const sampling of MANY) rows.push(...(await sample(bench, sampling, null)))
    return rows
  },
}

async function sample(
  bench: Bench,
  { connections, sliceMs, rounds, pauseMs }: Sampling,
  goal: { readonly atMost: number; readonly timesNginx: number } | null,
): Promise<Row[]> {
  const contenders = [bench.direct, ...proxiesOf(bench)]
  const sessions = new Map<string, Session>()
  try {
    const slices = await inTurn(bench, contenders, rounds + 1, async (contender, round) => {
      const session = sessions.get(contender.name) ?? (await connectTo(bench.load, contender, connections))
      sessions.set(contender.name, session)
      // The first round is the warm-up.
      const durationMs = round === 0 ? WARM_UP_SECONDS * 1000 : sliceMs
      const { samplesMicros } = await session.run({
        kind: 'requests',
        request: chatRequest(contender, { tokens: 1 }),
        record: 'latency',
        durationMs,
        pauseMs,
        limitMs: limitMs(durationMs / 1000),
      })
      return samplesMicros.toSorted((a, b) => a - b)
    })
    const samples = new Map([...slices].map(([name, all]) => [name, all.slice(1)]))
    for (const line of describeSamples(connections, samples)) bench.note(line)
    const measure = (what: string) =>
      `Added latency ${what}, ${connections} connection${connections === 1 ? '' : 's'}`
    return [
      rowOf(measure('p50'), 'µs', added(samples, 0.5), null),
      added99(measure('p99'), added(samples, 0.99), goal),
    ]
  } finally {
    for (const session of sessions.values()) await session[Symbol.asyncDispose]()
  }
}

/** Sorted samples of each contender, by round. */
type Samples = ReadonlyMap<string, readonly (readonly number[])[]>

/** What each proxy adds in each round to the quantile that a node itself has in that round. */
export function added(samples: Samples, q: number): Rounds {
  const direct = samples.get('direct') ?? []
  return new Map(
    [...samples]
      .filter(([name]) => name !== 'direct')
      .map(([name, rounds]) => [
        name,
        rounds.map((sorted, round) => quantile(sorted, q) - quantile(direct[round] ?? [], q)),
      ]),
  )
}

/**
 * Differences of single rounds may be zero or below, so that their ratios say nothing: the ratio is that of the
 * medians.
 */
export function added99(
  measure: string,
  rounds: Rounds,
  goal: { readonly atMost: number; readonly timesNginx: number } | null,
): Row {
  const medians = new Map(
    [...rounds].filter(([, values]) => values.length > 0).map(([name, v]) => [name, [spread(v).median]]),
  )
  return rowOf(measure, 'µs', medians, goal)
}

function describeSamples(connections: number, samples: Samples): string[] {
  const pooled = (q: number) => (all: readonly number[]) => quantile(all, q).toFixed(0)
  const rows = [...samples].map(([name, rounds]) => {
    const all = rounds.flat().sort((a, b) => a - b)
    const p99s = spread(rounds.map((sorted) => quantile(sorted, 0.99)))
    return [
      name,
      String(all.length),
      ...[0.5, 0.99, 0.999].map((q) => pooled(q)(all)),
      `${p99s.min} – ${p99s.median} – ${p99s.max}`,
    ]
  })
  return columns([
    [
      `${connections} conn., µs`,
      'samples',
      'pooled p50',
      'p99',
      'p99.9',
      'p99 of rounds: min – median – max',
    ],
    ...rows,
  ])
}
