import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { ErrorCode } from '../core/errors.js'
import { ResponseError, ResponseParser, type ResponseEvents } from '../core/http-response.js'
import { lookupNode } from '../io/node-lookup.js'
import { createLeftovers, type Leftover, type Leftovers } from './leftovers.js'

/**
 * The HTTP/1.1 client towards the nodes, on bare sockets: what a streamed token costs is decided here (design:
 * docs/adr/0003-own-upstream-client.md). Reads go into one shared buffer, so everything that outlives a callback
 * is copied. Hot path (bench: stream, small).
 */
export interface UpstreamRequest {
  /** Request line and headers, with the blank line; latin1. */
  readonly head: string
  /** Body parts, written in order. */
  readonly body: readonly Buffer[]
}

export type UpstreamFailureCode = Extract<
  ErrorCode,
  | 'upstream_connection_failed'
  | 'upstream_connection_lost'
  | 'upstream_invalid_response'
  /** Handling the answer threw: our own fault, which must cost this request alone. */
  | 'internal_error'
>

export interface UpstreamFailure {
  readonly code: UpstreamFailureCode
  /** No byte of the request reached the node: another one may be asked without harm. */
  readonly untouched: boolean
  readonly cause: Error
}

export interface UpstreamEvents extends ResponseEvents {
  /** The request failed; comes at most once, and nothing comes after it. */
  onFailure(failure: UpstreamFailure): void
}

/** One request under way. */
export interface UpstreamCall {
  /** Whether the connection stands. */
  readonly connected: boolean
  /** `performance.now()` when its connection was begun. */
  readonly connectingSince: number
  /** `performance.now()` when its connection stood; 0: not yet. Of a reused one before the request. */
  readonly connectedAt: number
  /** Whether the whole request has gone out, or the node has answered. */
  readonly sent: boolean
  /** Whether the kernel has taken the whole request, so that nothing reads its bytes any more. */
  readonly flushed: boolean
  /** Stops reading, so that the node feels back-pressure. */
  pause(): void
  resume(): void
  /**
   * The answer is not wanted any more: FIN now, which makes the node abort; what it had written already is still
   * delivered, a little in each turn of the event loop; the socket is destroyed when nothing has come for 200 ms. Ends
   * in `onFailure` unless the response completes.
   */
  finish(): void
  /** Destroys the connection; no event follows. */
  destroy(): void
}

export interface UpstreamOptions {
  /**
   * Idle sockets are closed after this, which must be below the nodes' keep-alive time (uvicorn's default is
   * 5 s), or a request would often meet a closing one.
   */
  readonly idleTimeoutMs?: number
  /** No socket is reused after this, so that balancers and DNS changes take effect. */
  readonly maxAgeMs?: number
}

export interface Upstream extends Disposable {
  /** Sends a request to `endpointUrl` (`http(s)://host:port`). */
  send(endpointUrl: string, request: UpstreamRequest, events: UpstreamEvents): UpstreamCall
  stats(): { busy: number; idle: number }
}

const READ_BUFFER_BYTES = 64 * 1024
/** Head and body up to this size go out as one buffer in one write. */
const ONE_WRITE_BYTES = 256 * 1024
/** How long the next of what the node had already written is waited for, after we have closed our side. */
const FINISH_MS = 200
/** A node that does not mind that we are gone is not listened to for longer. */
const FINISH_MOST_MS = 5_000
const SWEEP_MS = 500

interface Origin {
  readonly host: string
  readonly port: number
  readonly tls: boolean
  /** The most recently used last. */
  readonly idle: Connection[]
  /** Connections of it, busy ones included. */
  open: number
}

export function createUpstream({
  idleTimeoutMs = 4_000,
  maxAgeMs = 300_000,
}: UpstreamOptions = {}): Upstream {
  const origins = new Map<string, Origin>()
  const open = new Set<Connection>()
  const readBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES)
  let writeBuffer = Buffer.allocUnsafeSlow(ONE_WRITE_BYTES)

  function originOf(endpointUrl: string): Origin {
    let origin = origins.get(endpointUrl)
    if (origin === undefined) {
      const url = new URL(endpointUrl)
      const tls = url.protocol === 'https:'
      const port = url.port === '' ? (tls ? 443 : 80) : Number(url.port)
      origin = { host: url.hostname.replace(/^\[|\]$/g, ''), port, tls, idle: [], open: 0 }
      origins.set(endpointUrl, origin)
    }
    return origin
  }

  const pool: Pool = {
    readBuffer,
    leftovers: createLeftovers(),
    writeWhole(socket, request, size) {
      fill(writeBuffer, request)
      socket.write(writeBuffer.subarray(0, size))
      // What the kernel did not take at once is still to be read by the socket.
      if (socket.writableLength > 0) writeBuffer = Buffer.allocUnsafeSlow(ONE_WRITE_BYTES)
    },
    release(connection) {
      if (performance.now() - connection.openedAt > maxAgeMs) connection.destroy()
      else connection.origin.idle.push(connection)
    },
    forget(connection) {
      if (open.delete(connection)) connection.origin.open--
      const at = connection.origin.idle.lastIndexOf(connection)
      if (at >= 0) connection.origin.idle.splice(at, 1)
    },
    fresh(origin) {
      const connection = new Connection(origin, pool)
      open.add(connection)
      origin.open++
      return connection
    },
  }

  const sweep = setInterval(() => {
    const before = performance.now() - idleTimeoutMs
    for (const [url, origin] of origins) {
      // The least recently used come first.
      while ((origin.idle[0]?.idleSince ?? Infinity) < before) origin.idle[0]?.destroy()
      if (origin.open === 0) origins.delete(url)
    }
  }, SWEEP_MS)
  sweep.unref()

  return {
    send(endpointUrl, request, events) {
      const origin = originOf(endpointUrl)
      const connection = origin.idle.pop() ?? pool.fresh(origin)
      return new Call(connection, request, events)
    },
    stats() {
      let idle = 0
      for (const origin of origins.values()) idle += origin.idle.length
      return { busy: open.size - idle, idle }
    },
    [Symbol.dispose]() {
      clearInterval(sweep)
      for (const connection of open) connection.destroy()
    },
  }
}

/** Writes a request into memory that is large enough. @returns that memory */
function fill(memory: Buffer, { head, body }: UpstreamRequest): Buffer {
  let at = memory.write(head, 'latin1')
  for (const part of body) {
    memory.set(part, at)
    at += part.length
  }
  return memory
}

interface Pool {
  readonly readBuffer: Buffer
  readonly leftovers: Leftovers
  /**
   * Writes a request of `size` bytes out of memory that is used again: a new buffer for each prompt of 30 KB and more calls
   * the garbage collector nearer (bench: prompts).
   */
  writeWhole(socket: Socket, request: UpstreamRequest, size: number): void
  release(connection: Connection): void
  forget(connection: Connection): void
  fresh(origin: Origin): Connection
}

/** A request on its connection, which may be replaced once when a reused one turns out to be closed. */
class Call implements UpstreamCall {
  readonly events: UpstreamEvents
  #connection: Connection
  /** Kept until the first response byte, for the one permitted resend. */
  #request: UpstreamRequest | null
  #paused = false

  constructor(connection: Connection, request: UpstreamRequest, events: UpstreamEvents) {
    this.events = events
    this.#connection = connection
    this.#request = request
    connection.begin(this, request)
  }

  get connected(): boolean {
    return this.#connection.connected
  }

  get connectingSince(): number {
    return this.#connection.openedAt
  }

  get connectedAt(): number {
    return this.#connection.connectedAt
  }

  get sent(): boolean {
    return this.#connection.sent
  }

  get flushed(): boolean {
    return this.#connection.flushed
  }

  get paused(): boolean {
    return this.#paused
  }

  /** The response has begun: the request cannot be needed again. */
  answered(): void {
    this.#request = null
  }

  /**
   * A node may close an idle connection at the moment when a request is sent on it: it did not read the request,
   * so that one is sent once more, on a new connection.
   */
  resend(): boolean {
    if (this.#request === null) return false
    const request = this.#request
    this.#request = null
    this.#connection = this.#connection.replacement()
    this.#connection.begin(this, request)
    return true
  }

  pause(): void {
    this.#paused = true
    this.#connection.pause()
  }

  resume(): void {
    this.#paused = false
    this.#connection.resume()
  }

  finish(): void {
    this.#request = null
    this.#paused = false
    this.#connection.finish()
  }

  destroy(): void {
    this.#connection.destroy()
  }
}

const NO_EVENTS: ResponseEvents = {
  onHead() {
    throw new ResponseError('The node sent a response that nobody asked for.')
  },
  onBody() {
    throw new ResponseError('The node sent a body that nobody asked for.')
  },
}

class Connection implements Leftover {
  readonly origin: Origin
  readonly openedAt = performance.now()
  idleSince = 0
  connectedAt = 0
  readonly #pool: Pool
  readonly #socket: Socket
  readonly #parser = new ResponseParser(NO_EVENTS)
  #call: Call | null = null
  #reused = false
  #error: Error | null = null
  #finishTimer: NodeJS.Timeout | null = null
  #finishedAt = 0
  /** Of a finished one: when it last got its turn and read; Infinity while it waits for one. */
  #leftoverAt = 0

  constructor(origin: Origin, pool: Pool) {
    this.origin = origin
    this.#pool = pool
    const options = {
      host: origin.host,
      port: origin.port,
      lookup: lookupNode,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 15_000,
      onread: { buffer: pool.readBuffer, callback: (length: number) => this.#read(length) },
    }
    this.#socket = origin.tls ? connectTls({ ...options, servername: origin.host }) : connectTcp(options)
    this.#socket.on(origin.tls ? 'secureConnect' : 'connect', () => {
      this.connectedAt = performance.now()
    })
    this.#socket.on('error', (error) => (this.#error = error))
    this.#socket.on('end', () => {
      this.#ended()
    })
    this.#socket.on('close', () => {
      this.#closed()
    })
  }

  begin(call: Call, request: UpstreamRequest): void {
    this.#call = call
    this.#parser.reset(call.events)
    let size = request.head.length
    for (const part of request.body) size += part.length
    if (size <= ONE_WRITE_BYTES) {
      // A socket that connects, and TLS, keep what they are given for later.
      if (this.connected && !this.origin.tls) this.#pool.writeWhole(this.#socket, request, size)
      else this.#socket.write(fill(Buffer.allocUnsafe(size), request))
      return
    }
    this.#socket.cork()
    this.#socket.write(request.head, 'latin1')
    for (const part of request.body) this.#socket.write(part)
    this.#socket.uncork()
  }

  get connected(): boolean {
    return this.connectedAt > 0
  }

  get sent(): boolean {
    return this.connected && (this.#parser.started || this.#socket.writableLength === 0)
  }

  get flushed(): boolean {
    return this.connected && !this.#socket.destroyed && this.#socket.writableLength === 0
  }

  replacement(): Connection {
    return this.#pool.fresh(this.origin)
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  finish(): void {
    if (!this.connected || this.#socket.writableLength > 0) {
      // The node has not even read the whole request.
      this.#socket.destroy()
      return
    }
    if (this.#finishTimer !== null) return
    this.#finishedAt = performance.now()
    this.#socket.end()
    this.#socket.pause()
    this.#finishTimer = setTimeout(() => {
      this.#giveUp()
    }, FINISH_MS)
    this.#waitForTurn()
  }

  readLeftover(): void {
    this.#leftoverAt = performance.now()
    this.#socket.resume()
  }

  #waitForTurn(): void {
    this.#leftoverAt = Infinity
    this.#pool.leftovers.wait(this)
  }

  #giveUp(): void {
    const now = performance.now()
    if (this.#leftoverAt > now - FINISH_MS && now < this.#finishedAt + FINISH_MOST_MS) {
      this.#finishTimer?.refresh()
      return
    }
    // This timer may be late, and what the node wrote in time still lies in the socket: it is read before.
    const readAt = this.#leftoverAt
    setImmediate(() => {
      if (this.#leftoverAt !== readAt && now < this.#finishedAt + FINISH_MOST_MS) this.#finishTimer?.refresh()
      else this.#socket.destroy()
    })
  }

  /** Ends without an event to the call. */
  destroy(): void {
    this.#call = null
    this.#pool.forget(this)
    this.#socket.destroy()
  }

  /** @returns whether to go on reading */
  #read(length: number): boolean {
    const call = this.#call
    if (call === null) {
      // An idle connection has nothing to say; whatever it is must not become the next tenant's answer.
      this.destroy()
      return false
    }
    call.answered()
    try {
      this.#parser.execute(this.#pool.readBuffer, length)
    } catch (error) {
      this.#fail(error)
      return false
    }
    if (this.#parser.ended) {
      this.#release()
      return true
    }
    if (this.#finishTimer !== null) {
      this.#waitForTurn()
      return false
    }
    return !call.paused
  }

  #release(): void {
    // Destroyed meanwhile by the call.
    if (this.#call === null) return
    this.#call = null
    const socket = this.#socket
    if (!this.#parser.reusable || this.#finishTimer !== null || socket.writableLength > 0) {
      this.destroy()
      return
    }
    this.#parser.reset(NO_EVENTS)
    this.#reused = true
    this.idleSince = performance.now()
    socket.resume()
    this.#pool.release(this)
  }

  #ended(): void {
    if (this.#call === null) {
      this.destroy()
      return
    }
    if (!this.#parser.started) return
    try {
      this.#parser.finish()
      this.#release()
    } catch (error) {
      // Not complete: 'close' follows, and reports the loss.
      if (!(error instanceof ResponseError)) this.#fail(error)
    }
  }

  #fail(error: unknown): void {
    const call = this.#call
    this.destroy()
    if (call === null) return
    if (!(error instanceof ResponseError)) {
      const cause = error instanceof Error ? error : new Error(String(error))
      call.events.onFailure({ code: 'internal_error', untouched: false, cause })
    } else if (!this.#parser.ended) {
      // After the end of a response the call has had what it asked for; only the connection is bad.
      call.events.onFailure({ code: 'upstream_invalid_response', untouched: false, cause: error })
    }
  }

  #closed(): void {
    if (this.#finishTimer !== null) clearTimeout(this.#finishTimer)
    const call = this.#call
    this.#call = null
    this.#pool.forget(this)
    if (call === null) return
    if (this.#reused && !this.#parser.started && call.resend()) return
    const cause = this.#error ?? new Error('The node closed the connection.')
    const code = this.connected ? 'upstream_connection_lost' : 'upstream_connection_failed'
    call.events.onFailure({ code, untouched: !this.connected, cause })
  }
}
