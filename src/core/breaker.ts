import { OutcomeWindow } from './outcome-window.js'

/** Whether requests are sent to a node: all, none, or one at a time to see. */
export type BreakerState = 'admitting' | 'rejecting' | 'probing'

/** Why a node was ejected; `probe`: it was being tried, and failed. */
export const EJECTION_CAUSES = ['refused', 'in_a_row', 'error_rate', 'slow', 'probe'] as const
export type EjectionCause = (typeof EJECTION_CAUSES)[number]

/** Failures in a row that open it. */
const IN_A_ROW = 3
/** Share of failures in the window that opens it, from this many requests on. */
const ERROR_RATE = 0.5
const LEAST_VOLUME = 10
/** How long requests are rejected first; doubles up to the longest. */
const FIRST_PAUSE_MS = 1_000
export const LONGEST_PAUSE_MS = 30_000
const DOUBLINGS = 5
/** Share by which a pause may be shorter, so that not all proxies try a node in the same moment. */
const JITTER = 0.2
/** For each such time that a node did well, the next pause is one doubling shorter. */
const FORGIVEN_MS = 30_000
/** A request that was let through to see and has not ended by then blocks the next one no longer. */
export const PROBE_MS = 10_000

/**
 * Circuit breaker of one node, as one process sees it. Opens on a refused connection, on failures in a row, on their
 * rate, or because it is told to; rejects for a time that grows from one opening to the next and is forgiven slowly, so
 * that a node that flaps is mostly left alone; then lets one request at a time through, whose end decides. Pure: Unix
 * milliseconds and randomness are given.
 */
export class Breaker {
  readonly #random: () => number
  #state: BreakerState = 'admitting'
  /** Rejecting: until when; probing: until when the request under way has to have ended. */
  #until = 0
  /** Doublings of the next pause. */
  #level = 0
  #admittingSince = -Infinity
  #row = 0
  readonly #window = new OutcomeWindow()
  readonly #ejections = new Map<EjectionCause, number>()

  /** @param random in [0, 1) */
  constructor(random: () => number) {
    this.#random = random
  }

  /** One whose time of rejecting is over waits for a request to try: it is probing. */
  state(nowMs: number): BreakerState {
    return this.#state === 'rejecting' && this.#due(nowMs) ? 'probing' : this.#state
  }

  /** Whether a request may be sent now. */
  admits(nowMs: number): boolean {
    return this.#state === 'admitting' || this.#due(nowMs)
  }

  /** A request is sent: the one that is let through to see, where that is due. */
  entered(nowMs: number): void {
    if (this.#state === 'admitting' || !this.#due(nowMs)) return
    this.#state = 'probing'
    this.#until = nowMs + PROBE_MS
  }

  /** No request is under way any more: one that was let through has ended without saying anything of the node. */
  idle(): void {
    if (this.#state === 'probing') this.#until = -Infinity
  }

  /** A request ended well. @returns whether the node is admitted again by it */
  succeeded(nowMs: number): boolean {
    this.#window.add(false, nowMs)
    this.#row = 0
    return this.proved(nowMs)
  }

  /** The node has shown that it works, though no request has ended. @returns as {@link succeeded} */
  proved(nowMs: number): boolean {
    // What was sent before the breaker opened says nothing of the node as it is now.
    if (this.#state === 'admitting' || (this.#state === 'rejecting' && !this.#due(nowMs))) return false
    this.#state = 'admitting'
    this.#admittingSince = nowMs
    return true
  }

  /** A request failed by the node's fault. @param refused it did not take the connection: one is enough */
  failed(refused: boolean, nowMs: number): void {
    this.#window.add(true, nowMs)
    this.#row++
    if (this.#state !== 'admitting') {
      if (this.#state === 'probing' || this.#due(nowMs)) this.#reject('probe', nowMs)
      return
    }
    const { ended, failed } = this.#window.totals(nowMs)
    if (refused) this.#reject('refused', nowMs)
    else if (this.#row >= IN_A_ROW) this.#reject('in_a_row', nowMs)
    else if (ended >= LEAST_VOLUME && failed >= ended * ERROR_RATE) this.#reject('error_rate', nowMs)
  }

  /** The node answers far later than its peers, or did so when it was tried. */
  tooSlow(nowMs: number): void {
    if (this.#state === 'admitting') this.#reject('slow', nowMs)
    else if (this.#state === 'probing' || this.#due(nowMs)) this.#reject('probe', nowMs)
  }

  /** Requests that ended in the last ten seconds since it last opened, and how many of them failed. */
  recent(nowMs: number): { readonly ended: number; readonly failed: number } {
    return this.#window.totals(nowMs)
  }

  /** How often it has opened, by cause. */
  ejections(cause: EjectionCause): number {
    return this.#ejections.get(cause) ?? 0
  }

  /** A clock that was set back must not stretch a pause. */
  #due(nowMs: number): boolean {
    return nowMs >= this.#until || this.#until - nowMs > LONGEST_PAUSE_MS
  }

  #reject(cause: EjectionCause, nowMs: number): void {
    if (this.#state === 'admitting') {
      const forgiven = Math.floor((nowMs - this.#admittingSince) / FORGIVEN_MS)
      this.#level = Math.max(0, this.#level - Math.max(0, forgiven))
    }
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#level)
    this.#level = Math.min(DOUBLINGS, this.#level + 1)
    this.#state = 'rejecting'
    this.#until = nowMs + pause * (1 - JITTER * this.#random())
    this.#row = 0
    this.#window.clear()
    this.#ejections.set(cause, this.ejections(cause) + 1)
  }
}
