import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import type { Logger } from 'pino'

export interface LeadershipOptions {
  readonly postgresUrl: string
  readonly logger: Logger
  /** Ends the candidacy; the lock is given back. */
  readonly signal: AbortSignal
  /** What the leader does, until its signal is aborted: leadership was lost or the candidacy ended. */
  readonly lead: (signal: AbortSignal) => Promise<void>
}

/** Names the lock among the advisory locks of the database: "leader" in ASCII. */
const LOCK = 0x6c65_6164_6572
/** How often a candidate asks, and the leader makes sure of its connection. */
const INTERVAL_MS = 1_000
/** A connection that does not answer for this long is lost, and leadership with it. */
const ANSWER_MS = 3_000

/**
 * Stands for leader until the signal is aborted: at most one process of the installation holds an advisory lock in
 * Postgres and leads. The lock belongs to a connection, so a leader that dies or is cut off loses it; each one stops
 * leading as soon as it cannot be sure. Survives the loss of Postgres; never rejects.
 */
export async function standForLeader(options: LeadershipOptions): Promise<void> {
  const { signal, logger } = options
  let reachable = true
  while (!signal.aborted) {
    try {
      await candidacy(options, () => {
        reachable = true
      })
    } catch (error) {
      if (reachable) logger.warn({ event: 'leadership_unavailable', error })
      reachable = false
    }
    await pause(INTERVAL_MS, signal)
  }
}

/** One connection's candidacy: waits for the lock and leads. Rejects when the connection is lost. */
async function candidacy(options: LeadershipOptions, onConnected: () => void): Promise<void> {
  const client = new Client({
    connectionString: options.postgresUrl,
    application_name: 'crosslogic-leader',
    connectionTimeoutMillis: ANSWER_MS,
    query_timeout: ANSWER_MS,
    keepAlive: true,
  })
  const over = new AbortController()
  let failure: { readonly error: unknown } | null = null
  const fail = (error: unknown) => {
    failure ??= { error }
    over.abort()
  }
  const stop = () => {
    over.abort()
  }
  client.on('error', fail)
  options.signal.addEventListener('abort', stop)
  try {
    await client.connect()
    onConnected()
    while (!over.signal.aborted && !(await takesLock(client))) await pause(INTERVAL_MS, over.signal)
    if (!over.signal.aborted) await leadOn(client, over.signal, fail, options)
  } catch (error) {
    fail(error)
  } finally {
    options.signal.removeEventListener('abort', stop)
    await client.end().catch(() => {
      // It is lost already, and the lock with it.
    })
  }
  throwIfSet(failure)
}

/** Assigned in callbacks only, which the compiler does not follow. */
function throwIfSet(failure: { readonly error: unknown } | null): void {
  if (failure !== null) throw failure.error
}

async function takesLock(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ taken: boolean }>('SELECT pg_try_advisory_lock($1) AS taken', [LOCK])
  return rows[0]?.taken === true
}

/** Leads while the connection answers. */
async function leadOn(
  client: Client,
  over: AbortSignal,
  fail: (error: unknown) => void,
  { lead, logger }: LeadershipOptions,
): Promise<void> {
  logger.info({ event: 'leader', leading: true })
  // A lead that fails gives the lock back.
  const leading = lead(over).catch(fail)
  while (!over.aborted) {
    await pause(INTERVAL_MS, over)
    if (!over.aborted) await client.query('SELECT 1').catch(fail)
  }
  await leading
  logger.info({ event: 'leader', leading: false })
}

/** Waits, at most until the signal. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {
    // Aborted: that is what it is for.
  })
}
