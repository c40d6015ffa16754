import type { Connection } from '../../load/connection.js'
import { createFrameTally } from '../../load/frame-tally.js'
import type { LoadResult } from './messages.js'
import { createLoadTally, type LoadTally } from './tally.js'

/** A stream's first frame holds the role, not a token. */
const ROLE_FRAMES = 1
const RAMP_STEP_MS = 5

export interface StreamsOptions {
  readonly request: Buffer
  /** How many tokens each stream must bring. */
  readonly tokens: number
  /** Starts are spread evenly over this time, so that the streams do not tick together. */
  readonly rampMs: number
  /** Streams that are not complete after this time have failed. */
  readonly limitMs: number
}

/** One stream on each connection; each must have status 200, exactly its tokens, and end with `[DONE]`. */
export async function sendStreams(
  connections: readonly Connection[],
  options: StreamsOptions,
): Promise<LoadResult> {
  const tally = createLoadTally(false)
  const startedAt = performance.now()
  const streams: Promise<void>[] = []
  const startDue = (): void => {
    const share = options.rampMs === 0 ? 1 : (performance.now() - startedAt) / options.rampMs
    const due = Math.min(connections.length, Math.ceil(share * connections.length))
    for (const connection of connections.slice(streams.length, due)) {
      streams.push(readStream(connection, options, tally))
    }
  }
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      startDue()
      if (streams.length < connections.length) return
      clearInterval(timer)
      resolve()
    }, RAMP_STEP_MS)
    startDue()
  })
  await Promise.all(streams)
  return tally.result()
}

function readStream(connection: Connection, options: StreamsOptions, tally: LoadTally): Promise<void> {
  return new Promise((resolve) => {
    const frames = createFrameTally()
    const startedAt = performance.now()
    let status = 0
    let refusal = ''
    const received = (): number => Math.max(0, frames.jsonFrames - ROLE_FRAMES)
    const end = (problem: string | null): void => {
      clearTimeout(limit)
      if (status === 200) tally.token(received())
      if (problem === null) tally.complete(startedAt, performance.now())
      else tally.fail(problem)
      resolve()
    }
    const limit = setTimeout(() => {
      connection.close()
      end(`not complete after ${options.limitMs} ms: ${received()} of ${options.tokens} tokens`)
    }, options.limitMs)
    connection.send(options.request, {
      onHead(head) {
        status = head.status
      },
      onBody(bytes, ended) {
        if (status === 200) frames.push(bytes)
        else refusal += bytes.toString('utf8', 0, 300)
        if (!ended) return
        if (status !== 200) end(`status ${status}: ${refusal}`)
        else if (!frames.done) end('the stream did not end with [DONE]')
        else if (received() === options.tokens) end(null)
        else end(`${received()} tokens instead of ${options.tokens}`)
      },
      onFailure: end,
    })
  })
}
