import { openConnection, type Connection } from './connection.js'

/** Where connections go. */
export interface Server {
  /** An address, so that no connection waits for a name. */
  readonly address: string
  readonly port: number
  readonly tls: { readonly serverName: string; readonly insecure: boolean } | null
}

/** Who needs a connection. */
export interface Waiter {
  /** False: it has given up, and is passed over. */
  readonly waiting: boolean
  onConnection(connection: Connection): void
  onConnectFailure(error: unknown): void
}

/** Connections that are being opened at once; more would overflow the listener's queue. */
const OPENING = 100
/** Idle ones are closed after this: some servers do so after 5 s, and a request must not meet that moment. */
const IDLE_MS = 4000

/** Keep-alive connections of one process; opens new ones as they are needed, up to a bound. */
export class ConnectionPool {
  readonly #server: Server
  readonly #most: number
  /** The last one used is the next: the others can grow old. */
  readonly #idle: { connection: Connection; sinceMs: number }[] = []
  readonly #all = new Set<Connection>()
  #waiters: Waiter[] = []
  #firstWaiter = 0
  #opening = 0
  #closed = false
  /** Requests that had to wait because all connections that may be were in use. */
  waitedForBound = 0

  constructor(server: Server, most: number) {
    this.#server = server
    this.#most = most
  }

  /** Gives the waiter a connection: at once when one idles, else the next that is free or open. */
  acquire(waiter: Waiter): void {
    for (let one = this.#idle.pop(); one !== undefined; one = this.#idle.pop()) {
      if (!one.connection.reusable) continue
      waiter.onConnection(one.connection)
      return
    }
    this.#waiters.push(waiter)
    if (this.#all.size + this.#opening >= this.#most && this.#queued > this.#opening) this.waitedForBound += 1
    this.#open()
  }

  /** Takes a connection back; one that cannot be used again is closed. */
  release(connection: Connection, nowMs: number): void {
    if (!connection.reusable) {
      this.#all.delete(connection)
      connection.close()
      this.#open()
      return
    }
    const waiter = this.#nextWaiter()
    if (waiter === undefined) this.#idle.push({ connection, sinceMs: nowMs })
    else waiter.onConnection(connection)
  }

  /** Closes what has idled too long. */
  sweep(nowMs: number): void {
    const old = this.#idle.findIndex(({ sinceMs }) => nowMs - sinceMs < IDLE_MS)
    for (const { connection } of this.#idle.splice(0, old < 0 ? this.#idle.length : old)) connection.close()
  }

  close(): void {
    this.#closed = true
    for (const connection of this.#all) connection.close()
  }

  get #queued(): number {
    return this.#waiters.length - this.#firstWaiter
  }

  #nextWaiter(): Waiter | undefined {
    while (this.#firstWaiter < this.#waiters.length) {
      const waiter = this.#waiters[this.#firstWaiter]
      this.#firstWaiter += 1
      if (this.#firstWaiter > 1024 && this.#firstWaiter * 2 > this.#waiters.length) {
        this.#waiters = this.#waiters.slice(this.#firstWaiter)
        this.#firstWaiter = 0
      }
      if (waiter?.waiting === true) return waiter
    }
    return undefined
  }

  /** Opens as many as wait, within the bounds. */
  #open(): void {
    while (
      !this.#closed &&
      this.#opening < Math.min(OPENING, this.#queued) &&
      this.#all.size + this.#opening < this.#most
    ) {
      this.#opening += 1
      void this.#openOne()
    }
  }

  async #openOne(): Promise<void> {
    const { address, port, tls } = this.#server
    let connection: Connection | null = null
    try {
      connection = await openConnection(address, port, {
        tls,
        onClose: () => {
          if (connection !== null) this.#all.delete(connection)
          this.#open()
        },
      })
    } catch (error) {
      this.#opening -= 1
      this.#nextWaiter()?.onConnectFailure(error)
      this.#open()
      return
    }
    this.#opening -= 1
    this.#all.add(connection)
    if (this.#closed) connection.close()
    else this.#begin(connection)
    this.#open()
  }

  /** A fresh connection serves who waits; with nobody left it is not kept, since no response proves it good. */
  #begin(connection: Connection): void {
    const waiter = this.#nextWaiter()
    if (waiter === undefined) connection.close()
    else waiter.onConnection(connection)
  }
}
