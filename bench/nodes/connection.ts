import type { Socket } from 'node:net'
import { createRequestParser, type HttpRequest } from './request-parser.js'

/** One request on a connection, from its last byte to the end of its reply. */
export interface Exchange {
  readonly request: HttpRequest
  readonly socket: Socket
  /** Whether the connection lives on after this reply; as the request has it, unless a route decides otherwise. */
  keepAlive: boolean
  /** Value of the reply's load header; undefined: it has none. */
  load: (() => string) | undefined
  /** Called once if the client leaves (FIN or reset) before `finish`. */
  onAbort: (() => void) | undefined
  /** Called when the socket's buffer has emptied after a write that filled it. */
  onDrain: (() => void) | undefined
  /** The reply is written whole: the connection takes its next request, or ends if it is not kept. */
  finish(): void
  /** Closes the connection after what was written has been handed to the kernel; `reset`: with RST. */
  destroy(reset: boolean): void
}

export interface Connection {
  readonly socket: Socket
  readonly busy: boolean
  /** Milliseconds (`performance.now()`) of the last request's end. */
  readonly idleSince: number
}

/**
 * Serves a socket: requests one after another, `handle` for each. The client's FIN counts as leaving, as it does
 * for uvicorn: what was written is still flushed, nothing more is written.
 */
export function serveConnection(
  socket: Socket,
  now: () => number,
  handle: (exchange: Exchange) => void,
): Connection {
  const parser = createRequestParser()
  const connection = { socket, busy: false, idleSince: now() }
  let current: Exchange | undefined
  let pumping = false

  const nextRequest = (): HttpRequest | undefined => {
    try {
      const request = parser.next()
      if (request === undefined && parser.takeExpectation()) socket.write('HTTP/1.1 100 Continue\r\n\r\n')
      return request
    } catch {
      socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
      return undefined
    }
  }

  const pump = (): void => {
    if (pumping) return
    pumping = true
    while (current === undefined && socket.writable) {
      const request = nextRequest()
      if (request === undefined) break
      current = openExchange(request)
      connection.busy = true
      handle(current)
    }
    pumping = false
  }

  const openExchange = (request: HttpRequest): Exchange => {
    const exchange: Exchange = {
      request,
      socket,
      keepAlive: request.keepAlive,
      load: undefined,
      onAbort: undefined,
      onDrain: undefined,
      finish() {
        if (current !== exchange) return
        current = undefined
        connection.busy = false
        connection.idleSince = now()
        if (!exchange.keepAlive) socket.end()
        else pump()
      },
      destroy(reset) {
        if (current === exchange) current = undefined
        const close = (): void => {
          // resetAndDestroy() ends the socket in good order first (FIN, then RST) unless told otherwise.
          if (reset) socket.destroySoon = () => void socket.destroy()
          if (reset) socket.resetAndDestroy()
          else socket.destroy()
        }
        if (socket.writableLength === 0) close()
        else socket.write('', close)
      },
    }
    return exchange
  }

  const leave = (): void => {
    const left = current
    current = undefined
    connection.busy = false
    left?.onAbort?.()
  }

  socket.setNoDelay(true)
  socket.on('data', (bytes) => {
    parser.push(bytes)
    pump()
  })
  socket.on('drain', () => current?.onDrain?.())
  socket.on('end', leave)
  // A reset by the client is how some of them leave; 'close' follows and does the work.
  socket.on('error', () => {})
  socket.on('close', leave)
  return connection
}
