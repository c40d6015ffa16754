import { AnswerText } from '../../src/core/answer-text.js'
import { SseTap, type TapOptions } from '../../src/core/sse-tap.js'
import type { MicroBench, MicroCase } from './harness/bench.js'
import { readInto } from './inputs/read-buffer.js'
import { reads, STREAM_TOKENS, vllmFrames } from './inputs/vllm-stream.js'

const MODES = ['cut', 'final', 'untouched'] as const

function tapCase(mode: TapOptions['mode'], framesPerRead: number, keepsText = false): MicroCase {
  const frames = framesPerRead === 1 ? 'one frame' : `${framesPerRead} frames`
  const text = keepsText ? ', text kept' : ''
  const newTap = () => new SseTap({ mode, choices: 1, answer: keepsText ? new AnswerText('chat') : null })
  return {
    name: `${mode}, ${frames}${text}`,
    operation: `SseTap.read of ${frames}${text}`,
    start() {
      const buffer = readInto(reads(vllmFrames(1), framesPerRead))
      let tap = newTap()
      return {
        run() {
          const read = buffer.next()
          const forward = tap.read(read)
          if (buffer.roundEnds) tap = newTap()
          return forward
        },
      }
    },
  }
}

/** Usage and success out of a stream's frames, in each mode, when they come alone and when several share a read. */
export const sseTap: MicroBench = {
  name: 'sse-tap',
  title: `a read of a vLLM stream with continuous usage; copying it is included, a new tap each ${STREAM_TOKENS} tokens`,
  cases: MODES.flatMap((mode) => [tapCase(mode, 1), tapCase(mode, 8), tapCase(mode, 1, true)]),
}
