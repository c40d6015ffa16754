import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'
import { z } from 'zod'
import { generateApiKey } from '../../src/core/api-key.js'

/*
 * A thread that sends made-up keys, each once, over some connections, as fast as they are answered. It is told to stop by
 * any message, and says then what came of it.
 */

const { port, connections } = z.object({ port: z.number(), connections: z.number() }).parse(workerData)
const HEAD_END = '\r\n\r\n'
const CONTENT_LENGTH = /\r\ncontent-length: (\d+)\r\n/i

const byStatus = new Map<string, number>()
let sent = 0
let broken = 0
let stopping = false
let open = 0

function flood(): void {
  open++
  const socket = connect(port, '127.0.0.1')
  let text = ''
  const send = () => {
    if (stopping) {
      socket.end()
      return
    }
    sent++
    const key = generateApiKey('live', randomBytes(32))
    socket.write(`GET /v1/models HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer ${key}\r\n\r\n`)
  }
  socket.setNoDelay(true)
  socket.once('connect', send)
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
    const headEnd = text.indexOf(HEAD_END)
    if (headEnd < 0) return
    const length = Number(CONTENT_LENGTH.exec(text)?.[1] ?? 0)
    if (text.length < headEnd + HEAD_END.length + length) return
    const status = text.slice(9, 12)
    byStatus.set(status, (byStatus.get(status) ?? 0) + 1)
    text = ''
    send()
  })
  socket.on('error', () => {
    broken++
  })
  socket.once('close', () => {
    open--
    if (!stopping) flood()
    else if (open === 0) {
      parentPort?.postMessage({ sent, broken, byStatus: Object.fromEntries(byStatus) })
      parentPort?.close()
    }
  })
}

for (let at = 0; at < connections; at++) flood()
parentPort?.once('message', () => {
  stopping = true
})
