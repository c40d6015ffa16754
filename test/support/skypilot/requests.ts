import { randomUUID } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { PICKLE, PythonError, serializedError } from './python-error.js'

/** How a server says that a restart ended a request: as an error, or before 0.14.1 by a 503. */
export type Interruption = 'interrupted' | 'interrupted-503'

type Status = 'PENDING' | 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'CANCELLED'

/** What a request's work is given. */
export interface WorkContext {
  /** Aborted when the request is cancelled or the server forgets it. */
  readonly signal: AbortSignal
  log(line: string): void
}

/** A request as the server's database has it. */
export interface StoredRequest {
  readonly id: string
  readonly name: string
  readonly clusterName: string | null
  readonly createdAt: number
  readonly lines: string[]
  readonly isFinished: boolean
  /** Resolves with the next line or the end. */
  change(signal: AbortSignal): Promise<void>
  /** As `/api/get` has it; `readable` without results, as `/api/status` does. */
  payload(form: 'whole' | 'readable'): Record<string, unknown>
  readonly failed: boolean
  readonly shouldRetry: boolean
}

export interface RequestTable {
  start(
    id: string,
    name: string,
    clusterName: string | null,
    work: (context: WorkContext) => Promise<unknown>,
  ): void
  /** By the beginning of its id, as the server does. */
  find(prefix: string): StoredRequest | undefined
  all(): StoredRequest[]
  /** Cancels what has not ended; returns the ids. */
  cancel(which: (request: StoredRequest) => boolean): Promise<string[]>
  /** Ends the work of all: `forgotten` drops the requests, the others leave word that they should be sent again. */
  lose(how: 'forgotten' | Interruption): Promise<void>
}

interface Entry extends StoredRequest {
  readonly done: Promise<void>
  cancel(interruption: Interruption | null): void
}

/** The requests of one server, whose work goes on in this process. */
export function createRequestTable(): RequestTable {
  const entries = new Map<string, Entry>()

  async function endAll(
    which: (entry: Entry) => boolean,
    interruption: Interruption | null,
  ): Promise<string[]> {
    const ended = [...entries.values()].filter((entry) => !entry.isFinished && which(entry))
    for (const entry of ended) entry.cancel(interruption)
    await Promise.all(ended.map(({ done }) => done))
    return ended.map(({ id }) => id)
  }

  return {
    start(id, name, clusterName, work) {
      entries.set(id, startRequest(id, `sky.${name}`, clusterName, work))
    },
    find: (prefix) => [...entries.values()].find(({ id }) => id.startsWith(prefix)),
    all: () => [...entries.values()],
    cancel: (which) => endAll(which, null),
    async lose(how) {
      await endAll(() => true, how === 'forgotten' ? null : how)
      if (how === 'forgotten') entries.clear()
    },
  }
}

function startRequest(
  id: string,
  name: string,
  clusterName: string | null,
  work: (context: WorkContext) => Promise<unknown>,
): Entry {
  const changes = new EventEmitter()
  changes.setMaxListeners(0)
  const lines: string[] = []
  const cancelled = new AbortController()
  const createdAt = Date.now() / 1000
  let status: Status = 'RUNNING'
  let shouldRetry = false
  let finishedAt: number | null = null
  let value: unknown = null
  let error: PythonError | null = null

  const finish = (how: Status) => {
    status = how
    finishedAt = Date.now() / 1000
    changes.emit('change')
  }
  const context: WorkContext = {
    signal: cancelled.signal,
    log(line) {
      lines.push(line)
      changes.emit('change')
    },
  }
  const done = work(context).then(
    (result) => {
      if (finishedAt !== null) return
      value = result
      finish('SUCCEEDED')
    },
    (reason: unknown) => {
      if (finishedAt !== null) return
      error =
        reason instanceof PythonError
          ? reason
          : new PythonError('RuntimeError', reason instanceof Error ? reason.message : 'unknown')
      finish('FAILED')
    },
  )

  return {
    id,
    name,
    clusterName,
    createdAt,
    lines,
    done,
    get isFinished() {
      return finishedAt !== null
    },
    get failed() {
      return error !== null
    },
    get shouldRetry() {
      return shouldRetry
    },
    async change(signal) {
      await once(changes, 'change', { signal }).catch(() => {})
    },
    cancel(interruption) {
      shouldRetry = interruption !== null
      if (interruption === 'interrupted')
        error = new PythonError('RequestInterruptedError', `Request '${id}' was interrupted by a restart`)
      finish('CANCELLED')
      cancelled.abort()
    },
    payload: (form) => ({
      request_id: id,
      name,
      entrypoint: form === 'whole' ? PICKLE : name.slice('sky.'.length),
      request_body: form === 'whole' ? PICKLE : '{}',
      status,
      return_value: form === 'whole' ? JSON.stringify(value) : 'null',
      error: form === 'whole' ? errorText(error) : 'null',
      pid: null,
      created_at: createdAt,
      schedule_type: 'long',
      user_id: 'deadbeef',
      cluster_name: clusterName,
      status_msg: null,
      should_retry: shouldRetry,
      finished_at: finishedAt,
      file_mounts_blob_id: null,
    }),
  }
}

function errorText(error: PythonError | null): string {
  if (error === null) return 'null'
  const { type, message } = serializedError(error)
  return JSON.stringify({ object: PICKLE, type, message })
}

export function newRequestId(): string {
  return randomUUID()
}
