import { readRequestHead } from '../../src/core/request-head.js'
import type { MicroBench, MicroCase } from './harness/bench.js'
import { imageBody, textBody } from './inputs/chat-bodies.js'
import { turns } from './inputs/turns.js'

interface Bodies {
  readonly name: string
  readonly goalNs?: number
  readonly make: () => Buffer[]
}

const seeds = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1)

const BODIES: readonly Bodies[] = [
  { name: '1 KB', make: () => seeds(64).map((seed) => textBody(seed, 1_024)) },
  // The prompt may cost 60 µs more than one of 1 KB, on its whole way.
  { name: '64 KB', goalNs: 60_000, make: () => seeds(8).map((seed) => textBody(seed, 64 * 1_024)) },
  // A body of this size may not stall the loop for more than 20 ms, again on its whole way.
  {
    name: '10 MB image',
    goalNs: 20_000_000,
    make: () => seeds(2).map((seed) => imageBody(seed, 10_000_000)),
  },
]

/** The head of a chat request, beside `JSON.parse` of the same bytes. */
export const requestHead: MicroBench = {
  name: 'request-head',
  title: 'the routed fields of a chat request, beside JSON.parse of the same bytes',
  cases: BODIES.flatMap(({ name, goalNs, make }): MicroCase[] => [
    {
      name,
      operation: `readRequestHead of a body of ${name}`,
      ...(goalNs !== undefined && { goalNs }),
      start() {
        const next = turns(make())
        return { run: () => readRequestHead(next()) }
      },
    },
    {
      name: `${name}, JSON.parse`,
      operation: `JSON.parse of a body of ${name}, decoding included`,
      start() {
        const next = turns(make())
        return { run: (): unknown => JSON.parse(next().toString()) }
      },
    },
  ]),
}
