/** Virtual time: events run in the order of their times, those of one time in the order in which they were planned. */
export interface Timeline {
  /** Milliseconds since the beginning. */
  now(): number
  /** @param delayMs from now, 0 or more */
  after(delayMs: number, happen: () => void): void
  /** Again and again, until there is nothing else to come. */
  every(intervalMs: number, firstDelayMs: number, happen: () => void): void
  /** Runs all events, those that others plan included. */
  run(): void
}

interface Planned {
  readonly atMs: number
  readonly order: number
  readonly happen: () => void
}

/** A binary heap. */
export function createTimeline(): Timeline {
  const heap: Planned[] = []
  let nowMs = 0
  let planned = 0
  /** Events in the heap that are part of a repetition. */
  let repeated = 0

  function push(event: Planned): void {
    let at = heap.length
    heap.push(event)
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent]
      if (above === undefined || !isBefore(event, above)) break
      heap[at] = above
      at = parent
    }
    heap[at] = event
  }

  function pop(): Planned | undefined {
    const [first] = heap
    const last = heap.pop()
    if (last === undefined || last === first) return first
    let at = 0
    for (;;) {
      const left = 2 * at + 1
      const [one, other] = [heap[left], heap[left + 1]]
      if (one === undefined) break
      const isOther = other !== undefined && isBefore(other, one)
      const child = isOther ? other : one
      if (!isBefore(child, last)) break
      heap[at] = child
      at = isOther ? left + 1 : left
    }
    heap[at] = last
    return first
  }

  function after(delayMs: number, happen: () => void): void {
    push({ atMs: nowMs + delayMs, order: planned++, happen })
  }

  return {
    now: () => nowMs,
    after,
    every(intervalMs, firstDelayMs, happen) {
      const again = () => {
        repeated--
        if (heap.length === repeated) return
        happen()
        repeated++
        after(intervalMs, again)
      }
      repeated++
      after(firstDelayMs, again)
    },
    run() {
      for (let next = pop(); next !== undefined; next = pop()) {
        nowMs = next.atMs
        next.happen()
      }
    },
  }
}

function isBefore(a: Planned, b: Planned): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}
