/** What waits in a {@link FairQueue}; the queue's own. */
export interface QueueTicket<T> {
  readonly item: T
  readonly flow: string
  /** Virtual time at which it is its flow's turn. */
  startTag: number
}

interface Flow<T> {
  readonly tickets: QueueTicket<T>[]
  /** Virtual time at which the last of its tickets will have been served. */
  finishTag: number
  weight: number
}

/**
 * Start-time fair queueing (Goyal, Vin and Cheng, 1996): each flow gets a share of the turns by its weight, and a flow
 * that comes with little waits for little, however long the others' lines are. First in, first out within a flow.
 */
export class FairQueue<T> {
  readonly #flows = new Map<string, Flow<T>>()
  #virtualTime = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  /**
   * @param flow whose turn it uses
   * @param weight relative share of the flow, > 0
   */
  push(item: T, flow: string, weight: number): QueueTicket<T> {
    let known = this.#flows.get(flow)
    if (known === undefined) {
      known = { tickets: [], finishTag: 0, weight }
      this.#flows.set(flow, known)
    }
    known.weight = weight
    const startTag = Math.max(this.#virtualTime, known.finishTag)
    known.finishTag = startTag + 1 / weight
    const ticket = { item, flow, startTag }
    known.tickets.push(ticket)
    this.#size++
    return ticket
  }

  /** Whose turn is next; null when nothing waits. */
  peek(): T | null {
    return this.#nextFlow()?.tickets[0]?.item ?? null
  }

  /** Takes the next. */
  shift(): T | null {
    const flow = this.#nextFlow()
    const ticket = flow?.tickets.shift()
    if (ticket === undefined) return null
    this.#virtualTime = ticket.startTag
    this.#size--
    this.#forgetPast()
    return ticket.item
  }

  /** Takes out one that waits no more; its turn falls to the next of its flow. Repeatable. */
  remove(ticket: QueueTicket<T>): boolean {
    const flow = this.#flows.get(ticket.flow)
    const at = flow?.tickets.indexOf(ticket) ?? -1
    if (flow === undefined || at < 0) return false
    // Those behind it move up, so that who leaves does not cost its flow a turn.
    flow.tickets.splice(at, 1)
    let { startTag } = ticket
    for (const behind of flow.tickets.slice(at)) {
      behind.startTag = startTag
      startTag += 1 / flow.weight
    }
    flow.finishTag = startTag
    this.#size--
    this.#forgetPast()
    return true
  }

  /** How many turns come before one that a flow would be given now. */
  turnsBefore(flow: string, weight: number): number {
    const startTag = Math.max(this.#virtualTime, this.#flows.get(flow)?.finishTag ?? 0)
    let turns = 0
    for (const [name, { tickets, finishTag, weight: theirs }] of this.#flows) {
      const first = tickets[0]
      if (first === undefined) continue
      if (name === flow) turns += tickets.length
      else {
        const upTo = Math.min(finishTag, startTag + 1 / weight)
        turns += Math.min(tickets.length, Math.max(0, Math.ceil((upTo - first.startTag) * theirs)))
      }
    }
    return turns
  }

  #nextFlow(): Flow<T> | null {
    let next: Flow<T> | null = null
    let earliest = Infinity
    for (const flow of this.#flows.values()) {
      const tag = flow.tickets[0]?.startTag ?? Infinity
      if (tag < earliest) {
        earliest = tag
        next = flow
      }
    }
    return next
  }

  /** A flow that has nothing waiting and has not had more than its share is as good as a new one. */
  #forgetPast(): void {
    if (this.#size === 0) {
      this.#flows.clear()
      this.#virtualTime = 0
      return
    }
    for (const [name, { tickets, finishTag }] of this.#flows) {
      if (tickets.length === 0 && finishTag <= this.#virtualTime) this.#flows.delete(name)
    }
  }
}
