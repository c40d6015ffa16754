/** Callers whose key is refused are answered this many at a time, */
const AT_ONCE = 30
/** and so often: 6,000 a second where the process keeps up, and fewer where it does not. */
const EVERY_MS = 5

/** Answers for callers whose key is not good. */
export interface PacedRefusals {
  /** Answers at once while few ask, else in its turn. */
  answer(send: () => void): void
  /** Answers that wait. */
  readonly waiting: number
  /** Answers all that wait, and from now on at once. */
  stop(): void
}

/**
 * Keeps a flood of callers with made-up keys from taking the whole event loop: who waits for an answer does not ask
 * again, so the flood goes as fast as it is answered. A connection has one request at a time, which bounds what waits.
 * (bench: resilience unknown-keys)
 */
export function createPacedRefusals(): PacedRefusals {
  const queue: (() => void)[] = []
  let left = AT_ONCE
  let timer: NodeJS.Timeout | null = null
  let stopped = false

  function turn(): void {
    left = AT_ONCE
    // A turn that comes late makes up for nothing: the loop was busy.
    for (const send of queue.splice(0, AT_ONCE)) {
      left--
      send()
    }
    timer = left < AT_ONCE ? setTimeout(turn, EVERY_MS) : null
  }

  return {
    answer(send) {
      if (stopped) {
        send()
        return
      }
      timer ??= setTimeout(turn, EVERY_MS)
      if (left === 0) queue.push(send)
      else {
        left--
        send()
      }
    },
    get waiting() {
      return queue.length
    },
    stop() {
      stopped = true
      if (timer !== null) clearTimeout(timer)
      for (const send of queue.splice(0)) send()
    },
  }
}
