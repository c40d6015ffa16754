/** A request in the engine. `start` is called once, when it gets a slot. */
export interface Work {
  start(): void
}

export interface Scheduler<W extends Work> {
  readonly running: ReadonlySet<W>
  readonly waiting: ReadonlySet<W>
  /** The most that ever ran at once. */
  mostRunning(): number
  /** Starts the work at once if a slot is free, else it waits its turn. */
  enter(work: W): void
  /** Gives the slot or the place in the queue back. Repeatable. */
  leave(work: W): void
}

/** At most `maxRunning` in work, the others first in, first out. */
export function createScheduler<W extends Work>(maxRunning: number): Scheduler<W> {
  const running = new Set<W>()
  const waiting = new Set<W>()

  let filling = false
  let most = 0

  const fill = (): void => {
    // Work that ends within its own start comes back here: the loop below goes on instead of a recursion.
    if (filling) return
    filling = true
    for (const next of waiting) {
      if (running.size >= maxRunning) break
      waiting.delete(next)
      running.add(next)
      most = Math.max(most, running.size)
      next.start()
    }
    filling = false
  }

  return {
    running,
    waiting,
    mostRunning: () => most,
    enter(work) {
      waiting.add(work)
      fill()
    },
    leave(work) {
      waiting.delete(work)
      if (running.delete(work)) fill()
    },
  }
}
