import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { snapshotSchema } from '../core/snapshot-schema.js'
import type { Snapshot } from '../core/snapshot.js'

const NAME = 'snapshot.json'

/** The last good snapshot, so that a proxy can start while no store answers. */
export interface SnapshotFile {
  /** Null when there is none that can be read. */
  read(): Snapshot | null
  write(snapshot: Snapshot): void
}

export function createSnapshotFile(dataDir: string, writer: string): SnapshotFile {
  const path = join(dataDir, NAME)
  return {
    read() {
      try {
        return snapshotSchema.parse(JSON.parse(readFileSync(path, 'utf8')))
      } catch {
        // Absent, damaged, or of another version of this program.
        return null
      }
    },
    write(snapshot) {
      // Several proxies write the same: each through a file of its own, and whole or not at all.
      const draft = `${path}.${writer}`
      writeFileSync(draft, JSON.stringify(snapshot), { mode: 0o600, flush: true })
      renameSync(draft, path)
    },
  }
}
