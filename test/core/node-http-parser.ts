import { request, type IncomingMessage } from 'node:http'
import { Duplex } from 'node:stream'

export interface NodeResponse {
  /** Null when no response was accepted. */
  readonly status: number | null
  readonly body: Buffer
  /** Whether the response came to its end without an error, at the latest when the connection closed. */
  readonly complete: boolean
}

/** What Node's own HTTP client makes of a connection that yields `bytes` and is closed then. */
export function parseWithNode(bytes: Buffer): Promise<NodeResponse> {
  return new Promise((resolve) => {
    const connection = new Duplex({
      read() {},
      write(_chunk, _encoding, done) {
        done()
      },
    })
    let response: IncomingMessage | null = null
    let failed = false
    const body: Buffer[] = []
    const fail = (): void => {
      failed = true
    }
    const call = request({ host: 'node', createConnection: () => connection, maxHeaderSize: 128 * 1024 })
    call.on('error', fail)
    call.on('upgrade', fail)
    call.on('response', (incoming) => {
      response = incoming
      incoming.on('error', fail)
      incoming.on('data', (chunk: Buffer) => body.push(chunk))
    })
    call.on('close', () => {
      resolve({
        status: response?.statusCode ?? null,
        body: Buffer.concat(body),
        complete: !failed && response?.complete === true,
      })
    })
    call.end()
    connection.push(bytes)
    connection.push(null)
  })
}
