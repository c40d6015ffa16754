import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import type { Logger } from 'pino'
import { checkTopic, fitsBus } from './bus-topics.js'
import type { Bus, BusTopics } from './bus-topics.js'

const PREFIX = 'crosslogic.'
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 2_000
/** A connection that a network swallowed says nothing; asking finds out. */
const CHECK_INTERVAL_MS = 5_000
const QUERY_TIMEOUT_MS = 2_000

/** The bus over LISTEN/NOTIFY, on one connection of its own. */
export function createPostgresBus(url: string, topics: BusTopics, logger: Logger | undefined): Bus {
  const closing = new AbortController()
  let client: Client | null = null

  const channelOf = (topic: string) => `"${PREFIX}${topic}"`

  /** Resolves when the connection is lost; rejects when it cannot be made. */
  const runConnection = async () => {
    const candidate = new Client({
      connectionString: url,
      application_name: 'crosslogic-bus',
      connectionTimeoutMillis: 3_000,
      query_timeout: QUERY_TIMEOUT_MS,
      keepAlive: true,
    })
    let end = () => {}
    const lost = new Promise<void>((resolve) => {
      end = () => {
        if (client === candidate) client = null
        resolve()
      }
    })
    candidate.on('error', end)
    candidate.on('end', end)
    closing.signal.addEventListener('abort', end)
    candidate.on('notification', ({ channel, payload }) => {
      topics.deliver(channel.slice(PREFIX.length), payload ?? '')
    })
    try {
      await candidate.connect()
      // Topics that come while these statements run are seen by the next look at the list.
      const listening = new Set<string>()
      for (;;) {
        const missing = topics.names().filter((topic) => !listening.has(topic))
        if (missing.length === 0) break
        await candidate.query(missing.map((topic) => `LISTEN ${channelOf(topic)}`).join(';'))
        for (const topic of missing) listening.add(topic)
      }
      client = candidate
      topics.connected()
      logger?.debug({ event: 'bus_up' }, 'the bus is connected')
      const check = setInterval(() => {
        void execute('SELECT 1').then((alive) => {
          if (!alive) end()
        })
      }, CHECK_INTERVAL_MS)
      await lost
      clearInterval(check)
    } finally {
      end()
      closing.signal.removeEventListener('abort', end)
      // A connection that hangs does not answer the farewell either.
      await Promise.race([candidate.end().catch(() => {}), sleep(500, undefined, { ref: false })])
    }
  }

  const keepConnected = async () => {
    let pauseMs = FIRST_PAUSE_MS
    while (!closing.signal.aborted) {
      try {
        await runConnection()
        if (closing.signal.aborted) return
        logger?.warn({ event: 'bus_down' }, 'the bus lost its Postgres connection')
        pauseMs = FIRST_PAUSE_MS
      } catch (error) {
        // One line for a row of failures: the pause says whether this is the first.
        if (pauseMs === FIRST_PAUSE_MS)
          logger?.warn({ event: 'bus_down', err: error }, 'the bus has no Postgres')
      }
      await sleep(pauseMs, undefined, { signal: closing.signal }).catch(() => {})
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
    }
  }

  /** One statement after another, as the client wants it. @returns whether it succeeded */
  let last: Promise<unknown> = Promise.resolve()
  const execute = (statement: string, values: string[] = []): Promise<boolean> => {
    const result = last.then(async () => {
      if (client === null) return false
      return client.query(statement, values).then(
        () => true,
        () => false,
      )
    })
    last = result
    return result
  }
  const running = keepConnected()

  const close = async () => {
    closing.abort()
    await running
  }
  return {
    get connected() {
      return client !== null
    },
    async publish(topic, payload) {
      checkTopic(topic)
      if (client === null || !fitsBus(payload)) return false
      return execute('SELECT pg_notify($1, $2)', [PREFIX + topic, payload])
    },
    subscribe(topic, listener) {
      checkTopic(topic)
      // Failures come with the loss of the connection, and the next one listens to everything.
      if (topics.add(topic, listener)) void execute(`LISTEN ${channelOf(topic)}`)
      return () => {
        if (topics.remove(topic, listener)) void execute(`UNLISTEN ${channelOf(topic)}`)
      }
    },
    onConnect: topics.onConnect,
    close,
    [Symbol.asyncDispose]: close,
  }
}
