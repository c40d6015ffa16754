import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { identityLine, recordLine } from '../../src/core/usage-line.js'
import type { UsageIdentity, UsageOutcome } from '../../src/core/usage-record.js'
import { openSpool, type OpenEntry, type SpoolEntry } from '../../src/proxy/spool.js'
import type { MicroBench, MicroCase } from './harness/bench.js'
import { sampleIdentity, sampleOutcome } from './inputs/usage.js'

const RECORDS_PER_REQUEST = 3
/** The goal of the whole suite for the spool. */
const GOAL_NS = 3_000

class Entry implements SpoolEntry {
  spoolId = 0
  spoolMoved = false
  spoolOpen: OpenEntry | null = null
  promptTokens = 512
  cachedTokens = 0
  completionTokens = 0
  firstTokenAtMicros = 0
  readonly identity: UsageIdentity
  readonly outcome: UsageOutcome

  constructor(seed: number) {
    this.identity = sampleIdentity(seed)
    this.outcome = sampleOutcome(seed)
  }

  beginLine(): Buffer {
    return identityLine(this.identity)
  }

  begun(): void {
    this.completionTokens += 1
  }

  beginFailed(error: unknown): void {
    throw error
  }
}

function spoolCase(requestsPerTick: number): MicroCase {
  return {
    name: `${requestsPerTick} at once`,
    operation: `one record, when ${requestsPerTick} requests begin, move and end in the same turns of the loop`,
    goalNs: GOAL_NS,
    operationsPerRun: requestsPerTick * RECORDS_PER_REQUEST,
    start() {
      const directory = mkdtempSync(join(tmpdir(), 'crosslogic-bench-spool-'))
      const remove = (): void => {
        rmSync(directory, { recursive: true, force: true })
      }
      process.once('exit', remove)
      const spool = openSpool({
        directory,
        now: () => Date.now() * 1000,
        onError: (error) => {
          throw error
        },
      })
      const entries = Array.from({ length: requestsPerTick }, (_, index) => new Entry(index + 1))
      return {
        run() {
          for (const entry of entries) spool.begin(entry)
          spool.flushNow()
          const now = performance.now()
          for (const entry of entries) spool.progress(entry, now)
          spool.flushNow()
          for (const entry of entries) spool.end(entry, recordLine(entry.identity, entry.outcome))
          spool.flushNow()
          return spool
        },
        tidy() {
          // What a flusher would have sent by now.
          for (const file of readdirSync(directory).sort().slice(0, -1)) rmSync(join(directory, file))
        },
        async close() {
          await spool.close()
          remove()
        },
      }
    },
  }
}

/** Records of the usage spool, their lines included, into the kernel. */
export const spool: MicroBench = {
  name: 'spool',
  title: 'begin, progress and end through the spool into the kernel; three writes for each group of requests',
  cases: [1, 32, 256].map(spoolCase),
}
