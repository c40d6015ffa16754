import uws, {
  type HttpRequest,
  type HttpResponse,
  type TemplatedApp,
  type us_listen_socket,
} from 'uWebSockets.js'
import { errorBody, GatewayError, toGatewayError } from '../core/errors.js'
import { newRequestId } from './request-id.js'

/**
 * The only file that touches uWebSockets.js, and the rules that it demands: headers are copied before the handler
 * returns, `onAborted` is set before anything asynchronous, every write is corked, nothing is touched after an
 * abort or the end, `ArrayBuffer`s are copied before their callback returns. Its parser is lax, so framing that
 * could be read in two ways is refused here.
 */
export type Headers = Readonly<Record<string, string>>

export interface HttpAppOptions {
  /** PEM files; both or none. */
  readonly certFile?: string | undefined
  readonly keyFile?: string | undefined
  /** Told of errors that become a 500; the cause is for the log alone. */
  readonly onError: (error: GatewayError, call: HttpCall) => void
}

export interface HttpApp {
  /**
   * Declares a route. In `path`, `{name}` is one segment and a last `{name*}` takes the rest, slashes included.
   * The handler runs synchronously with the head; the body comes by {@link HttpCall.readBody}.
   */
  route(method: string, path: string, handler: (call: HttpCall) => void): void
  /**
   * Listens; port 0 takes a free one. Several processes may share a port (SO_REUSEPORT).
   * @returns the port
   */
  listen(host: string, port: number): Promise<number>
  /** Requests that have come and whose reply has not ended. */
  readonly openCalls: number
  /**
   * `performance.now()` when a reply last ended while its client was slow; -Infinity before. uWebSockets.js goes on
   * sending the rest of such a reply, and does not say when it has.
   */
  readonly lastSlowEnd: number
  /** Accepts no more connections; open ones live on. */
  stopListening(): void
  /** Closes every connection at once. */
  close(): void
}

interface Pattern {
  readonly regex: RegExp
  readonly names: readonly string[]
  readonly methods: Map<string, (call: HttpCall) => void>
}

const STATUS_TEXT: Readonly<Record<number, string>> = {
  200: '200 OK',
  201: '201 Created',
  202: '202 Accepted',
  204: '204 No Content',
  400: '400 Bad Request',
  401: '401 Unauthorized',
  403: '403 Forbidden',
  404: '404 Not Found',
  405: '405 Method Not Allowed',
  408: '408 Request Timeout',
  409: '409 Conflict',
  411: '411 Length Required',
  412: '412 Precondition Failed',
  413: '413 Content Too Large',
  422: '422 Unprocessable Content',
  429: '429 Too Many Requests',
  500: '500 Internal Server Error',
  502: '502 Bad Gateway',
  503: '503 Service Unavailable',
  504: '504 Gateway Timeout',
}

function statusLine(status: number): string {
  return STATUS_TEXT[status] ?? `${status} Status`
}

/** These three end or cut a header. */
const UNSAFE_IN_HEADER = /[\r\n\u0000]/

/**
 * The one place where a value may become a header: uWebSockets.js itself would pass a line break through. Checked
 * before anything is written, so that an error reply is still possible.
 */
function checkHeaders(headers: Headers): void {
  for (const name in headers) {
    if (UNSAFE_IN_HEADER.test(headers[name] ?? '')) {
      throw new TypeError(`The header ${name} has a value that is not safe.`)
    }
  }
}

function badHeader(name: string, what: string): GatewayError {
  return new GatewayError('invalid_parameter', { param: name, message: `The ${name} header ${what}.` })
}

/** Below any socket's send buffer. */
const SURELY_TAKEN_BYTES = 64 * 1024

const CLIENT_REQUEST_ID = /^[\x21-\x7e]{1,128}$/

/** Memory that a body is read into. */
export interface BodyRoom {
  /**
   * Memory for `bytes` or more that begins with the `filled` bytes of what it gave before, which is not used any more;
   * null when there is none.
   */
  grow(bytes: number, filled: number): Buffer | null
}

/** Memory without a bound, for bodies that are small. */
function anyRoom(): BodyRoom {
  let room = NO_BYTES
  return {
    grow(bytes, filled) {
      const grown = Buffer.allocUnsafe(bytes)
      room.copy(grown, 0, 0, filled)
      room = grown
      return grown
    },
  }
}

const NO_HEADERS: Headers = {}
const NO_BYTES: Buffer = Buffer.alloc(0)
/** A body that declares no more than this gets its room at once. */
const TRUSTED_BYTES = 256 * 1024
/**
 * The rest of a body of no more than this is still taken from the socket after a refusal, and dropped (tried: uWebSockets.js
 * does so by itself, and takes none of it for a request). A connection that is closed before is reset by the bytes that
 * nobody reads, and many clients never see the reply.
 */
const DROPPED_BYTES = 16 * 1024 * 1024

/** One request and its reply. After an abort or the end every method does nothing. */
export class HttpCall {
  readonly requestId = newRequestId(Date.now())
  readonly method: string
  /** Path without the query, as it was sent. */
  readonly path: string
  /** Without the question mark. */
  readonly query: string
  /** Values of the path's `{names}`, decoded. */
  readonly params: Readonly<Record<string, string>>
  /** -1 when there was none: then the body is empty. */
  readonly contentLength: number
  /** Why the head cannot be trusted; refused before anything else that costs. */
  readonly framingError: GatewayError | null
  /** `performance.now()` when the head was read. */
  readonly startedAt = performance.now()

  /** Milliseconds between the head and the end of the body: the client's time, not ours. */
  bodyWaitMs = 0
  #response: HttpResponse | null
  /** Names and values in turn: a request has few headers, and a Map for each costs more than a search. */
  readonly #headers: readonly string[]
  readonly #reportError: HttpAppOptions['onError']
  readonly #onSlowEnd: () => void
  readonly #onClose: () => void
  #bodyRead = false
  #onAbort: (() => void) | null = null
  #aborted = false
  #chunk: Buffer | string = ''
  #written = true
  readonly #writeChunk: () => void

  constructor(
    response: HttpResponse,
    request: HttpRequest,
    path: string,
    params: Readonly<Record<string, string>>,
    onError: HttpAppOptions['onError'],
    onSlowEnd: () => void,
    onClose: () => void,
  ) {
    this.#response = response
    this.#reportError = onError
    this.#onSlowEnd = onSlowEnd
    this.#onClose = onClose
    this.method = request.getCaseSensitiveMethod()
    this.path = path
    // Its types do not say so, but without a query it is undefined.
    this.query = request.getQuery() ?? ''
    this.params = params
    const headers: string[] = []
    let framing: GatewayError | null = null
    let length: string | undefined
    let host: string | undefined
    request.forEach((name, value) => {
      headers.push(name, value)
      if (name === 'content-length') {
        if (length !== undefined) framing ??= badHeader(name, 'stands twice')
        length ??= value
      } else if (name === 'host') {
        if (host !== undefined) framing ??= badHeader(name, 'stands twice')
        host ??= value
      } else if (name === 'transfer-encoding') framing ??= new GatewayError('length_required')
    })
    this.contentLength = length === undefined ? -1 : /^\d{1,15}$/.test(length) ? Number(length) : NaN
    if (Number.isNaN(this.contentLength)) framing ??= badHeader('content-length', 'is not valid')
    if (host === '') framing ??= badHeader('host', 'is empty')
    this.framingError = framing
    this.#headers = headers
    response.onAborted(() => {
      this.#closed()
      this.#aborted = true
      this.#onAbort?.()
    })
    this.#writeChunk = () => {
      this.#written = this.#response?.write(this.#chunk) ?? true
    }
  }

  /** A request header by its lower-case name; the first of equal ones. */
  header(name: string): string | undefined {
    const headers = this.#headers
    for (let at = 0; at < headers.length; at += 2) if (headers[at] === name) return headers[at + 1]
    return undefined
  }

  /** Whether the client left before the reply had ended. */
  get aborted(): boolean {
    return this.#aborted
  }

  /** Whether nothing more can be sent: the reply has ended or the client has left. */
  get closed(): boolean {
    return this.#response === null
  }

  /** The peer's address as text; '' once closed. */
  remoteAddress(): string {
    return this.#response === null ? '' : Buffer.from(this.#response.getRemoteAddressAsText()).toString()
  }

  /** @throws GatewayError `unknown_parameter` when there is a query: for routes that know no parameter */
  refuseQuery(): void {
    if (this.query === '') return
    const param = this.query.split(/[=&]/, 1)[0] ?? ''
    throw new GatewayError('unknown_parameter', {
      param,
      message: `Unknown query parameter: ${JSON.stringify(param.slice(0, 100))}.`,
    })
  }

  /** Calls back when the client leaves before the reply has ended; at most once. */
  onAbort(callback: () => void): void {
    this.#onAbort = callback
  }

  /**
   * Reads the whole body, which must be begun in the handler's own turn. `deliver` gets it in memory of `room`. A body
   * longer than `mostBytes` is not kept, and `deliver` gets null at once; also when `room` has no more.
   */
  readBody(mostBytes: number, deliver: (body: Buffer | null) => void, room: BodyRoom = anyRoom()): void {
    let wanted = Math.max(0, this.contentLength) <= mostBytes
    const from = performance.now()
    let body = NO_BYTES
    let filled = 0
    this.#response?.onData((bytes, last) => {
      if (!wanted) return
      const length = filled + bytes.byteLength
      if (length > body.length) {
        const grown = room.grow(last ? length : this.#expectedBytes(length), filled)
        if (grown === null) {
          wanted = false
          deliver(null)
          return
        }
        body = grown
      }
      body.set(new Uint8Array(bytes), filled)
      filled = length
      if (!last) return
      this.#bodyRead = true
      this.bodyWaitMs = performance.now() - from
      deliver(body.length === filled ? body : body.subarray(0, filled))
    })
    if (!wanted) deliver(null)
  }

  /** Room for a body of which so many bytes have come: what it declares, but not much more than it has shown. */
  #expectedBytes(length: number): number {
    return Math.max(length, Math.min(this.contentLength, Math.max(2 * length, TRUSTED_BYTES)))
  }

  /**
   * Sends a whole reply, with further headers. One before the end of a body that is long, or whose length cannot be trusted, closes the
   * connection.
   */
  reply(status: number, headers: Headers, body: string | Buffer, more: Headers = NO_HEADERS): void {
    const response = this.#response
    if (response === null) return
    checkHeaders(headers)
    checkHeaders(more)
    this.#closed()
    const closing = this.framingError !== null || (!this.#bodyRead && this.contentLength > DROPPED_BYTES)
    response.cork(() => {
      this.#writeHead(response, status, headers, more)
      if (this.method === 'HEAD') response.endWithoutBody(Buffer.byteLength(body), closing)
      else response.end(body, closing)
    })
    // How much of it the kernel took is not said.
    if (body.length > SURELY_TAKEN_BYTES) this.#onSlowEnd()
  }

  /** Replies with the error's wire shape; an unexpected one is reported and becomes a 500. */
  fail(thrown: unknown, extraHeaders?: Headers): void {
    const error = toGatewayError(thrown)
    if (error.status === 500) this.#reportError(error, this)
    const headers: Record<string, string> = {
      'content-type': 'application/json',
      ...extraHeaders,
      ...error.headers,
    }
    if (error.retryAfterMs !== undefined && (error.status === 429 || error.status === 503)) {
      headers['retry-after'] = String(Math.ceil(error.retryAfterMs / 1000))
      headers['retry-after-ms'] = String(error.retryAfterMs)
    }
    this.reply(error.status, headers, errorBody(error))
  }

  /** Begins a streamed reply, with further headers; `first` goes out in the same packet. Returns as {@link write}. */
  start(status: number, headers: Headers, first: Buffer | string, more: Headers = NO_HEADERS): boolean {
    const response = this.#response
    if (response === null) return true
    checkHeaders(headers)
    checkHeaders(more)
    response.cork(() => {
      this.#writeHead(response, status, headers, more)
      if (first.length > 0) this.#written = response.write(first)
    })
    return this.#written
  }

  /**
   * Sends a part of a streamed reply.
   * @returns false when the client is slow: all of it is buffered, so nothing more should be sent before
   * {@link onWritable} calls back
   */
  write(chunk: Buffer | string): boolean {
    const response = this.#response
    if (response === null || chunk.length === 0) return true
    this.#chunk = chunk
    response.cork(this.#writeChunk)
    this.#chunk = ''
    return this.#written
  }

  /** Ends a streamed reply, with a last part in the same packet. */
  end(last: Buffer | string): void {
    const response = this.#response
    if (response === null) return
    this.#closed()
    response.cork(() => {
      if (last.length > 0) this.#written = response.write(last)
      response.end()
    })
    if (!this.#written) this.#onSlowEnd()
  }

  /**
   * Cuts the connection: the client sees a reply that did not end. What was buffered is lost, so the last part
   * should have been taken by {@link write}. Does not call {@link onAbort}'s callback.
   */
  cut(): void {
    const response = this.#response
    if (response === null) return
    this.#closed()
    this.#onAbort = null
    response.close()
  }

  /**
   * Calls back each time a slow client can take more. uWebSockets.js sends what it has buffered only with the
   * next write or the end (tried), so the callback has to lead to one.
   */
  onWritable(callback: () => void): void {
    this.#response?.onWritable(() => {
      callback()
      return true
    })
  }

  #closed(): void {
    this.#response = null
    this.#onClose()
  }

  #writeHead(response: HttpResponse, status: number, headers: Headers, more: Headers): void {
    // What is not said is 200 OK.
    if (status !== 200) response.writeStatus(statusLine(status))
    response.writeHeader('x-request-id', this.requestId)
    const own = this.header('x-request-id')
    if (own !== undefined && CLIENT_REQUEST_ID.test(own)) response.writeHeader('x-client-request-id', own)
    for (const name in headers) response.writeHeader(name, headers[name] ?? '')
    // Two objects written in turn cost less than one made of both.
    for (const name in more) response.writeHeader(name, more[name] ?? '')
  }
}

function compile(path: string): { regex: RegExp; names: string[] } {
  const names: string[] = []
  const source = path.replace(/\{(\w+)(\*?)\}|[.+^$()|[\]\\]/g, (match, name?: string, rest?: string) => {
    if (name === undefined) return `\\${match}`
    names.push(name)
    return rest === '*' ? '(.+)' : '([^/]+)'
  })
  return { regex: new RegExp(`^${source}$`), names }
}

function decodeParams(names: readonly string[], match: RegExpExecArray): Record<string, string> | null {
  const params: Record<string, string> = {}
  try {
    names.forEach((name, index) => (params[name] = decodeURIComponent(match[index + 1] ?? '')))
  } catch {
    // A malformed escape names nothing.
    return null
  }
  return params
}

const NO_PARAMS: Readonly<Record<string, string>> = {}

function createApp({ certFile, keyFile }: HttpAppOptions): TemplatedApp {
  if (certFile === undefined || keyFile === undefined) return uws.App()
  try {
    return uws.SSLApp({ cert_file_name: certFile, key_file_name: keyFile })
  } catch (cause) {
    // Its own words say nothing of files.
    throw new Error(`the TLS certificate in ${certFile} with the key in ${keyFile} cannot be used`, { cause })
  }
}

/**
 * Creates an HTTP or, with a certificate, HTTPS app. Unknown paths get 404 and unknown methods 405, before any
 * other check; then bad framing is refused.
 */
export function createHttpApp(options: HttpAppOptions): HttpApp {
  const app = createApp(options)
  const exact = new Map<string, Pattern>()
  const patterns: Pattern[] = []
  let listener: us_listen_socket | null = null
  let lastSlowEnd = -Infinity
  let openCalls = 0
  const onClose = () => {
    openCalls--
  }
  const onSlowEnd = () => {
    lastSlowEnd = performance.now()
  }

  app.any('/*', (response, request) => {
    const path = request.getUrl()
    let pattern = exact.get(path)
    let params: Readonly<Record<string, string>> | null = NO_PARAMS
    if (pattern === undefined) {
      for (const candidate of patterns) {
        const match = candidate.regex.exec(path)
        if (match === null) continue
        params = decodeParams(candidate.names, match)
        if (params !== null) pattern = candidate
        break
      }
    }
    openCalls++
    const call = new HttpCall(
      response,
      request,
      path,
      params ?? NO_PARAMS,
      options.onError,
      onSlowEnd,
      onClose,
    )
    if (pattern === undefined) {
      call.fail(new GatewayError('not_found'))
      return
    }
    // HEAD is GET without the body, which `reply` leaves out.
    const handler = pattern.methods.get(call.method === 'HEAD' ? 'GET' : call.method)
    if (handler === undefined) {
      const declared = [...pattern.methods.keys()]
      const allow = (declared.includes('GET') ? [...declared, 'HEAD'] : declared).join(', ')
      call.fail(new GatewayError('method_not_allowed', { headers: { allow } }))
      return
    }
    if (call.framingError !== null) {
      call.fail(call.framingError)
      return
    }
    try {
      handler(call)
    } catch (error) {
      call.fail(error)
    }
  })

  return {
    get openCalls() {
      return openCalls
    },
    get lastSlowEnd() {
      return lastSlowEnd
    },
    route(method, path, handler) {
      const { regex, names } = compile(path)
      let pattern = exact.get(path) ?? patterns.find((other) => other.regex.source === regex.source)
      if (pattern === undefined) {
        pattern = { regex, names, methods: new Map() }
        if (names.length === 0) exact.set(path, pattern)
        else patterns.push(pattern)
      }
      if (pattern.methods.has(method)) throw new Error(`${method} ${path} is declared twice.`)
      pattern.methods.set(method, handler)
    },
    listen(host, port) {
      return new Promise((resolve, reject) => {
        app.listen(host, port, (socket) => {
          if (socket === false) {
            reject(new Error(`Cannot listen on ${host}:${port}; is the port taken?`))
            return
          }
          listener = socket
          resolve(uws.us_socket_local_port(socket))
        })
      })
    },
    stopListening() {
      if (listener !== null) uws.us_listen_socket_close(listener)
      listener = null
    },
    close() {
      this.stopListening()
      app.close()
    },
  }
}
