import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  RECORD_BEGIN,
  RECORD_END,
  RECORD_PROGRESS,
  eachProgress,
  parseSegmentFile,
  scanSpool,
  type SpoolProgress,
} from '../../src/core/spool-format.js'
import { identityLine } from '../../src/core/usage-line.js'
import type { UsageIdentity, UsageOutcome } from '../../src/core/usage-record.js'
import type { SpoolEntry } from '../../src/proxy/spool.js'

export const nowMicros = (): number => Date.now() * 1000

/** A directory of its own, removed at the end. */
export function temporaryDirectory(): { path: string; [Symbol.dispose](): void } {
  const path = mkdtempSync(join(tmpdir(), 'crosslogic-spool-'))
  return {
    path,
    [Symbol.dispose]: () => {
      rmSync(path, { recursive: true, force: true })
    },
  }
}

export const TENANT_ID = '0190a5a0-0000-7000-8000-000000000001'

/** A UUID that counts, so that tests can name requests by number. */
export function numberedId(number: number): string {
  return `0190a5a0-0000-7000-8000-${number.toString(16).padStart(12, '0')}`
}

export function testIdentity(number: number, over: Partial<UsageIdentity> = {}): UsageIdentity {
  return {
    requestId: numberedId(number),
    tenantId: TENANT_ID,
    environmentId: numberedId(2),
    apiKeyId: numberedId(3),
    modelId: numberedId(4),
    model: 'llama-3.1-8b-instruct',
    nodeId: numberedId(5),
    node: 'gpu-1',
    endpoint: 'chat.completions',
    stream: true,
    startedAtMicros: nowMicros(),
    prices: { inputMicros: 150_000, cachedInputMicros: 75_000, outputMicros: 600_000 },
    promptEstimate: 10,
    ...over,
  }
}

export function testOutcome(over: Partial<UsageOutcome> = {}): UsageOutcome {
  return {
    nodeId: numberedId(5),
    node: 'gpu-1',
    status: 200,
    errorCode: '',
    clientAbort: false,
    counted: 'reported',
    promptTokens: 100,
    cachedTokens: 20,
    completionTokens: 50,
    endedAtMicros: nowMicros(),
    ttftMicros: 120_000,
    itlMicros: 20_000,
    e2eMicros: 1_100_000,
    overheadMicros: 300,
    attempts: 1,
    resumed: 0,
    ...over,
  }
}

/** A request as the proxy would hold it, with promises for what the spool says. */
export class TestEntry implements SpoolEntry {
  spoolId = 0
  spoolMoved = false
  promptTokens = 0
  cachedTokens = 0
  completionTokens = 0
  firstTokenAtMicros = 0
  readonly identity: UsageIdentity
  readonly answer: Promise<'begun' | 'refused'>
  #resolve: (answer: 'begun' | 'refused') => void = () => {}

  constructor(identity: UsageIdentity) {
    this.identity = identity
    this.answer = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  beginLine(): Buffer {
    return identityLine(this.identity)
  }

  begun(): void {
    this.#resolve('begun')
  }

  beginFailed(): void {
    this.#resolve('refused')
  }
}

export interface SpoolContent {
  readonly begins: Map<number, string>
  readonly progress: Map<number, SpoolProgress>
  readonly ends: Map<number, string>
  readonly skippedBytes: number
}

/** What a segment says, or all segments of a directory. */
export function readSpool(directory: string, files = segmentFiles(directory)): SpoolContent {
  const begins = new Map<number, string>()
  const progress = new Map<number, SpoolProgress>()
  const ends = new Map<number, string>()
  let skippedBytes = 0
  for (const file of files) {
    const scan = scanSpool(readFileSync(join(directory, file)), 0, true, ({ type, spoolId, payload }) => {
      if (type === RECORD_BEGIN) begins.set(spoolId, payload.toString('utf8'))
      if (type === RECORD_PROGRESS) eachProgress(payload, (id, one) => progress.set(id, one))
      if (type === RECORD_END) ends.set(spoolId, payload.toString('utf8'))
      return true
    })
    skippedBytes += scan.skippedBytes
  }
  return { begins, progress, ends, skippedBytes }
}

export function segmentFiles(directory: string): string[] {
  return readdirSync(directory)
    .filter((file) => parseSegmentFile(file) !== null)
    .sort()
}
