import type { LimitGrant, LimitRequest } from './limit-ledger.js'

/** A process's part of one limit, between its requests and the ledger. One exchange is under way at a time. */
export interface LimitCell {
  readonly id: string
  limit: number
  /** When something was last taken. */
  readonly usedAt: number
  /** Something has to be told to the ledger sooner or later. */
  readonly restless: boolean
  /** Nothing is held, owed or expected back. */
  readonly forgettable: boolean
  /** Whether the ledger should hear from this process now. */
  isDue(now: number): boolean
  /**
   * What to ask the ledger for.
   * @param need of the request that waits first; 0: none does
   * @param more of those behind it
   */
  request(need: number, more: number, now: number): LimitRequest
  /** The ledger's answer. @param shared whether it is the one that all proxies share */
  granted(grant: LimitGrant, shared: boolean, now: number): void
  /** The shared ledger is back: what was used meanwhile is its to know. */
  rejoin(): void
  /** Nothing more will come: what is kept for it goes back with the next exchange. */
  quiesce(): void
}
