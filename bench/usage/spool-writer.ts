import { setTimeout as sleep } from 'node:timers/promises'
import { identityLine, recordLine } from '../../src/core/usage-line.js'
import { openSpool, type Spool, type SpoolEntry } from '../../src/proxy/spool.js'
import { addRequest, createRequests, NO_TOTALS, type MeteredRequest, type Totals } from './records.js'

/** Requests whose begins, and then whose ends, go into one write. */
const WRITE_REQUESTS = 500
const TICK_MS = 10

class Entry implements SpoolEntry {
  spoolId = 0
  spoolMoved = false
  readonly promptTokens = 0
  readonly cachedTokens = 0
  readonly completionTokens = 0
  readonly firstTokenAtMicros = 0
  readonly request: MeteredRequest

  constructor(request: MeteredRequest) {
    this.request = request
  }

  beginLine(): Buffer {
    return identityLine(this.request.identity)
  }

  begun(): void {}

  beginFailed(error: unknown): void {
    throw error
  }
}

/** Opens a spool as a proxy does. @throws the file system's error, also later: a bench does without retries */
export function openBenchSpool(directory: string): Spool {
  return openSpool({
    directory,
    now: () => Date.now() * 1000,
    onError: (error) => {
      throw error
    },
  })
}

/**
 * Runs requests from begin to end through a proxy's spool, as fast as it takes them or at a rate.
 * @param perSecond 0: as fast as possible
 * @returns what they come to
 */
export async function writeRequests(spool: Spool, requests: number, perSecond: number): Promise<Totals> {
  const next = createRequests(1)
  let totals = NO_TOTALS
  const startedAt = performance.now()
  let written = 0
  while (written < requests) {
    const due = perSecond === 0 ? requests : Math.floor(((performance.now() - startedAt) / 1000) * perSecond)
    const count = Math.min(requests - written, due - written, WRITE_REQUESTS)
    if (count <= 0) {
      await sleep(TICK_MS)
      continue
    }
    const entries = Array.from({ length: count }, () => new Entry(next(Date.now() * 1000)))
    for (const entry of entries) spool.begin(entry)
    spool.flushNow()
    for (const entry of entries) {
      spool.end(entry, recordLine(entry.request.identity, entry.request.outcome))
      totals = addRequest(totals, entry.request)
    }
    spool.flushNow()
    written += count
    // Lets the spool's fsync begin.
    await sleep(0)
  }
  return totals
}
