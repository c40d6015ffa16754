import type { Socket } from 'node:net'
import type { LedgerEntry } from './ledger.js'

/** Where the bytes of one reply go. The ledger counts a token when the last byte of its event is written. */
export interface Sink {
  /** The socket (or the queue of pieces) is full: write no more until `onReady`. */
  readonly blocked: boolean
  /** `tokens`: how many are complete with the first event of this text. False: the socket is gone and nothing was written. */
  write(text: string, tokens: number): boolean
  /** Calls back when everything is written: at once, unless pieces are queued. */
  flushed(then: () => void): void
  /** Drops pieces that were not written yet. */
  drop(): void
}

const EVENT_END = '\n\n'

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
      // Whoever reads an event needs none of the bytes that close its chunk: they may be a piece of their own.
      const event = bytes.indexOf(EVENT_END)
      const counts = event < 0 ? bytes.length : event + EVENT_END.length
      let start = 0
      for (const end of [first, second, bytes.length]) {
        if (end === start) continue
        const counted = start < counts && counts <= end
        queue.push({ bytes: bytes.subarray(start, end), tokens: counted ? tokens : 0 })
        start = end
      }
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
