/**
 * Bytes that are read again and again into the same memory, as the proxy's sockets read into one buffer (the parsers
 * overwrite what they get).
 */
export interface ReadBuffer {
  /** The next read: a copy of it, made now. */
  next(): Buffer
  /** Whether the one that {@link next} returned last ends a round over all of them. */
  readonly roundEnds: boolean
}

/** Reads these in turn. The views on the buffer are made once: that the proxy makes one for each read is its own cost. */
export function readInto(sources: readonly Buffer[]): ReadBuffer {
  const buffer = Buffer.allocUnsafeSlow(64 * 1024)
  const reads = sources.map((source) => ({ source, view: buffer.subarray(0, source.length) }))
  const last = reads.length - 1
  let at = last
  return {
    next() {
      at = at === last ? 0 : at + 1
      const read = reads[at]
      if (read === undefined) throw new RangeError('there is nothing to read')
      read.view.set(read.source)
      return read.view
    },
    get roundEnds() {
      return at === last
    },
  }
}
