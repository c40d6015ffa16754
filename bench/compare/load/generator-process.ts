/**
 * The load generator: a process of its own, so that its work is not counted as anybody else's. Takes orders over
 * IPC one after another and ends when its parent is gone.
 */
import { openConnection, type Connection } from '../../load/connection.js'
import { Order, type LoadResult, type PlannedRequest, type Report } from './messages.js'
import { sendRequests } from './requests.js'
import { sendStreams } from './streams.js'

/** Connections that are being opened at once; more would overflow the listener's queue. */
const OPENING = 100

let connections: Connection[] = []
let host = ''

function closeAll(): void {
  for (const connection of connections) connection.close()
  connections = []
}

function requestBytes({ path, headers, body }: PlannedRequest): Buffer {
  const lines = Object.entries({
    host,
    'content-type': 'application/json',
    ...headers,
    'content-length': String(Buffer.byteLength(body)),
  }).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`)
}

async function carryOut(order: Order): Promise<LoadResult | null> {
  switch (order.kind) {
    case 'open':
      closeAll()
      host = `${order.host}:${order.port}`
      while (connections.length < order.connections) {
        const length = Math.min(OPENING, order.connections - connections.length)
        const opened = Array.from({ length }, () => openConnection(order.host, order.port))
        connections.push(...(await Promise.all(opened)))
      }
      return null
    case 'requests':
      return sendRequests(connections, requestBytes(order.request), order.durationMs)
    case 'streams':
      return sendStreams(connections, { ...order, request: requestBytes(order.request) })
    case 'close':
      closeAll()
      return null
  }
}

function report(message: Report): void {
  process.send?.(message)
}

process.title = 'crosslogic-bench-load'
process.on('message', (message) => {
  carryOut(Order.parse(message)).then(
    (result) => {
      report({ result })
    },
    (error: unknown) => {
      report({ error: error instanceof Error ? error.message : String(error) })
    },
  )
})
process.once('disconnect', () => process.exit())
