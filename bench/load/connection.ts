import { connect, type Socket } from 'node:net'
import { ResponseParser, type ResponseEvents } from '../../src/core/http-response.js'

/** Who is told of the response to one request. */
export interface ResponseHandler extends ResponseEvents {
  /** The connection broke or the bytes were not HTTP; nothing follows. */
  onFailure(reason: string): void
}

/** A keep-alive connection of the load generator: one request at a time. */
export interface Connection {
  /** Writes a whole request. */
  send(request: Buffer, handler: ResponseHandler): void
  close(): void
}

/** All connections read into one buffer: what they read is used up within the callback. */
const readBuffer = Buffer.allocUnsafe(64 * 1024)

const nobody: ResponseHandler = { onHead: () => {}, onBody: () => {}, onFailure: () => {} }

/** Opens a connection on a raw socket. @throws when it cannot be opened */
export async function openConnection(host: string, port: number): Promise<Connection> {
  let handler = nobody
  let closing = false
  const parser = new ResponseParser(nobody)
  const fail = (reason: string): void => {
    const failed = handler
    handler = nobody
    socket.destroy()
    // Who has its whole reply has not failed: a server may close a connection that idles.
    if (!closing && !parser.ended) failed.onFailure(reason)
  }
  const socket: Socket = connect({
    host,
    port,
    noDelay: true,
    onread: {
      buffer: readBuffer,
      callback(bytesRead) {
        try {
          parser.execute(readBuffer.subarray(0, bytesRead))
        } catch (error) {
          fail(error instanceof Error ? error.message : String(error))
        }
        return true
      },
    },
  })
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  socket.on('error', (error) => {
    fail(error.message)
  })
  socket.on('close', () => {
    fail('the connection was closed')
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
  }
}
