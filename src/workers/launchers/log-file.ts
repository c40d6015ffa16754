import {
  closeSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { hideSecrets } from '../../core/launch-command.js'

/**
 * The log of a node: what its processes print, as they print it. They hold the file open themselves, so that they outlive
 * the gateway's process; it is open for appending, so that it can be copied away and cut under them.
 */
export interface LogLimits {
  /** At this size it is put aside. */
  readonly mostBytes: number
  /** How many that were put aside are kept: `.1` is the newest. */
  readonly kept: number
}

export const LOG_LIMITS: LogLimits = { mostBytes: 16 * 1024 * 1024, kept: 3 }

const CHUNK_BYTES = 1024 * 1024
const TAIL_BYTES = 64 * 1024
const LONGEST_LINE = 1_000
const LF = 0x0a
/** A line whose end is not there yet is waited for so often, a millisecond each time. */
const MOST_WAITS = 3

/** A descriptor to hand to a process; to be closed here then. Nobody else may read it: engines print their settings. */
export function openLog(path: string): number {
  return openSync(path, 'a', 0o600)
}

/** In bytes; 0 when there is none. */
export function logSize(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

/**
 * Puts the log aside when it has reached its size. What is printed in the microseconds between the last copied byte and the
 * cut is lost. Where it cannot be copied, on a full disk say, it is cut at twice the size.
 * @throws what the file system says
 */
export function rotateLog(path: string, { mostBytes, kept }: LogLimits): void {
  if (logSize(path) < mostBytes) return
  const source = openSync(path, 'r+')
  try {
    try {
      copyAside(source, `${path}.new`)
      for (let number = kept; number > 1; number--) {
        if (statSync(`${path}.${number - 1}`, { throwIfNoEntry: false }) !== undefined) {
          renameSync(`${path}.${number - 1}`, `${path}.${number}`)
        }
      }
      renameSync(`${path}.new`, `${path}.1`)
    } catch (error) {
      rmSync(`${path}.new`, { force: true })
      if (fstatSync(source).size > 2 * mostBytes) ftruncateSync(source, 0)
      throw error
    }
  } finally {
    closeSync(source)
  }
}

function pauseMs(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/** Copies what there is and cuts it. */
function copyAside(source: number, path: string): void {
  const target = openSync(path, 'w', 0o600)
  try {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES)
    let waits = 0
    let isWhole = true
    for (let at = 0; ;) {
      const length = readSync(source, chunk, 0, chunk.length, at)
      if (length === 0) {
        // A write that crosses a page is seen in two parts: its second one would be cut.
        if (isWhole || waits++ === MOST_WAITS) break
        pauseMs(1)
        continue
      }
      isWhole = chunk[length - 1] === LF
      for (let written = 0; written < length;) {
        written += writeSync(target, chunk, written, length - written)
      }
      at += length
    }
    ftruncateSync(source, 0)
  } finally {
    closeSync(target)
  }
}

/**
 * The last whole lines that were printed, with secrets hidden and without control characters.
 * @param from only what lies behind this many bytes
 */
export function lastLines(path: string, count: number, secrets: readonly string[], from = 0): string[] {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch {
    return []
  }
  try {
    const { size } = fstatSync(file)
    // It was put aside in between.
    const least = from > size ? 0 : from
    const start = Math.max(least, size - TAIL_BYTES)
    const bytes = Buffer.alloc(size - start)
    const length = readSync(file, bytes, 0, bytes.length, start)
    const lines = bytes.subarray(0, length).toString('utf8').split('\n')
    // Half a line may end in half a secret.
    if (start > least) lines.shift()
    return lines
      .filter((line) => line.trim() !== '')
      .slice(-count)
      .map((line) => shown(line, secrets))
  } finally {
    closeSync(file)
  }
}

/** Escape sequences of terminals, colours above all. */
const ESCAPES = /\u001b\[[0-9;?]*[A-Za-z]/g

function shown(line: string, secrets: readonly string[]): string {
  const plain = line
    .replace(ESCAPES, '')
    .replace(/[\p{Cc}\p{Cs}]/gu, ' ')
    .trimEnd()
  return hideSecrets(plain, secrets).slice(0, LONGEST_LINE)
}
