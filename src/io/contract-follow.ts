import { errorBody, GatewayError, toGatewayError } from '../core/errors.js'
import type { HttpCall } from './uws.js'

/** A part of an event stream, as a worker thread answers with it. */
export interface EventPart {
  /** Frames; empty: nothing new. */
  readonly body: Uint8Array
  /** What the next part comes after; null or missing: there is none. */
  readonly after?: string | null
}

export interface Followed {
  /** Has a worker thread say what there is for this query. */
  readonly ask: (query: string) => Promise<EventPart>
  /** Throws (or rejects) when the caller may no longer: a token can be revoked while a stream lasts. */
  readonly mayStay: () => Promise<void>
}

export interface Followers {
  /**
   * Streams events until the client leaves, the stream is over or it fails. Rejects with what is to be answered when
   * that happens before the reply has begun.
   * @throws GatewayError overloaded when too many streams are open
   */
  follow(call: HttpCall, followed: Followed): Promise<void>
}

export interface FollowerOptions {
  /** Streams that may be open at once. Default 64. */
  readonly most?: number
  /** Between two looks for what is new. Default 1 s. */
  readonly lookMs?: number
  /**
   * After so much silence a comment is sent, so that what lies between keeps the connection; and so often the caller
   * is checked again. Default 15 s.
   */
  readonly pingMs?: number
}

const PING = ': ping\n\n'
const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  'x-accel-buffering': 'no',
}
const SEQUENCE = /^\d{1,15}$/

/** Event streams of one port. */
export function createFollowers(options: FollowerOptions = {}): Followers {
  const { most = 64, lookMs = 1_000, pingMs = 15_000 } = options
  let open = 0

  async function stream(call: HttpCall, { ask, mayStay }: Followed): Promise<void> {
    // A client that was cut off says so where it had come to.
    const seen = call.header('last-event-id')
    const first = await ask(seen !== undefined && SEQUENCE.test(seen) ? after(call.query, seen) : call.query)
    let next = first.after ?? null
    if (next === null || call.method === 'HEAD') {
      call.reply(200, HEADERS, Buffer.from(first.body))
      return
    }
    const client = watch(call)
    client.wrote(call.start(200, HEADERS, first.body.length > 0 ? Buffer.from(first.body) : PING))
    let spokeAt = performance.now()
    let checkedAt = spokeAt
    while (next !== null) {
      await client.pause(lookMs)
      if (call.closed) return
      const now = performance.now()
      try {
        if (now - checkedAt >= pingMs) {
          await mayStay()
          checkedAt = now
        }
        const part = await ask(after(call.query, next))
        next = part.after ?? null
        if (part.body.length === 0 && now - spokeAt < pingMs) continue
        client.wrote(call.write(part.body.length > 0 ? Buffer.from(part.body) : PING))
        spokeAt = now
      } catch (thrown) {
        const error = toGatewayError(thrown)
        // A store or the pool has no answer for a moment: the next look goes on from the same place.
        if (error.code === 'overloaded') continue
        // Cut, so that it does not look like a good end.
        call.write(`data: ${errorBody(error)}\n\n`)
        call.cut()
        return
      }
    }
    call.end('')
  }

  return {
    async follow(call, followed) {
      if (open >= most) {
        throw new GatewayError('overloaded', {
          message: `${most} event streams are open already; retry later.`,
        })
      }
      open++
      try {
        await stream(call, followed)
      } finally {
        open--
      }
    },
  }
}

function after(query: string, sequence: string): string {
  const values = new URLSearchParams(query)
  values.set('after', sequence)
  return values.toString()
}

/** Waits with a client: not longer than it is there, and as long as it cannot take more. */
function watch(call: HttpCall) {
  let slow = false
  let wake: (() => void) | null = null
  const woken = () => wake?.()
  call.onAbort(woken)
  call.onWritable(() => {
    // What is buffered goes out with the next write alone.
    slow = !call.write(PING)
    if (!slow) woken()
  })
  return {
    wrote(taken: boolean) {
      if (!taken) slow = true
    },
    async pause(ms: number) {
      do {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms)
          wake = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      } while (slow && !call.closed)
    },
  }
}
