import type { Exchange } from './connection.js'
import { errorBody, type EngineError } from './engine-error.js'
import type { RequestFault } from './faults.js'
import type { LedgerEntry } from './ledger.js'
import type { Flavour } from './options.js'
import { after, type Pacer } from './pacer.js'
import { createSplitSink } from './sink.js'

const REASONS: Readonly<Record<number, string>> = {
  200: 'OK',
  400: 'Bad Request',
  401: 'Unauthorized',
  404: 'Not Found',
  405: 'Method Not Allowed',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
}

/** Behind a complete response: what a gateway must never hand to its next client. */
export const STRAY_RESPONSE =
  'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 17\r\n\r\n{"stray":"reply"}'

let dateSecond = 0
let dateText = ''

function date(): string {
  const second = Math.floor(Date.now() / 1000)
  if (second !== dateSecond) {
    dateSecond = second
    dateText = new Date(second * 1000).toUTCString()
  }
  return dateText
}

/** Status line and headers up to the blank line; `framing` is `content-length: n` or `transfer-encoding: chunked`. */
export function replyHead(exchange: Exchange, status: number, contentType: string, framing: string): string {
  const connection = exchange.keepAlive ? '' : 'connection: close\r\n'
  const load = exchange.load === undefined ? '' : `endpoint-load-metrics: ${exchange.load()}\r\n`
  return (
    `HTTP/1.1 ${status} ${REASONS[status] ?? 'Unknown'}\r\ndate: ${date()}\r\nserver: uvicorn\r\n` +
    `content-type: ${contentType}\r\n${load}${connection}${framing}\r\n\r\n`
  )
}

/** A whole reply in one write. */
export function sendText(exchange: Exchange, status: number, contentType: string, body: string): void {
  const framing = `content-length: ${Buffer.byteLength(body)}`
  exchange.socket.write(replyHead(exchange, status, contentType, framing) + body)
  exchange.finish()
}

export function sendJson(exchange: Exchange, status: number, value: unknown): void {
  sendText(exchange, status, 'application/json', JSON.stringify(value))
}

export function sendError(exchange: Exchange, flavour: Flavour, error: EngineError): void {
  sendText(exchange, error.status, 'application/json', errorBody(flavour, error))
}

/** Writes the stray response `delayMs` from now. */
export function sendStrayLater(exchange: Exchange, pacer: Pacer, delayMs: number): void {
  after(pacer, delayMs, () => {
    if (exchange.socket.writable) exchange.socket.write(STRAY_RESPONSE)
  })
}

/**
 * A 200 with a JSON body of `bytes` UTF-8 bytes, bent by the faults that plain replies can show. `ended` is
 * called once, before the connection takes its next request; not at all if the client leaves first.
 */
export function sendPlainReply(
  exchange: Exchange,
  entry: LedgerEntry,
  body: { readonly text: string; readonly bytes: number; readonly tokens: number },
  fault: RequestFault | undefined,
  tools: { readonly pacer: Pacer; readonly random: () => number; readonly ended: () => void },
): void {
  const { socket } = exchange
  const wholeReply = (contentLength: number): string =>
    replyHead(exchange, 200, 'application/json', `content-length: ${contentLength}`) + body.text
  const finish = (): void => {
    entry.writtenTokens = body.tokens
    entry.finished = true
    tools.ended()
    exchange.finish()
  }
  entry.status = 200
  const kind: string = fault?.kind ?? 'none'
  switch (kind) {
    case 'malformed_chunk': {
      const half = body.text.slice(0, body.text.length >> 1)
      const head = replyHead(exchange, 200, 'application/json', 'transfer-encoding: chunked')
      socket.write(`${head}${Buffer.byteLength(half).toString(16)}\r\n${half}\r\nxyz\r\n`)
      tools.ended()
      exchange.destroy(false)
      return
    }
    case 'short_content_length':
      socket.write(wholeReply(Math.max(0, body.bytes - 10)))
      finish()
      return
    case 'long_content_length':
      socket.write(wholeReply(body.bytes + 100))
      entry.writtenTokens = body.tokens
      tools.ended()
      exchange.destroy(false)
      return
    case 'extra_bytes':
      if (fault?.ms === undefined) socket.write(wholeReply(body.bytes) + STRAY_RESPONSE)
      else {
        socket.write(wholeReply(body.bytes))
        sendStrayLater(exchange, tools.pacer, fault.ms)
      }
      finish()
      return
    case 'split_writes': {
      const sink = createSplitSink(socket, entry, tools.random, () => {})
      sink.write(wholeReply(body.bytes), 0)
      sink.flushed(finish)
      return
    }
    default:
      socket.write(wholeReply(body.bytes))
      finish()
  }
}
