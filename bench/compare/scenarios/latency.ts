import { setTimeout as sleep } from 'node:timers/promises'
import { inTurn, proxiesOf, type Bench, type Scenario } from '../bench.js'
import { rowOf, type Goal, type Row } from '../row.js'
import { added, describeSamples, ofMedians } from '../samples.js'
import { connectTo, type Session } from '../session.js'
import { chatRequest } from './chat.js'
import { limitMs } from './cpu.js'

/** How latency is sampled at one number of connections. */
interface Sampling {
  readonly connections: number
  /** Length of each contender's turn. */
  readonly turnMs: number
  readonly rounds: number
  /** Between a reply and the next request. */
  readonly pauseMs: number
  readonly goal: Goal | null
}

const ONE: Sampling = {
  connections: 1,
  turnMs: 1_000,
  rounds: 6,
  pauseMs: 1,
  goal: { atMost: 200, timesNginx: 2 },
}
const MANY = [32, 256].map((connections): Sampling => ({
  connections,
  turnMs: 1_000,
  rounds: 2,
  pauseMs: 0,
  goal: null,
}))
const WARM_UP_MS = 1_000

/** What a proxy adds to the latency of the small request, at 1, 32 and 256 connections. */
export const latency: Scenario = {
  name: 'latency',
  title: 'Added latency of the small request: through a proxy, less that of asking a node itself',
  async run(bench) {
    bench.note(
      `1 connection: ${ONE.rounds} rounds of ${ONE.turnMs / 1000} s for each in turn, on connections that stay open, with a pause of ` +
        `${ONE.pauseMs} ms before each request,\nso that the machine is not saturated. After the gateway's turn its deferred work gets time ` +
        `to end, so that it falls into nobody else's.\nAdded: a round's quantile less the median of the direct ones; the median of the rounds ` +
        `counts. Pooled: all samples, none left out.\n32 and 256 connections: closed loop without pause, ${MANY[0]?.rounds} rounds.`,
    )
    const rows: Row[] = []
    for (const sampling of [ONE, ...MANY]) rows.push(...(await sample(bench, sampling)))
    return rows
  },
}

async function sample(bench: Bench, sampling: Sampling): Promise<Row[]> {
  const { connections, rounds, goal } = sampling
  const sessions = new Map<string, Session>()
  try {
    // The first round is the warm-up.
    const turns = await inTurn(
      bench,
      [bench.direct, ...proxiesOf(bench)],
      rounds + 1,
      async (contender, round) => {
        const session = sessions.get(contender.name) ?? (await connectTo(bench.load, contender, connections))
        sessions.set(contender.name, session)
        const durationMs = round === 0 ? WARM_UP_MS : sampling.turnMs
        const { samplesMicros } = await session.run({
          kind: 'requests',
          request: chatRequest(contender, { tokens: 1 }),
          record: 'latency',
          durationMs,
          pauseMs: sampling.pauseMs,
          limitMs: limitMs(durationMs / 1000),
        })
        await sleep(contender.settleMs)
        return samplesMicros.toSorted((a, b) => a - b)
      },
    )
    const samples = new Map([...turns].map(([name, all]) => [name, all.slice(1)]))
    const where = `${connections} connection${connections === 1 ? '' : 's'}`
    for (const line of describeSamples(`${where}, µs`, samples)) bench.note(line)
    return [
      rowOf(`Added latency p50, ${where}`, 'µs', ofMedians(added(samples, 0.5)), null),
      rowOf(`Added latency p99, ${where}`, 'µs', ofMedians(added(samples, 0.99)), goal),
    ]
  } finally {
    for (const session of sessions.values()) await session[Symbol.asyncDispose]()
  }
}
