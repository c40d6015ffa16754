/** What one attempt at a request was and how much of it was written to its socket. Times are Unix milliseconds. */
export interface LedgerEntry {
  readonly requestId: string
  readonly path: string
  readonly stream: boolean
  /** HTTP status that was written; null: none was. */
  status: number | null
  /** The prompt's size, whether or not it was worked on. */
  promptTokens: number
  cachedTokens: number
  /**
   * Streams: tokens whose whole frame was written to the socket. Plain replies: tokens of the reply if it was
   * written, else those that had been generated when it ended.
   */
  completionTokens: number
  /** Tokens that stand whole in bytes that were written: `completionTokens`, but 0 for a plain reply that never was. */
  writtenTokens: number
  /** The reply was written to its regular end. */
  finished: boolean
  /** The client left first (or the node was closed). */
  aborted: boolean
  fault: string | null
  readonly startedAt: number
  endedAt: number | null
}

export interface Ledger {
  /** Attempts by request id, oldest first. */
  readonly entries: ReadonlyMap<string, readonly LedgerEntry[]>
  open(requestId: string, path: string, stream: boolean): LedgerEntry
  clear(): void
}

/** Keeps the attempts of the last `limit` request ids. */
export function createLedger(limit: number): Ledger {
  const entries = new Map<string, LedgerEntry[]>()
  return {
    entries,
    open(requestId, path, stream) {
      const entry: LedgerEntry = {
        requestId,
        path,
        stream,
        status: null,
        promptTokens: 0,
        cachedTokens: 0,
        completionTokens: 0,
        writtenTokens: 0,
        finished: false,
        aborted: false,
        fault: null,
        startedAt: Date.now(),
        endedAt: null,
      }
      const attempts = entries.get(requestId)
      if (attempts !== undefined) attempts.push(entry)
      else {
        entries.set(requestId, [entry])
        if (entries.size > limit) {
          const oldest = entries.keys().next()
          if (oldest.done !== true) entries.delete(oldest.value)
        }
      }
      return entry
    },
    clear: () => entries.clear(),
  }
}
