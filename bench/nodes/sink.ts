import type { Socket } from 'node:net'
import type { LedgerEntry } from './ledger.js'

/** Where the bytes of one reply go. The ledger counts a token when the last byte of its frame is written. */
export interface Sink {
  /** The socket (or the queue of pieces) is full: write no more until `onReady`. */
  readonly blocked: boolean
  /** `tokens`: how many are complete with this text. False: the socket is gone and nothing was written. */
  write(text: string, tokens: number): boolean
  /** Calls back when everything is written: at once, unless pieces are queued. */
  flushed(then: () => void): void
  /** Drops pieces that were not written yet. */
  drop(): void
}

function count(entry: LedgerEntry, tokens: number): void {
  entry.completionTokens += tokens
  entry.writtenTokens += tokens
}

/** One write for each call. Hot path. */
export function createDirectSink(socket: Socket, entry: LedgerEntry): Sink {
  return {
    get blocked() {
      return socket.writableNeedDrain
    },
    write(text, tokens) {
      if (!socket.writable) return false
      socket.write(text)
      if (tokens > 0) count(entry, tokens)
      return true
    },
    flushed: (then) => then(),
    drop() {},
  }
}

/** Cuts everything at two odd offsets and writes each piece in its own turn of the event loop. */
export function createSplitSink(
  socket: Socket,
  entry: LedgerEntry,
  random: () => number,
  onReady: () => void,
): Sink {
  let queue: { readonly bytes: Buffer; readonly tokens: number }[] = []
  let waiting: (() => void) | undefined
  let pumping = false

  const pump = (): void => {
    const piece = queue.shift()
    if (piece !== undefined && socket.writable) {
      socket.write(piece.bytes)
      count(entry, piece.tokens)
      if (queue.length > 0) {
        setImmediate(pump)
        return
      }
    }
    pumping = false
    queue = []
    const then = waiting
    waiting = undefined
    if (!socket.writable) return
    if (then !== undefined) then()
    else onReady()
  }

  return {
    get blocked() {
      return pumping
    },
    write(text, tokens) {
      if (!socket.writable) return false
      const bytes = Buffer.from(text)
      const odd = (): number => Math.floor(random() * bytes.length) | 1
      const [first = 1, second = 1] = [odd(), odd()].sort((a, b) => a - b)
      for (const part of [bytes.subarray(0, first), bytes.subarray(first, second)])
        if (part.length > 0) queue.push({ bytes: part, tokens: 0 })
      queue.push({ bytes: bytes.subarray(second), tokens })
      if (!pumping) {
        pumping = true
        setImmediate(pump)
      }
      return true
    },
    flushed(then) {
      if (pumping) waiting = then
      else then()
    },
    drop() {
      queue = []
      waiting = undefined
    },
  }
}
