import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { openConnection, type Connection } from '../../../bench/load/connection.js'

export interface HammerOptions {
  /** Tenant ports; connections are spread over them evenly. */
  readonly ports: readonly number[]
  readonly key: string
  readonly connections: number
  readonly body: object
  readonly path?: string
  /** Between a refusal and the next request of a connection. Default 10 ms; 0: at once. */
  readonly pauseMs?: number
}

/** One admitted request. Times are those of `performance.now()`. */
export interface Admitted {
  readonly sentAt: number
  /** Of the reply's `usage`; 0 where it has none. */
  readonly tokens: number
}

export interface Hammered {
  /** All that were admitted, by the time of their sending. */
  readonly admitted: readonly Admitted[]
  /** Refusals by code. */
  readonly refused: ReadonlyMap<string, number>
  /** Of the first and the last request that was sent. */
  readonly firstSentAt: number
  readonly lastSentAt: number
  /** Admitted streams that did not end with `[DONE]`, or replies that were not whole. */
  readonly broken: number
  /** Connections that broke or were refused. */
  readonly lost: number
}

/** Requests of one key on many connections, each in a closed loop, until they are stopped. */
export interface Hammer {
  /** Admitted requests that a port answers at the moment. */
  running(port: number): number
  /** How many have been admitted so far. */
  readonly admittedSoFar: number
  /** Awaits the requests under way and closes the connections. */
  stop(): Promise<Hammered>
}

const Failure = z.object({ error: z.object({ code: z.string() }) })
const TOTAL_TOKENS = /"total_tokens":\s?(\d+)/g

/** Starts hammering. @throws when a connection cannot be opened */
export async function startHammer(options: HammerOptions): Promise<Hammer> {
  const { ports, key, connections, path = '/v1/chat/completions', pauseMs = 10 } = options
  const text = JSON.stringify(options.body)
  const stopping = new AbortController()
  const admitted: Admitted[] = []
  const refused = new Map<string, number>()
  const runningOn = new Map<number, number>(ports.map((port) => [port, 0]))
  let firstSentAt = Infinity
  let lastSentAt = 0
  let broken = 0
  let lost = 0

  /** @returns the status; null: the connection is of no more use */
  function ask(connection: Connection, request: Buffer, port: number): Promise<number | null> {
    const sentAt = performance.now()
    firstSentAt = Math.min(firstSentAt, sentAt)
    lastSentAt = Math.max(lastSentAt, sentAt)
    return new Promise((resolve) => {
      let status = 0
      let body = ''
      const run = (change: number) => {
        if (status === 200) runningOn.set(port, (runningOn.get(port) ?? 0) + change)
      }
      connection.send(request, {
        onHead(head) {
          status = head.status
          run(1)
        },
        onBody(bytes, ended) {
          body += bytes.toString('latin1')
          if (!ended) return
          run(-1)
          if (status === 200) {
            const last = [...body.matchAll(TOTAL_TOKENS)].at(-1)
            admitted.push({ sentAt, tokens: Number(last?.[1] ?? 0) })
            if (body.startsWith('data: ') && !body.endsWith('data: [DONE]\n\n')) broken++
          } else {
            const { code } = Failure.parse(JSON.parse(body)).error
            refused.set(code, (refused.get(code) ?? 0) + 1)
          }
          resolve(connection.reusable ? status : null)
        },
        onFailure() {
          run(-1)
          if (status === 200) broken++
          resolve(null)
        },
      })
    })
  }

  async function loop(connection: Connection, port: number): Promise<void> {
    const request = Buffer.from(
      `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nauthorization: Bearer ${key}\r\n` +
        `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
    )
    while (!stopping.signal.aborted) {
      const status = await ask(connection, request, port)
      if (status === null) {
        lost++
        return
      }
      if (status !== 200 && pauseMs > 0) await sleep(pauseMs)
    }
    connection.close()
  }

  const opened = await Promise.all(
    Array.from({ length: connections }, async (_, at) => {
      const port = ports[at % ports.length] ?? 0
      return { port, connection: await openConnection('127.0.0.1', port) }
    }),
  )
  const loops = opened.map(({ connection, port }) => loop(connection, port))
  return {
    running: (port) => runningOn.get(port) ?? 0,
    get admittedSoFar() {
      return admitted.length
    },
    async stop() {
      stopping.abort()
      await Promise.all(loops)
      return { admitted, refused, firstSentAt, lastSentAt, broken, lost }
    },
  }
}
