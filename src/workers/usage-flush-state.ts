import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { z } from 'zod'

const STATE_FILE = 'flush-state.json'

const Offset = z.number().int().nonnegative()

const FlushStateFile = z.object({
  version: z.literal(1),
  /** How far each epoch's rows were acknowledged. */
  positions: z.record(z.string(), z.object({ segment: z.string(), offset: Offset })),
  /** The batch that was being sent: after a crash it is sent again, unchanged, before anything else. */
  inFlight: z
    .object({ segment: z.string(), start: Offset, end: Offset, rows: Offset, token: z.string() })
    .nullable(),
  /** Segments that are done with → Unix milliseconds since when. */
  done: z.record(z.string(), z.number()),
})

export type FlushState = z.infer<typeof FlushStateFile>

/**
 * What a directory's state file says.
 * @throws when the file is there and cannot be understood: to start anew would bill everything twice
 */
export function loadFlushState(directory: string): FlushState {
  let text: string
  try {
    text = readFileSync(join(directory, STATE_FILE), 'utf8')
  } catch (error) {
    if (isMissing(error)) return { version: 1, positions: {}, inFlight: null, done: {} }
    throw error
  }
  return FlushStateFile.parse(JSON.parse(text))
}

/** @throws the file system's error; the old state then still stands */
export function saveFlushState(directory: string, state: FlushState): void {
  writeDurably(join(directory, STATE_FILE), Buffer.from(JSON.stringify(state)))
}

/** Replaces a file such that after a crash the old or the new one is there, whole. */
export function writeDurably(path: string, bytes: Uint8Array): void {
  const temporary = `${path}.tmp`
  const fd = openSync(temporary, 'w', 0o600)
  try {
    writeAll(fd, bytes)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  renameSync(temporary, path)
  syncFile(dirname(path))
}

/** Appends to a file and waits until the disk has it. */
export function appendDurably(path: string, bytes: Uint8Array): void {
  const fd = openSync(path, 'a', 0o600)
  try {
    writeAll(fd, bytes)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  syncFile(dirname(path))
}

/** Waits until the disk has what was written to a file, or the names in a directory. */
export function syncFile(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Whether an error says that there is no such file. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

function writeAll(fd: number, bytes: Uint8Array): void {
  let written = 0
  while (written < bytes.length) written += writeSync(fd, bytes, written)
}
