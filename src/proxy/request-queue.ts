import { DecayedAverage } from '../core/ewma.js'
import { FairQueue, type QueueTicket } from '../core/fair-queue.js'
import type { QueueSettings } from '../core/snapshot.js'

/** A request that waits for a node with room. */
export interface Waiter {
  readonly tenantId: string
  /** Relative share of its tenant, > 0. */
  readonly weight: number
  /** Takes a node and goes on if one has room; false: it goes on waiting. */
  tryPlace(): boolean
}

/** A place in a queue, to be given up by who waits no more. */
export interface QueuePlace {
  /** 1: the next. As it was when it was taken. */
  readonly position: number
  leave(): void
}

/** How fast places move up is averaged over about this time. */
const PACE_HALF_LIFE_MS = 5_000

/**
 * Where requests of a model wait while all its nodes are full, or while it has none that serves and one is on its way: bounded, fair between tenants, and with those in front
 * that a node has failed, since they have waited before. Lives on over snapshots.
 */
export class RequestQueue {
  readonly #now: () => number
  readonly #fair = new FairQueue<Waiter>()
  readonly #urgent: Waiter[] = []
  /** Milliseconds between one placing and the next while others waited. */
  readonly #interval = new DecayedAverage(PACE_HALF_LIFE_MS)
  /** Since when there has been no placing although somebody waited; 0: nobody waits. */
  #paceSince = 0
  /** Since who waits has waited for a launch: how long that took is no pace. */
  #paceIsVoid = false
  #dispatching = false

  /** @param now steady milliseconds */
  constructor(now: () => number) {
    this.#now = now
  }

  get size(): number {
    return this.#fair.size + this.#urgent.length
  }

  /** Whether newcomers have to stand in line. */
  get hasLine(): boolean {
    return this.#fair.size > 0
  }

  /**
   * A place for a newcomer; null: the queue is full, or nobody who comes now is served in time.
   */
  enter(
    waiter: Waiter,
    { maxDepth, maxWaitMs }: Pick<QueueSettings, 'maxDepth' | 'maxWaitMs'>,
  ): QueuePlace | null {
    const before = this.#fair.turnsBefore(waiter.tenantId, waiter.weight)
    if (this.size >= maxDepth || this.#expectedWaitMs(before) > maxWaitMs) return null
    return this.#push(waiter, before)
  }

  /** A place for a newcomer while no node serves and one is on its way; null: the queue is full. */
  enterCold(waiter: Waiter, maxDepth: number): QueuePlace | null {
    if (this.size >= maxDepth) return null
    const place = this.#push(waiter, this.#fair.turnsBefore(waiter.tenantId, waiter.weight))
    this.voidPace()
    return place
  }

  /** No node serves any more: until one does, nothing is learnt of the pace. */
  voidPace(): void {
    this.#paceIsVoid = true
  }

  /** A place in front of all that newcomers take, without a bound: who has it has been served already. */
  enterAgain(waiter: Waiter): QueuePlace {
    this.#beginPace()
    const position = this.#urgent.push(waiter)
    return {
      position,
      leave: () => {
        const at = this.#urgent.indexOf(waiter)
        if (at >= 0) this.#urgent.splice(at, 1)
      },
    }
  }

  /** Milliseconds until a newcomer of this tenant is served, as far as can be told; 0: nothing is known. */
  expectedWaitMs(tenantId: string, weight: number): number {
    return this.#expectedWaitMs(this.#fair.turnsBefore(tenantId, weight))
  }

  /** A node may have room: places who can be placed. */
  dispatch(): void {
    // Placing a request may end one, which makes room and comes here again.
    if (this.#dispatching || this.size === 0) return
    this.#dispatching = true
    try {
      // Each may have its own nodes that it does not want again, so one that cannot be placed holds up no other.
      for (const waiter of [...this.#urgent]) {
        if (!waiter.tryPlace()) continue
        const at = this.#urgent.indexOf(waiter)
        if (at >= 0) this.#urgent.splice(at, 1)
        this.#placed()
      }
      for (let next = this.#fair.peek(); next !== null; next = this.#fair.peek()) {
        if (!next.tryPlace()) break
        this.#fair.shift()
        this.#placed()
      }
    } finally {
      this.#dispatching = false
    }
  }

  #push(waiter: Waiter, before: number): QueuePlace {
    this.#beginPace()
    const ticket: QueueTicket<Waiter> = this.#fair.push(waiter, waiter.tenantId, waiter.weight)
    return { position: before + this.#urgent.length + 1, leave: () => this.#fair.remove(ticket) }
  }

  #expectedWaitMs(turns: number): number {
    const average = this.#interval.value
    if (average === null || this.#paceIsVoid) return 0
    // A pace that has come to a halt is no pace.
    const halted = this.#paceSince === 0 ? 0 : this.#now() - this.#paceSince
    return (turns + this.#urgent.length + 1) * Math.max(average, halted)
  }

  #beginPace(): void {
    if (this.size > 0) return
    this.#paceSince = this.#now()
    this.#paceIsVoid = false
  }

  #placed(): void {
    const now = this.#now()
    if (!this.#paceIsVoid) this.#interval.observe(now - this.#paceSince, now)
    this.#paceIsVoid = false
    this.#paceSince = this.size === 0 ? 0 : now
  }
}
