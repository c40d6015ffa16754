import type { MicroBench } from './harness/bench.js'
import { readInto } from './inputs/read-buffer.js'
import { chunk, reads, vllmFrames } from './inputs/vllm-stream.js'

const INPUT = {}

/** What the harness and the inputs cost, which is part of every figure. */
export const emptyOperation: MicroBench = {
  name: 'empty',
  title: 'what is in the figures of other benches: the loop, and the copy of a read into the read buffer',
  cases: [
    {
      name: 'loop',
      operation: 'nothing',
      start: () => ({ run: () => INPUT }),
    },
    ...[1, 8].map((framesPerRead) => ({
      name: `read of ${framesPerRead}`,
      operation: `copy ${framesPerRead === 1 ? 'one chunk' : `${framesPerRead} chunks`} of a stream into the read buffer`,
      start() {
        const buffer = readInto(reads(vllmFrames(1).map(chunk), framesPerRead))
        return { run: () => buffer.next() }
      },
    })),
  ],
}
