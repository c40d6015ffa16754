/** A connection whose client has left, with bytes that its node had written before it was told. */
export interface Leftover {
  /** Reads once. When more may be there, the connection asks for another turn. */
  readLeftover(): void
}

export interface Leftovers {
  /** Reads on in a later turn of the event loop, after those that wait already. */
  wait(leftover: Leftover): void
}

/** Reads of one turn, of 64 KB at most each: what they hold is counted in about a millisecond. */
const AT_ONCE = 2

/**
 * Shares the event loop between streams and what is left of those that ended: clients that are cut together, each with
 * megabytes of tokens that nobody read, would else stop everybody else's stream until all of it is counted.
 */
export function createLeftovers(): Leftovers {
  const waiting: Leftover[] = []
  let scheduled = false

  function run(): void {
    for (const leftover of waiting.splice(0, AT_ONCE)) leftover.readLeftover()
    scheduled = waiting.length > 0
    if (scheduled) setImmediate(run)
  }

  return {
    wait(leftover) {
      waiting.push(leftover)
      if (scheduled) return
      scheduled = true
      setImmediate(run)
    },
  }
}
