import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { ResponseError, ResponseParser, type ResponseEvents } from '../../src/core/http-response.js'

/** `protocol`: what came was not HTTP as it should be. `disconnect`: the connection broke. */
export type FailureKind = 'protocol' | 'disconnect'

/** Who is told of the response to one request. */
export interface ResponseHandler extends ResponseEvents {
  /** The connection broke or the bytes were not HTTP; nothing follows. */
  onFailure(reason: string, kind: FailureKind): void
}

/** A keep-alive connection of the load generator: one request at a time. */
export interface Connection {
  /** Writes a whole request. */
  send(request: Buffer, handler: ResponseHandler): void
  /** Ends it without a word to the handler. */
  close(): void
  /** The last response is complete and another request may follow. */
  readonly reusable: boolean
}

export interface ConnectionOptions {
  /** Null: plain TCP. `host` may be an address then, and the name to ask for another. */
  readonly tls?: { readonly serverName: string; readonly insecure: boolean } | null
  /** Called once when the connection is gone, whoever ended it; after the handler was told. */
  readonly onClose?: () => void
}

/** All connections read into one buffer: what they read is used up within the callback. */
const readBuffer = Buffer.allocUnsafe(64 * 1024)

const nobody: ResponseHandler = { onHead: () => {}, onBody: () => {}, onFailure: () => {} }

/** Opens a connection on a raw socket. @throws when it cannot be opened */
export async function openConnection(
  host: string,
  port: number,
  { tls = null, onClose = () => {} }: ConnectionOptions = {},
): Promise<Connection> {
  let handler = nobody
  let closing = false
  const parser = new ResponseParser(nobody)
  const fail = (reason: string, kind: FailureKind = 'disconnect'): void => {
    const failed = handler
    handler = nobody
    socket.destroy()
    // Who has its whole reply has not failed: a server may close a connection that idles.
    if (!closing && !parser.ended) failed.onFailure(reason, kind)
  }
  /** What the parser finds wrong is told as such. */
  const parse = (step: () => void): void => {
    try {
      step()
    } catch (error) {
      fail(
        error instanceof Error ? error.message : String(error),
        error instanceof ResponseError ? 'protocol' : 'disconnect',
      )
    }
  }
  const options = {
    host,
    port,
    noDelay: true,
    onread: {
      buffer: readBuffer,
      callback(bytesRead: number) {
        parse(() => {
          parser.execute(readBuffer.subarray(0, bytesRead))
        })
        return true
      },
    },
  }
  const socket: Socket =
    tls === null
      ? connectTcp(options)
      : connectTls({
          ...options,
          // An address is no name that could be asked for.
          ...(isIP(tls.serverName) === 0 && { servername: tls.serverName }),
          rejectUnauthorized: !tls.insecure,
        })
  await new Promise<void>((resolve, reject) => {
    socket.once(tls === null ? 'connect' : 'secureConnect', resolve)
    socket.once('error', reject)
  })
  socket.on('error', (error) => {
    fail(error.message)
  })
  socket.on('end', () => {
    // A response without a length ends with its connection.
    if (handler === nobody || !parser.started || parser.ended) return
    try {
      parser.finish()
    } catch {
      fail('the connection was closed within the response')
    }
  })
  socket.on('close', () => {
    fail('the connection was closed')
    onClose()
  })
  return {
    send(request, next) {
      handler = next
      parser.reset(next)
      if (socket.destroyed) fail('the connection was closed between two requests')
      else socket.write(request)
    },
    close() {
      closing = true
      socket.destroy()
    },
    get reusable() {
      return parser.reusable && !socket.destroyed && socket.writable
    },
  }
}
