import { closeSync, close, fsync, ftruncateSync, open, openSync, unlinkSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/**
 * One segment file of the spool, written by position: `size` is where the last whole batch ended, and a batch
 * that fails half way is cut off again, so that a torn record is never followed by a good one.
 */
export class SegmentFile {
  readonly path: string
  readonly #fd: number
  #size = 0
  #damaged = false
  #syncing = false
  #retired: (() => void) | null = null

  /** @throws the file system's error; the file must not exist. */
  constructor(directory: string, file: string) {
    this.path = join(directory, file)
    this.#fd = openSync(this.path, 'wx', 0o600)
    syncDirectory(directory)
  }

  get size(): number {
    return this.#size
  }

  /** True when a failed batch could not be cut off: nothing may be written here any more. */
  get damaged(): boolean {
    return this.#damaged
  }

  /** Writes all of `bytes`, or nothing of them and throws the file system's error. */
  append(bytes: Buffer): void {
    let written = 0
    try {
      while (written < bytes.length) {
        written += writeSync(this.#fd, bytes, written, bytes.length - written, this.#size + written)
      }
    } catch (error) {
      try {
        ftruncateSync(this.#fd, this.#size)
      } catch {
        this.#damaged = true
      }
      throw error
    }
    this.#size += written
  }

  /** Starts an fsync off the event loop, unless one is under way; `done` hears how that one went. */
  sync(done: (error: Error | null) => void): boolean {
    if (this.#syncing) return false
    this.#syncing = true
    fsync(this.#fd, (error) => {
      this.#syncing = false
      done(error)
      if (this.#retired !== null) this.#finish(this.#retired)
    })
    return true
  }

  /** Syncs what is there, then closes. */
  retire(done: () => void = () => {}): void {
    this.#retired = done
    if (!this.#syncing) this.#finish(done)
  }

  /** Removes a segment that never took a batch; one that cannot be removed reads as empty or torn. */
  discard(): void {
    closeSync(this.#fd)
    try {
      unlinkSync(this.path)
    } catch {
      this.#damaged = true
    }
  }

  #finish(done: () => void): void {
    fsync(this.#fd, () => {
      close(this.#fd, done)
    })
  }
}

/** Makes the names in a directory durable, off the event loop; the next fsync reports what fails here. */
function syncDirectory(directory: string): void {
  open(directory, 'r', (error, fd) => {
    if (error !== null) return
    fsync(fd, () => {
      close(fd)
    })
  })
}
