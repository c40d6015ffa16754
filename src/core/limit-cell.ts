import type { LedgerKind, LimitGrant, LimitRequest } from './limit-ledger.js'

/** A process's part of one limit, between its requests and the ledger. One exchange is under way at a time. */
export interface LimitCell {
  readonly id: string
  limit: number
  /** When something was last taken. */
  readonly usedAt: number
  /** Its tenant looks after it; the tenant's own. */
  watched: boolean
  /** Something has to be told to the ledger sooner or later. */
  readonly restless: boolean
  /** Nothing is held, owed or expected back. */
  readonly forgettable: boolean
  /** The process's own ledger was asked last, which the shared one has to hear of. */
  readonly alone: boolean
  /** Whether the ledger should hear from this process now. */
  isDue(now: number): boolean
  /**
   * What to ask the ledger for.
   * @param need of the request that waits first; 0: none does
   * @param more of those behind it
   */
  request(need: number, more: number, now: number): LimitRequest
  /** The ledger's answer. */
  granted(grant: LimitGrant, ledger: LedgerKind, now: number): void
  /** What the shared ledger should know before anything is asked of it again; null: nothing. */
  statement(now: number): LimitRequest | null
  /** It has been told that. */
  stated(statement: LimitRequest): void
  /** Nothing more will come: what is kept for it goes back with the next exchange. */
  quiesce(): void
}
