import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'

const Key = z.object({ pid: z.number().int(), startTicks: z.string() })

/**
 * What lies on disk of a node's process, for a successor should the gateway's process be killed. It is written before the
 * process begins, and holds no secret.
 */
const LocalRecord = z.object({
  bootId: z.string(),
  process: Key,
  /** Others of its processes, as last seen. */
  seen: z.array(Key),
  port: z.number().int(),
  /** Whether it is to run, or was being stopped, and then how. */
  wanted: z.enum(['running', 'stopped']),
  stop: z.object({ signal: z.enum(['SIGTERM', 'SIGINT', 'SIGQUIT']), graceMs: z.number() }),
  /** Unix milliseconds. */
  startedAt: z.number(),
  /** When it first was ready, likewise; null: it has not been. */
  activeAt: z.number().nullable(),
  /** Starts in a row that failed before this one. */
  failures: z.number().int(),
  /** Size of the log when it started. */
  logFrom: z.number().int(),
})
export type LocalRecord = z.infer<typeof LocalRecord>

const recordPath = (folder: string) => join(folder, 'process.json')

/** Null: there is none, or none that can be read; then what runs bears the node's mark still. */
export function readRecord(folder: string): LocalRecord | null {
  try {
    return LocalRecord.parse(JSON.parse(readFileSync(recordPath(folder), 'utf8')))
  } catch {
    return null
  }
}

/** Whether there is one, be it one that cannot be read. */
export function hasRecord(folder: string): boolean {
  return existsSync(recordPath(folder))
}

/** @throws what the file system says */
export function writeRecord(folder: string, record: LocalRecord): void {
  const path = recordPath(folder)
  writeFileSync(`${path}.new`, JSON.stringify(record), { mode: 0o600 })
  renameSync(`${path}.new`, path)
}

export function removeRecord(folder: string): void {
  rmSync(recordPath(folder), { force: true })
}
