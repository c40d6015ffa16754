/** Demand is measured over no shorter time. */
const LEAST_SPAN_MS = 10
/** A lease lasts for about so long, with some room for a demand that grows. */
const LEASE_MS = 150

/** How much of a limit a process has used since it last asked the ledger, and so how much to ask for ahead. */
export class LimitDemand {
  #taken = 0
  #since = -Infinity

  note(amount: number): void {
    this.#taken += amount
  }

  /** What the next {@link LEASE_MS} will take, if they are as the time since the last exchange. */
  ahead(now: number): number {
    return Math.floor((this.#taken / Math.max(LEAST_SPAN_MS, now - this.#since)) * LEASE_MS)
  }

  /** The ledger is asked now. */
  exchanged(now: number): void {
    this.#taken = 0
    this.#since = now
  }

  /** Milliseconds since the ledger was asked. */
  sinceExchange(now: number): number {
    return now - this.#since
  }
}
