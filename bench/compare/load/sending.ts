import type { Connection } from '../../load/connection.js'
import type { PlannedRequest, Recorded } from './messages.js'
import { checkReply, type ReplyCheck } from './reply-check.js'
import type { LoadTally } from './tally.js'

/** A planned request with its bytes. */
export interface PreparedRequest {
  readonly planned: PlannedRequest
  readonly bytes: Buffer
}

/** Writes a request down, once for all times that it is sent. */
export function prepareRequest(planned: PlannedRequest, host: string): PreparedRequest {
  const lines = Object.entries({
    host,
    'content-type': 'application/json',
    ...planned.headers,
    'content-length': String(Buffer.byteLength(planned.body)),
  }).map(([name, value]) => `${name}: ${value}\r\n`)
  const head = `POST ${planned.path} HTTP/1.1\r\n${lines.join('')}\r\n`
  return { planned, bytes: Buffer.from(head + planned.body) }
}

/** Sends one order's requests and verifies every reply. */
export interface Sender {
  /**
   * @param since the time (`performance.now()`) from which latencies count
   * @param onEnd told once, when the reply is complete or has failed; false: this connection is of no more use
   */
  send(connection: Connection, since: number, onEnd: (usable: boolean) => void): void
  /** Ends what is still open as failed. */
  expire(reason: string): void
}

/** Hot path of the load generator: one closure set for each request, and no copy of what is read. */
export function createSender(
  { planned, bytes }: PreparedRequest,
  record: Recorded,
  tally: LoadTally,
): Sender {
  const open = new Set<(reason: string) => void>()

  function send(connection: Connection, since: number, onEnd: (usable: boolean) => void): void {
    let check: ReplyCheck | null = null
    let seen = 0
    let lastAt = since
    const end = (problem: string | null, usable: boolean): void => {
      open.delete(expire)
      const tokens = check?.tokens ?? 0
      if (problem !== null) tally.fail(problem, tokens)
      else {
        tally.complete(tokens)
        if (record === 'latency') tally.sample((performance.now() - since) * 1000)
      }
      onEnd(usable && problem === null)
    }
    const expire = (reason: string): void => {
      connection.close()
      end(`${reason}: ${check?.tokens ?? 0} of ${planned.tokens} tokens`, false)
    }
    const timeTokens = (tokens: number): void => {
      if (tokens === seen) return
      const now = performance.now()
      if (seen === 0) {
        if (record === 'ttft') tally.sample((now - since) * 1000)
      } else if (record === 'gaps') tally.sample((now - lastAt) * 1000)
      if (record === 'gaps') for (let together = seen + 1; together < tokens; together += 1) tally.sample(0)
      seen = tokens
      lastAt = now
    }
    open.add(expire)
    connection.send(bytes, {
      onHead({ status }) {
        check = checkReply(planned, status)
      },
      onBody(body, ended) {
        check?.push(body)
        if (planned.stream && check !== null) timeTokens(check.tokens)
        if (ended) end(check?.problem() ?? null, true)
      },
      onFailure(reason) {
        end(reason, false)
      },
    })
  }

  return {
    send,
    expire(reason) {
      for (const one of [...open]) one(reason)
    },
  }
}

/** Resolves when `work` does; after `limitMs` it ends what the sender has open, which lets the work end. */
export async function withLimit(work: Promise<void>, sender: Sender, limitMs: number): Promise<void> {
  const limit = setTimeout(() => {
    sender.expire(`not complete after ${limitMs} ms`)
  }, limitMs)
  await work
  clearTimeout(limit)
}
