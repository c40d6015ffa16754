import { errorBody, ERRORS, type GatewayError } from '../core/errors.js'
import type { LimitHeaders } from '../core/limit-headers.js'
import type { Headers, HttpCall } from '../io/uws.js'

/** What a reply is: server-sent events, or one JSON document. */
export type ReplyKind = 'stream' | 'plain'

/** What an exchange needs of a client's call. */
export type ClientCall = Pick<
  HttpCall,
  | 'requestId'
  | 'startedAt'
  | 'closed'
  | 'header'
  | 'onAbort'
  | 'reply'
  | 'fail'
  | 'start'
  | 'write'
  | 'end'
  | 'cut'
  | 'onWritable'
>

export interface ReplyFacts {
  readonly overheadMicros: number
  readonly attempts: number
  /** Opaque to tenants. */
  readonly nodeId: string
}

export interface ClientReplyOptions {
  readonly call: ClientCall
  /** What the `x-gateway-…` headers say when the reply begins. */
  readonly facts: () => ReplyFacts
  /** What is left of the key's limits. */
  readonly limits: () => LimitHeaders
  /** The client is slow: what is written now is buffered in this process. */
  readonly onSlow: () => void
  /** It can take more again; a write should follow soon, since only that sends what is buffered. */
  readonly onReady: () => void
}

function factHeaders({ overheadMicros, attempts, nodeId }: ReplyFacts): Headers {
  return {
    'x-gateway-overhead-us': String(overheadMicros),
    'x-gateway-attempts': String(attempts),
    'x-gateway-node': nodeId,
  }
}

// Whole literals: spreading one object into another costs more than writing them twice.
function streamHeaders({ overheadMicros, attempts, nodeId }: ReplyFacts): Headers {
  return {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
    'x-accel-buffering': 'no',
    'x-gateway-overhead-us': String(overheadMicros),
    'x-gateway-attempts': String(attempts),
    'x-gateway-node': nodeId,
  }
}

function plainHeaders({ overheadMicros, attempts, nodeId }: ReplyFacts): Headers {
  return {
    'content-type': 'application/json',
    'x-gateway-overhead-us': String(overheadMicros),
    'x-gateway-attempts': String(attempts),
    'x-gateway-node': nodeId,
  }
}

const PING = ': ping\n\n'
const NOTHING = Buffer.alloc(0)
/** How long a slow client may take to read the error frame before it is cut off. */
const CUT_MS = 10_000

/** The client's side of an exchange: headers with the first byte, back-pressure, and honest ends. Hot path. */
export class ClientReply {
  readonly #options: ClientReplyOptions
  readonly #call: ClientCall
  #kind: ReplyKind | null = null
  #listening = false

  constructor(options: ClientReplyOptions) {
    this.#options = options
    this.#call = options.call
  }

  /** Whether reply headers have gone out: from then on a failure cannot be a status any more. */
  get started(): boolean {
    return this.#kind !== null
  }

  /** Passes bytes on, headers first if they are the first. */
  pass(kind: ReplyKind, bytes: Buffer | string): void {
    let taken: boolean
    if (this.#kind === null) {
      this.#kind = kind
      taken = this.#call.start(200, this.#headers(kind), bytes, this.#options.limits())
    } else taken = this.#call.write(bytes)
    if (taken) return
    this.#options.onSlow()
    if (this.#listening) return
    this.#listening = true
    this.#call.onWritable(this.#options.onReady)
  }

  /** A comment that keeps connections alive and clients patient. */
  ping(): void {
    this.pass('stream', PING)
  }

  /** Ends the reply well, with its last bytes. */
  end(kind: ReplyKind, last: Buffer | string): void {
    if (this.#kind === null) {
      this.#kind = kind
      this.#call.start(200, this.#headers(kind), last, this.#options.limits())
      this.#call.end(NOTHING)
    } else this.#call.end(last)
  }

  /** Sends a whole JSON document, its length declared. */
  whole(status: number, body: Buffer | string): void {
    this.#kind = 'plain'
    this.#call.reply(status, this.#headers('plain'), body, this.#options.limits())
  }

  /**
   * Ends in an error: a status while no header has gone out; afterwards a frame in a stream, and a connection that is
   * cut so that nothing looks like a good end.
   * @param asked whether request bytes reached a node: then clients must not retry a 5xx by themselves
   * @param body replaces the error's own envelope in a frame
   */
  fail(error: GatewayError, asked: boolean, body = errorBody(error)): void {
    if (this.#kind === null) {
      const retry = asked && ERRORS[error.code].status >= 500 ? { 'x-should-retry': 'false' } : undefined
      this.#call.fail(error, {
        ...factHeaders(this.#options.facts()),
        ...this.#options.limits(),
        ...retry,
      })
    } else if (this.#kind === 'plain' || this.#call.write(`data: ${body}\n\n`)) this.#call.cut()
    else this.#cutWhenRead()
  }

  /** Ends in the middle of a frame, to which an error frame would be glued: the connection is cut without a word. */
  cut(): void {
    this.#call.cut()
  }

  #headers(kind: ReplyKind): Headers {
    const facts = this.#options.facts()
    return kind === 'stream' ? streamHeaders(facts) : plainHeaders(facts)
  }

  /** The error frame is buffered behind what a slow client has yet to read. */
  #cutWhenRead(): void {
    const call = this.#call
    const timer = setTimeout(() => {
      call.cut()
    }, CUT_MS)
    call.onAbort(() => {
      clearTimeout(timer)
    })
    // A further write pushes the buffer out; the connection ends when that has been taken whole.
    call.onWritable(() => {
      if (!call.write('\n')) return
      clearTimeout(timer)
      call.cut()
    })
  }
}
