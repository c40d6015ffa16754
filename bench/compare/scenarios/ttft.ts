import { setTimeout as sleep } from 'node:timers/promises'
import { inTurn, proxiesOf, type Bench, type Scenario } from '../bench.js'
import type { Contender } from '../contenders/contender.js'
import { readEventLoopLag } from '../event-loop-lag.js'
import { rowOf } from '../row.js'
import { connectTo } from '../session.js'
import { added, describeSamples, ofMedians } from '../samples.js'
import { chatRequest } from './chat.js'
import { limitMs } from './cpu.js'

const STREAMS = 1_000
const TOKENS_PER_SECOND = 25
const PROBE_CONNECTIONS = 8
const PROBES_PER_SECOND = 100
const RAMP_MS = 1_000
const PROBE_WARM_UP_MS = 300
const PROBE_MS = 1_500
/** The streams last longer than the probes. */
const TAIL_MS = 500
const ROUNDS = 3

/** Time to first token of new streams, while a thousand others run. */
export const ttft: Scenario = {
  name: 'ttft',
  title: `TTFT added at ${STREAMS} open streams of ${TOKENS_PER_SECOND} tokens/s`,
  async run(bench) {
    bench.note(
      `${PROBES_PER_SECOND} new streams a second, evenly paced over ${PROBE_CONNECTIONS} connections, by a generator process of their own, ` +
        `for ${PROBE_MS / 1000} s; ${ROUNDS} rounds.\nAdded: less that of the same asked of a node itself, under the same streams.`,
    )
    // The lag is that since the last reading.
    await readEventLoopLag(bench.gateway.gateway)
    const samples = await inTurn(bench, [bench.direct, ...proxiesOf(bench)], ROUNDS, (contender) =>
      probe(bench, contender),
    )
    const lag = await readEventLoopLag(bench.gateway.gateway)
    bench.note(`the gateway's own event loop lag meanwhile: ${lag?.toFixed(1) ?? 'not told'} ms at most`)
    for (const line of describeSamples('TTFT, µs', samples)) bench.note(line)
    const row = (what: string, q: number, atMost?: number) => {
      const milliseconds = new Map(
        [...added(samples, q)].map(([name, all]) => [name, all.map((v) => v / 1000)]),
      )
      const goal = atMost === undefined ? null : { atMost }
      return rowOf(`Added TTFT ${what}, ${STREAMS} open streams`, 'ms', ofMedians(milliseconds), goal)
    }
    return [row('p50', 0.5), row('p99', 0.99, 2)]
  },
}

/** @returns sorted samples of TTFT, µs */
async function probe(bench: Bench, contender: Contender): Promise<number[]> {
  await using background = await connectTo(bench.load, contender, STREAMS)
  await using probes = await connectTo(bench.probe, contender, PROBE_CONNECTIONS)
  const seconds = (RAMP_MS + PROBE_WARM_UP_MS + PROBE_MS + TAIL_MS) / 1000
  const start = (durationMs: number) =>
    probes.run({
      kind: 'arrivals',
      request: chatRequest(contender, { stream: true, tokens: 1 }),
      record: 'ttft',
      perSecond: PROBES_PER_SECOND,
      durationMs,
      limitMs: limitMs(durationMs / 1000),
    })
  const [samples] = await Promise.all([
    sleep(RAMP_MS)
      .then(() => start(PROBE_WARM_UP_MS))
      .then(() => start(PROBE_MS)),
    background.run({
      kind: 'streams',
      request: chatRequest(contender, {
        stream: true,
        tokens: Math.round(seconds * TOKENS_PER_SECOND),
        tokensPerSecond: TOKENS_PER_SECOND,
      }),
      record: null,
      rampMs: RAMP_MS,
      limitMs: limitMs(seconds),
    }),
  ])
  return samples.samplesMicros.toSorted((a, b) => a - b)
}
