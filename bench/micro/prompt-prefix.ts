import { prefixHashes } from '../../src/core/prompt-prefix.js'
import { readRequestHead } from '../../src/core/request-head.js'
import type { MicroBench, MicroCase } from './harness/bench.js'
import { textBody } from './inputs/chat-bodies.js'
import { sampleId } from './inputs/text.js'
import { turns } from './inputs/turns.js'

const SIZES = [
  { name: '1 KB', bytes: 1_024, count: 64 },
  { name: '64 KB', bytes: 64 * 1_024, count: 8, goalNs: 20_000 },
]

/** The hashes by which prefix-affinity knows a prompt. */
export const promptPrefix: MicroBench = {
  name: 'prompt-prefix',
  title: "the hashes of a prompt's beginnings, by which prefix-affinity knows it",
  cases: SIZES.map(({ name, bytes, count, goalNs }): MicroCase => ({
    name,
    operation: `prefixHashes of a chat prompt of ${name}`,
    ...(goalNs !== undefined && { goalNs }),
    start() {
      const next = turns(
        Array.from({ length: count }, (_, index) => {
          const body = textBody(index + 1, bytes)
          return { body, head: readRequestHead(body) }
        }),
      )
      const salt = sampleId(1)
      return {
        run() {
          const { body, head } = next()
          return prefixHashes(body, head.promptStart, head.promptEnd, salt)
        },
      }
    },
  })),
}
