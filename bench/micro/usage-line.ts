import { identityLine, recordLine } from '../../src/core/usage-line.js'
import type { MicroBench } from './harness/bench.js'
import { turns } from './inputs/turns.js'
import { sampleIdentity, sampleOutcome } from './inputs/usage.js'

const REQUESTS = 256

/** The JSON lines of the usage pipeline. */
export const usageLine: MicroBench = {
  name: 'usage-line',
  title: 'the JSON lines of a request, as bytes',
  cases: [
    {
      name: 'identity',
      operation: "identityLine, for the spool's begin",
      start() {
        const next = turns(Array.from({ length: REQUESTS }, (_, index) => sampleIdentity(index)))
        return { run: () => identityLine(next()) }
      },
    },
    {
      name: 'record',
      operation: 'recordLine, the row of a request that ended',
      start() {
        const next = turns(
          Array.from({ length: REQUESTS }, (_, index) => ({
            identity: sampleIdentity(index),
            outcome: sampleOutcome(index),
          })),
        )
        return {
          run() {
            const { identity, outcome } = next()
            return recordLine(identity, outcome)
          },
        }
      },
    },
  ],
}
