import { identityLine, recordLine } from '../../src/core/usage-line.js'
import type { MicroBench } from './harness/bench.js'
import { turns } from './inputs/turns.js'
import { sampleIdentity, sampleOutcome } from './inputs/usage.js'

const REQUESTS = 256

/** The JSON lines of the usage pipeline. */
export const usageLine: MicroBench = {
  name: 'usage-line',
  title: 'the JSON lines of a request; that their text is flattened when it is written is included',
  cases: [
    {
      name: 'identity',
      operation: "identityLine, for the spool's begin, and its bytes",
      start() {
        const next = turns(Array.from({ length: REQUESTS }, (_, index) => sampleIdentity(index)))
        const bytes = Buffer.allocUnsafeSlow(4_096)
        return {
          run() {
            bytes.write(identityLine(next()), 'utf8')
            return bytes
          },
        }
      },
    },
    {
      name: 'record',
      operation: 'recordLine, the row of a request that ended, and its bytes',
      start() {
        const next = turns(
          Array.from({ length: REQUESTS }, (_, index) => ({
            identity: sampleIdentity(index),
            outcome: sampleOutcome(index),
          })),
        )
        const bytes = Buffer.allocUnsafeSlow(4_096)
        return {
          run() {
            const { identity, outcome } = next()
            bytes.write(recordLine(identity, outcome), 'utf8')
            return bytes
          },
        }
      },
    },
  ],
}
