import { apiErrorOf } from './api-error.js'

/** Where calls go, and how. */
export interface ClientOptions {
  /** Of the port: `http://127.0.0.1:9090`. */
  readonly baseUrl: string
  /** A whole call, with its retries; default 60 s. */
  readonly timeoutMs?: number | undefined
  /**
   * How often a call is sent at most, default 3. Only what may be sent twice is: everything but a POST without an
   * `idempotencyKey`.
   */
  readonly attempts?: number | undefined
  /** Default: the global one. */
  readonly fetch?: typeof fetch | undefined
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined
  /** In place of the client's. */
  readonly timeoutMs?: number | undefined
}

/** Of what changes a row that has a version. */
export interface Conditional {
  /** The `etag` of the version that is meant: when the row has changed since, the call fails with a 412. */
  readonly ifMatch?: string | undefined
}

/** Of what must not happen twice. */
export interface Repeatable {
  /** A repetition with the same key and body gets the first success again; so the call may be sent again. */
  readonly idempotencyKey?: string | undefined
}

export interface ApiReply<T> {
  readonly status: number
  readonly body: T
  /** The version of the row that the reply shows; null when it has none. */
  readonly etag: string | null
  readonly requestId: string | null
}

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
/** Method and path of an operation, the path in OpenAPI form. */
export type Operation = readonly [Method, string]

/** What the callers of an operation may give; which of it is for the operation to say. */
interface Request extends CallOptions, Conditional, Repeatable {
  readonly params?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>
  /** A text is sent as it is, as YAML; anything else as JSON. */
  readonly body?: unknown
}

export interface Connection extends ClientOptions {
  /** What says who calls. */
  readonly headers: Readonly<Record<string, string>>
}

const DEFAULT_TIMEOUT_MS = 60_000
const DEFAULT_ATTEMPTS = 3
/** Before the second attempt, when the gateway does not say; doubled for each further one. */
const FIRST_PAUSE_MS = 250

/**
 * Calls an operation.
 * @throws ApiError for a reply that is no success, the signal's reason when it was aborted, a `TimeoutError`, or what
 *   `fetch` throws when there is no connection
 */
export async function call(
  connection: Connection,
  [method, path]: Operation,
  request: Request = {},
): Promise<ApiReply<unknown>> {
  const timeoutMs = request.timeoutMs ?? connection.timeoutMs ?? DEFAULT_TIMEOUT_MS
  const deadline = performance.now() + timeoutMs
  const signals = [AbortSignal.timeout(timeoutMs), ...(request.signal === undefined ? [] : [request.signal])]
  const signal = AbortSignal.any(signals)
  const repeatable = method !== 'POST' || request.idempotencyKey !== undefined
  const attempts = repeatable ? (connection.attempts ?? DEFAULT_ATTEMPTS) : 1
  const send = connection.fetch ?? fetch
  const url = connection.baseUrl.replace(/\/$/, '') + pathOf(path, request)
  const isText = typeof request.body === 'string'
  const body = isText || request.body === undefined ? request.body : JSON.stringify(request.body)
  const headers = {
    ...connection.headers,
    ...(body !== undefined && { 'content-type': isText ? 'application/yaml' : 'application/json' }),
    ...(request.ifMatch !== undefined && { 'if-match': request.ifMatch }),
    ...(request.idempotencyKey !== undefined && { 'idempotency-key': request.idempotencyKey }),
  }
  for (let attempt = 1; ; attempt++) {
    const pauseMs = FIRST_PAUSE_MS * 2 ** (attempt - 1)
    let reply: Response
    let text: string
    try {
      reply = await send(url, { method, headers, signal, ...(body !== undefined && { body }) })
      text = await reply.text()
    } catch (error) {
      signal.throwIfAborted()
      if (attempt >= attempts) throw error
      await pause(spread(pauseMs), signal)
      continue
    }
    if (reply.ok) return replyOf(reply, text)
    const error = apiErrorOf(reply.status, reply.headers, text)
    const passing = reply.status === 429 || reply.status === 503
    const hopeless = reply.headers.get('x-should-retry') === 'false'
    const waitMs = spread(error.retryAfterMs ?? pauseMs)
    const late = performance.now() + waitMs >= deadline
    if (!passing || hopeless || late || attempt >= attempts) throw error
    await pause(waitMs, signal)
  }
}

/** The path with its parameters filled in, and the query. */
function pathOf(path: string, { params = {}, query = {} }: Request): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''))
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value))
  return search.size === 0 ? filled : `${filled}?${search.toString()}`
}

function replyOf(reply: Response, text: string): ApiReply<unknown> {
  const isJson = /^application\/json\b/.test(reply.headers.get('content-type') ?? '')
  return {
    status: reply.status,
    body: isJson ? JSON.parse(text) : text,
    etag: reply.headers.get('etag'),
    requestId: reply.headers.get('x-request-id'),
  }
}

/** Up to a quarter longer, so that clients which were refused together do not come back together. */
function spread(ms: number): number {
  return ms * (1 + Math.random() / 4)
}

/** Waits. @throws the signal's reason when that is aborted first */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer)
      const { reason } = signal as { reason: unknown }
      reject(reason instanceof Error ? reason : new Error('aborted', { cause: reason }))
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    }, ms)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
}
