import { createFrameTally } from '../../load/frame-tally.js'
import { createContentTally } from './content-tally.js'
import type { PlannedRequest } from './messages.js'

/** Reads the body of one reply and judges it. */
export interface ReplyCheck {
  push(bytes: Buffer): void
  /** Tokens received so far; of a plain reply when it is complete. */
  readonly tokens: number
  /** Why the complete reply is not good; null when it is. */
  problem(): string | null
}

/** A stream's first frame holds the role, not a token. */
const ROLE_FRAMES = 1
const SHOWN_BYTES = 300

/** Judges the reply to a request by its status and body: exactly the tokens that were asked for. */
export function checkReply({ stream, tokens, frames }: PlannedRequest, status: number): ReplyCheck {
  if (status !== 200) return refused(status)
  if (!stream) return plain(tokens)
  return frames === 'forwarded' ? forwarded(tokens) : rewritten(tokens)
}

function refused(status: number): ReplyCheck {
  let words = ''
  return {
    push(bytes) {
      words += bytes.toString('utf8', 0, SHOWN_BYTES - words.length)
    },
    tokens: 0,
    problem: () => `status ${status}: ${words}`,
  }
}

const wrongCount = (received: number, expected: number): string | null =>
  received === expected ? null : `${received} tokens instead of ${expected}`

function streamProblem(done: boolean, received: number, expected: number): string | null {
  return done ? wrongCount(received, expected) : 'the stream did not end with [DONE]'
}

function forwarded(expected: number): ReplyCheck {
  const tally = createFrameTally()
  const received = (): number => Math.max(0, tally.jsonFrames - ROLE_FRAMES)
  return {
    push(bytes) {
      tally.push(bytes)
    },
    get tokens() {
      return received()
    },
    problem: () => streamProblem(tally.done, received(), expected),
  }
}

function rewritten(expected: number): ReplyCheck {
  const tally = createContentTally()
  return {
    push(bytes) {
      tally.push(bytes)
    },
    get tokens() {
      return tally.tokens
    },
    problem: () => streamProblem(tally.done, tally.tokens, expected),
  }
}

/** Followed by something else, so that all digits are there. */
const USAGE = /"completion_tokens":\s*(\d+)\D/

function plain(expected: number): ReplyCheck {
  let earlier = Buffer.alloc(0)
  let tokens: number | null = null
  return {
    push(bytes) {
      if (tokens !== null) return
      const body = earlier.length === 0 ? bytes : Buffer.concat([earlier, bytes])
      const count = USAGE.exec(body.toString('latin1'))?.[1]
      if (count !== undefined) tokens = Number(count)
      // The bytes are good for this call alone.
      else earlier = Buffer.from(body)
    },
    get tokens() {
      return tokens ?? 0
    },
    problem: () => wrongCount(tokens ?? 0, expected),
  }
}
