/** Places of those that have left, before they are let go of. */
const LEFT_BEHIND = 10_000

/** A request in the gateway that has no node yet. */
export interface Waiting {
  readonly sinceS: number
  readonly streamS: number
  /** It has had its first token: its node was taken away. */
  readonly resumed: boolean
}

/** First in, first out; those that go on with an answer before all others. */
export interface WaitingLine {
  readonly length: number
  add(request: Waiting): void
  next(): Waiting | undefined
}

export function createWaitingLine(): WaitingLine {
  const resumed: Waiting[] = []
  let fresh: Waiting[] = []
  let head = 0
  return {
    get length() {
      return resumed.length + fresh.length - head
    },
    add(request) {
      if (request.resumed) resumed.push(request)
      else fresh.push(request)
    },
    next() {
      const first = resumed.shift() ?? fresh[head]
      if (first === undefined || first.resumed) return first
      head++
      if (head === LEFT_BEHIND) {
        fresh = fresh.slice(head)
        head = 0
      }
      return first
    },
  }
}
